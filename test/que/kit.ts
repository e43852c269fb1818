import type { Client } from 'pg'
import { onTestFinished } from 'vitest'

import { type Jobs, type OptionsFor, open } from '../../src/index.ts'
import type { EventOf, EventType } from '../../src/runtime/events.ts'
import { QueStore } from '../../src/stores/que/index.ts'
import type { QueOptions } from '../../src/stores/que/options.ts'
import { connect, newDatabase } from '../servers/kit.ts'
import { queSchema, type QueVersion } from './schema.ts'

export const versions: readonly QueVersion[] = [3, 4, 5, 6, 7]

/** A row as PostgreSQL prints it: every column as text, or null. */
export type Columns = Readonly<Record<string, string | null>>

/** A database with Que's own tables, and a session of nobody's to look at them. */
export interface Que {
  readonly version: QueVersion
  readonly url: string
  readonly client: Client
  /** The name of the id's column. */
  readonly id: 'id' | 'job_id'
  /** The name of the queue that is meant when none is named. */
  readonly queue: '' | 'default'
  store(options?: QueOptions): Promise<QueStore>
  jobs(options?: OptionsFor<'que:x'>): Promise<Jobs>
  /** All rows, as text, by id. */
  rows(): Promise<readonly Columns[]>
  /** The ids of jobs that some session holds the lock of. */
  locks(): Promise<readonly string[]>
}

export async function newQue(version: QueVersion): Promise<Que> {
  const url = await newDatabase()
  const client = await connect(url)
  await client.query(queSchema(version))
  const id = version === 3 ? 'job_id' : 'id'
  return {
    version,
    url,
    client,
    id,
    queue: version === 3 ? '' : 'default',
    store: async (options) => {
      const store = await QueStore.open(`que:${url}`, options)
      onTestFinished(() => store.close())
      return store
    },
    jobs: async (options = {}) => {
      const jobs = await open(`que:${url}`, { logger: false, ...options })
      onTestFinished(() => jobs.close({ grace: 0 }))
      return jobs
    },
    rows: async () => await rowsOf(client, `select * from que_jobs order by ${id}`),
    locks: async () => {
      const { rows } = await client.query<{ id: string }>(
        `select ((classid::bigint << 32) | objid::bigint)::text as id from pg_locks
         where locktype = 'advisory' and objsubid = 1 and granted
           and database = (select oid from pg_database where datname = current_database()) order by objid`,
      )
      return rows.map((row) => row.id)
    },
  }
}

/** Rows of any statement, every column as PostgreSQL prints it. */
export async function rowsOf(client: Client, text: string, values: unknown[] = []): Promise<readonly Columns[]> {
  const types = { getTypeParser: () => (value: string | Buffer) => value.toString() }
  const { rows } = await client.query<Columns>({ text, values, types })
  return rows
}

/** Resolves once so many events of a type have come. */
export async function events<T extends EventType>(jobs: Jobs, type: T, count: number): Promise<readonly EventOf<T>[]> {
  return await new Promise((resolve) => {
    const come: EventOf<T>[] = []
    const end = jobs.on(type, (event) => {
      come.push(event)
      if (come.length < count) return
      end()
      resolve(come)
    })
  })
}
