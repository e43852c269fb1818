import { isDeepStrictEqual } from 'node:util'

import type { Client } from 'pg'

import { newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { connect, openPostgresBench, type PostgresBench, type PostgresBenchOptions } from './postgres-kit.ts'

export { connect, count, type Gate, gate, heard, newProxy, next, T } from './postgres-kit.ts'

/** What the connections of a bench do on the server. */
export interface Sessions {
  /** All of them. */
  readonly open: number
  /** Those that are not idle: in a statement, or in a transaction. */
  readonly busy: number
  /** Advisory locks that they hold. */
  readonly locks: number
}

/** A bench that can be looked at from outside. */
export interface QueBench extends PostgresBench {
  /** A connection of nobody's: it sees what is committed, and can stand in the way. */
  readonly outside: Client
  /** One column of what `outside` sees, `@` being the schema. */
  column(text: string, values?: readonly unknown[]): Promise<readonly unknown[]>
  sessions(): Promise<Sessions>
  /** Waits until they are as they should be: what a worker asks on its own account passes, what somebody has left open does not. */
  sessionsBecome(wanted: Partial<Sessions>): Promise<void>
}

export const nothingHeld = { busy: 0, locks: 0 } as const

/** Opens a new schema for the length of the test. Its connections bear its name. */
export async function openQue(options: PostgresBenchOptions = {}): Promise<QueBench> {
  const place = await newSchema()
  const { schema } = place
  const bench = await openPostgresBench({ ...options, place, applicationName: schema })
  const outside = await connect()
  const rows = async (text: string, values: readonly unknown[] = []): Promise<readonly (readonly unknown[])[]> =>
    (await outside.query<unknown[]>({ text: text.replaceAll('@', schema), values: [...values], rowMode: 'array' })).rows
  const sessions = async (): Promise<Sessions> => {
    const ours = `from pg_stat_activity where application_name = '@'`
    const [counts = []] = await rows(`
      select count(*)::integer, (count(*) filter (where state <> 'idle'))::integer,
        (select count(*) from pg_locks where locktype = 'advisory' and pid in (select pid ${ours}))::integer ${ours}`)
    const [all = 0, busy = 0, locks = 0] = counts.map(Number)
    return { open: all, busy, locks }
  }
  return {
    ...bench,
    another: async (own = {}) => await bench.another({ ...own, applicationName: schema }),
    outside,
    column: async (text, values) => (await rows(text, values)).map(([value]) => value),
    sessions,
    sessionsBecome: async (wanted) => {
      await until(`the sessions are ${JSON.stringify(wanted)}`, async () => {
        const seen = await sessions()
        return isDeepStrictEqual({ ...seen, ...wanted }, seen) ? true : undefined
      })
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
