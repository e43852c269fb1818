import { randomBytes } from 'node:crypto'

import { Client } from 'pg'
import { afterAll, inject, onTestFinished } from 'vitest'

import { type Jobs, type OptionsFor, open } from '../../src/index.ts'
import { SqlqStore } from '../../src/stores/sqlq/index.ts'
import type { SqlqOptions } from '../../src/stores/sqlq/options.ts'
import { connect } from '../servers/kit.ts'
import { type Columns, rowsOf } from '../que/kit.ts'
import { sqlqSchema } from './schema.ts'

export { type Columns, events, rowsOf } from '../que/kit.ts'

/** A database with sqlq's own schema, empty, and a session of nobody's to look at it. */
export interface Sqlq {
  readonly url: string
  readonly client: Client
  store(options?: SqlqOptions): Promise<SqlqStore>
  jobs(options?: OptionsFor<'sqlq:x'>): Promise<Jobs>
  /** All jobs, as text, in the order that they were added. */
  rows(): Promise<readonly Columns[]>
  logs(): Promise<readonly Columns[]>
}

const database = `test_sqlq_${randomBytes(8).toString('hex')}`
let made: Promise<string> | undefined

afterAll(async () => {
  if (made !== undefined) await execute(inject('postgres').url, `drop database if exists ${database} with (force)`)
})

/** The tests of a file come one after the other and share a database: sqlq's schema has a fixed name, and a database costs more than most tests. */
export async function newSqlq(): Promise<Sqlq> {
  const url = await (made ??= newDatabase())
  const client = await connect(url)
  await client.query('truncate sqlq.queues cascade; alter sequence sqlq.job_log_ordering restart')
  return {
    url,
    client,
    store: async (options) => {
      const store = await SqlqStore.open(`sqlq:${url}`, options)
      onTestFinished(() => store.close())
      return store
    },
    jobs: async (options = {}) => {
      const jobs = await open(`sqlq:${url}`, { logger: false, ...options })
      onTestFinished(() => jobs.close({ grace: 0 }))
      return jobs
    },
    rows: async () => await rowsOf(client, 'select * from sqlq.jobs order by created_at, id'),
    logs: async () => await rowsOf(client, 'select * from sqlq.job_logs order by logged_at, position'),
  }
}

async function newDatabase(): Promise<string> {
  const { url } = inject('postgres')
  await execute(url, `create database ${database}`)
  const own = Object.assign(new URL(url), { pathname: `/${database}` }).href
  await execute(own, sqlqSchema)
  return own
}

/** On a connection of its own. */
async function execute(url: string, sql: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
