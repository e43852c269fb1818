import type { Client } from 'pg'
import { onTestFinished } from 'vitest'

import { type Jobs, open, type Store } from '../../src/index.ts'
import { type PostgresOptions, PostgresStore } from '../../src/stores/postgres/index.ts'
import { ManualClock, type StoreCall, throughStore } from '../../src/testing/index.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { T } from './kit.ts'

export { connect, newProxy } from '../servers/kit.ts'
export { count, type Gate, gate, heard, next, T } from './kit.ts'

/** How to open the schema of a bench. */
export interface QueOptions extends Omit<PostgresOptions, 'schema' | 'applicationName'> {
  /** In place of that of the run's server: the same server, through a proxy. */
  readonly url?: string
  /** Every call to the store passes through it: to count, to hold back, to fail. */
  readonly around?: (call: StoreCall, next: () => unknown) => unknown
  /** Where sockets break and servers wait, time goes by itself. Default: the time is in the hands of the test. */
  readonly time?: 'real'
}

/** What the connections of a bench do on the server. */
export interface Sessions {
  /** All of them. */
  readonly open: number
  /** Those that are not idle: in a statement, or in a transaction. */
  readonly busy: number
  /** Advisory locks that they hold. */
  readonly locks: number
}

/** Jobs in a schema of its own on the PostgreSQL of the run. */
export interface QueBench {
  readonly jobs: Jobs
  readonly clock: ManualClock
  readonly url: string
  readonly schema: string
  /** A connection of nobody's: it sees what is committed, and can stand in the way. */
  readonly outside: Client
  /** The same schema once more, with connections of its own: what another process would be. */
  another(options?: QueOptions): Promise<Jobs>
  /** One column of what `outside` sees, `@` being the schema. */
  column(text: string, values?: readonly unknown[]): Promise<readonly unknown[]>
  sessions(): Promise<Sessions>
}

/** Opens a new schema for the length of the test. */
export async function openQue(options: QueOptions = {}): Promise<QueBench> {
  const { url, schema } = await newSchema()
  const clock = new PatientClock({ now: T })
  const outside = await connect()
  const another = async ({ url: from = url, around, time, ...rest }: QueOptions = {}): Promise<Jobs> => {
    const store = await PostgresStore.open(from, { ...rest, schema, applicationName: schema })
    const watched = clock.watched(around === undefined ? store : throughStore(store, around))
    const jobs = await open(watched, { logger: false, ...(time === 'real' ? {} : { clock }) })
    onTestFinished(() => (time === 'real' ? jobs.close({ grace: 0 }) : clock.during(jobs.close({ grace: 0 }))))
    return jobs
  }
  const rows = async (text: string, values: readonly unknown[] = []): Promise<readonly (readonly unknown[])[]> =>
    (await outside.query<unknown[]>({ text: text.replaceAll('@', schema), values: [...values], rowMode: 'array' })).rows
  return {
    jobs: await another(options),
    clock,
    url,
    schema,
    outside,
    another,
    column: async (text, values) => (await rows(text, values)).map(([value]) => value),
    sessions: async () => {
      const ours = `from pg_stat_activity where application_name = '@'`
      const [counts = []] = await rows(`
        select count(*)::integer, (count(*) filter (where state <> 'idle'))::integer,
          (select count(*) from pg_locks where locktype = 'advisory' and pid in (select pid ${ours}))::integer ${ours}`)
      const [all = 0, busy = 0, locks = 0] = counts.map(Number)
      return { open: all, busy, locks }
    },
  }
}

/**
 * Holds a claim up in the middle, lets something else happen meanwhile, and lets the claim go on: que-go's own choreography. Claims from
 * a queue with a limit come one after the other, under a lock; whoever holds that stands in their way.
 */
export async function whileClaiming<T>(
  { jobs, url, schema, outside }: QueBench,
  claim: () => Promise<T>,
  meanwhile: () => Promise<unknown>,
): Promise<T> {
  await jobs.configure('default', { concurrency: 10 })
  const inTheWay = await connect(url)
  await inTheWay.query('begin')
  const lock = `'${schema}.job'::regclass::oid::integer`
  await inTheWay.query(`select pg_advisory_xact_lock(${lock}, id) from ${schema}.queue where name = 'default'`)
  const claimed = claim()
  await until('the claim is held up', async () => {
    const text = `select from pg_locks where locktype = 'advisory' and not granted and classid::bigint = ${lock}`
    const { rowCount } = await outside.query(text)
    return rowCount === 1 ? true : undefined
  })
  await meanwhile()
  await inTheWay.query('commit')
  return await claimed
}

/** A manual clock beside a store whose answers take real time: nothing has come to rest while one is waited for. */
class PatientClock extends ManualClock {
  readonly #awaited = new Set<Promise<unknown>>()

  watched<S extends Store<unknown>>(store: S): S {
    return throughStore(store, (_, go) => {
      const answer = go()
      if (!(answer instanceof Promise)) return answer
      const over = (): boolean => this.#awaited.delete(answer)
      this.#awaited.add(answer)
      answer.then(over, over)
      return answer
    })
  }

  override async settle(): Promise<void> {
    for (;;) {
      await super.settle()
      if (this.#awaited.size === 0) return
      await Promise.race(this.#awaited).catch(() => undefined) // whoever called hears of it
    }
  }
}
