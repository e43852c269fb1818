import type { Bench } from './bench.ts'
import { connected, tables } from './contenders/postgres-schema.ts'
import { type Measured, percentile, type Result } from './figures.ts'
import { claimEach, compared, fillEach, openForClaims, unit } from './growth.ts'
import { closeEach, entrants, inTurns, openEach, orOut, toResult } from './measure.ts'

const limit = 100
const depth = 1_000
const lot = 10_000

/**
 * One claim when the planner takes the tables for empty: their statistics were gathered before there was anything, and autovacuum is kept from
 * gathering others. How many times that is what it takes with statistics as they should be.
 */
export async function measureStaleStatistics(bench: Bench): Promise<readonly Measured[]> {
  const all = entrants(bench)
  const durability = bench.engine.steady
  const places = await openForClaims(bench, all, false)
  for (const place of places.values()) await mislead(place)
  await fillEach(bench, all, bench.plan.wear.stale, { learn: false })
  const stale = await claimEach(bench, all, undefined)
  for (const one of all)
    await orOut(one, async () => void (await one.contender.ask({ kind: 'learn' }, bench.plan.orderMs)))
  const fresh = { work: '', durability, unit, results: await claimEach(bench, all, undefined) }
  await closeEach(bench, all, places)
  const results = stale.map((result) => against(result, fresh))
  return [{ work: 'stale-statistics', durability, unit, results }]
}

async function mislead(place: string): Promise<void> {
  await connected(place, async (client) => {
    for (const table of await tables(client)) {
      await client.query(`alter table ${table} set (autovacuum_enabled = off)`)
      await client.query(`analyze ${table}`)
    }
  })
}

/**
 * Claims of a hundred with a thousand waiting, until so many jobs were processed: without, and then with a transaction open elsewhere that sees
 * everything as it was at the beginning, so that nothing can be vacuumed away.
 */
export async function measureLongTransaction(bench: Bench): Promise<readonly Measured[]> {
  const short = await claimAtDepth(bench, 'short-transactions', undefined, async (_place, call) => call())
  const long = await claimAtDepth(bench, 'long-transaction', short, (place, call) =>
    connected(place, async (client) => {
      await client.query('begin isolation level repeatable read')
      await client.query('select count(*) from pg_class')
      await call()
      await client.query('rollback')
    }),
  )
  return [short, long]
}

async function claimAtDepth(
  bench: Bench,
  work: string,
  first: Measured | undefined,
  during: (place: string, call: () => Promise<void>) => Promise<void>,
): Promise<Measured> {
  const { wear, orderMs } = bench.plan
  const durability = bench.engine.steady
  const all = entrants(bench)
  const places = await openForClaims(bench, all, false)
  await fillEach(bench, all, depth)
  await inTurns(bench, all, 1, ({ contender, numbers }) =>
    during(places.get(contender) ?? '', async () => {
      const order = { kind: 'claims', times: wear.jobs / limit, limit, withinMs: orderMs / 2 } as const
      numbers.push(...(await contender.ask(order, orderMs)))
    }),
  )
  await closeEach(bench, all, places)
  const results = all.map((one) => {
    const result = compared(one, first)
    return result.figure === undefined ? result : { ...result, p99: percentile(one.numbers, 0.99) }
  })
  return { work, durability, unit, results }
}

/** What tables and indexes take when so many jobs were processed, ten thousand at a time, with autovacuum at work. */
export async function measureBloat(bench: Bench): Promise<readonly Measured[]> {
  const { wear, orderMs } = bench.plan
  const durability = bench.engine.steady
  const all = entrants(bench)
  const places = await openEach(bench, all, durability, false)
  const notes: string[] = []
  for (const one of all) {
    const place = places.get(one.contender) ?? ''
    const sizes: number[] = []
    for (let done = 0; done < wear.bloat && one.out === undefined; done += lot) {
      await orOut(one, async () => {
        await one.contender.ask({ kind: 'fill', jobs: lot }, orderMs)
        await one.contender.ask({ kind: 'drain', jobs: lot }, orderMs)
        if (done + lot === wear.bloat || done + lot === wear.bloat / 5) sizes.push(await megabytes(place))
      })
    }
    one.numbers.push(...sizes.slice(-1))
    if (sizes.length > 0) notes.push(`${one.contender.name} ${sizes.map((mb) => mb.toFixed(1)).join(' → ')}`)
  }
  await closeEach(bench, all, places)
  const note = `MB after ${wear.bloat / 5} and after ${wear.bloat} jobs: ${notes.join(', ')}; pg-boss keeps what is finished`
  return [{ work: 'bloat', durability, unit: 'MB of tables and indexes', results: all.map(toResult), note }]
}

async function megabytes(place: string): Promise<number> {
  return await connected(place, async (client) => {
    const { rows } = await client.query<{ bytes: number }>(
      `select coalesce(sum(pg_total_relation_size(oid)), 0)::float8 as bytes
      from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'`,
    )
    return (rows[0]?.bytes ?? 0) / 2 ** 20
  })
}

function against(result: Result, base: Measured): Result {
  const figure = base.results.find(({ name }) => name === result.name)?.figure
  return result.figure === undefined || figure === undefined ? result : { ...result, growth: result.figure / figure }
}
