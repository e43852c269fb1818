import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { aClaim, add, aJob, put, succeed, T, take } from '../../src/testing/contract/builders.ts'
import { connect, newDatabase } from '../servers/kit.ts'

/** What a claim of 100 has read of the jobs: rows by walking over the table, and entries of the index that is in claim order. */
interface Read {
  readonly taken: number
  readonly walked: number
  readonly entries: number
}

/** In a database of its own: a transaction that is open in that of the other tests would keep `vacuum` from what they delete. */
async function openStore(): Promise<{ url: string; store: PostgresStore; schema: string; client: Client }> {
  const [url, schema] = [await newDatabase(), 'jobs']
  const store = await PostgresStore.open(url, { schema })
  onTestFinished(() => store.close())
  await store.migrate()
  return { url, store, schema, client: await connect(url) }
}

/** Claims 100 and undoes it: what was read is counted within a transaction, at once and exactly. */
async function claimCost(client: Client, schema: string, from?: readonly [lanes: string, ats: string]): Promise<Read> {
  await client.query('begin')
  const before = await counters(client, schema)
  const claimed = await client.query(
    `select * from ${schema}.exchange(null, null, null, null, null, null, null, null, null, null, null, null, true, 'none', null, false, null,
      null, null, null, 100, $1, $2, $3, $4, $5)`,
    [aClaim().lease, T + 30_000, T, ...(from ?? [null, null])],
  )
  const after = await counters(client, schema)
  await client.query('rollback')
  // Its last two rows are what it tells of the claim and of the settling.
  return {
    taken: claimed.rows.length - 2,
    walked: after.walked - before.walked,
    entries: after.entries - before.entries,
  }
}

async function counters(client: Client, schema: string): Promise<{ walked: number; entries: number }> {
  const { rows } = await client.query<{ walked: string; entries: string }>(
    `select pg_stat_get_xact_tuples_returned('${schema}.job'::regclass) as walked,
      pg_stat_get_xact_tuples_returned('${schema}.job_ready'::regclass) as entries`,
  )
  return { walked: Number(rows[0]!.walked), entries: Number(rows[0]!.entries) }
}

async function fill(store: PostgresStore, count: number, given: Parameters<typeof aJob>[0] = {}): Promise<void> {
  for (let left = count; left > 0; left -= 1_000) await add(store, ...Array.from({ length: 1_000 }, () => aJob(given)))
}

describe('what a claim reads', () => {
  it('is no more than it takes, though the statistics are those of an empty table', async () => {
    const { store, schema, client } = await openStore()
    await client.query(`alter table ${schema}.job set (autovacuum_enabled = off)`)
    await client.query(`analyze ${schema}.job`)
    await fill(store, 20_000)
    expect(await claimCost(client, schema)).toEqual({ taken: 100, walked: 0, entries: 100 })
  })

  it('is no more for a hundred times as many that wait', async () => {
    const { store, schema, client } = await openStore()
    await fill(store, 1_000)
    const few = await claimCost(client, schema)
    await fill(store, 40_000)
    expect(await claimCost(client, schema)).toEqual(few)
  })

  it('is no more beside many that cannot run: of a paused queue, running, finished, or later', async () => {
    const { store, schema, client } = await openStore()
    await store.configure('paused', { paused: true })
    await fill(store, 5_000, { queue: 'paused', priority: -1 })
    await fill(store, 5_000, { runAt: T + 1 })
    await fill(store, 2_000, { queue: 'held' })
    for (let n = 0; n < 10; n++) await put(store, ...(await take(store, { limit: 100 })).map((job) => succeed(job)))
    await take(store, { limit: 1_000 })
    await client.query(`vacuum ${schema}.job`)
    await fill(store, 1_000)
    const { walked, entries, taken } = await claimCost(client, schema)
    expect({ taken, walked }).toEqual({ taken: 100, walked: 0 })
    expect(entries).toBeLessThan(100 + 3 * 100) // each of the three lanes in turn is looked at to its hundredth
  })

  it('is no more behind a long transaction, from where the last claim ended', async () => {
    const { url, store, schema, client } = await openStore()
    const long = await connect(url)
    await long.query('begin isolation level repeatable read; select 1')
    await long.query(`select count(*) from ${schema}.job`)
    await fill(store, 6_000)
    for (let n = 0; n < 50; n++) {
      const jobs = await take(store, { limit: 100 })
      await put(store, ...jobs.map((job) => ({ before: job, after: undefined })))
    }
    await fill(store, 1_000, { runAt: T })
    const whole = await claimCost(client, schema)
    expect(whole.entries).toBeGreaterThan(5_000) // all that was taken since the transaction began
    const { rows } = await client.query<{ id: string }>(`select id::text from ${schema}.lane`)
    const next = await client.query<{ at: string }>(`select min(run_at)::text as at from ${schema}.job where state = 0`)
    const part = await claimCost(client, schema, [`{${rows[0]!.id}}`, `{${next.rows[0]!.at}}`])
    expect(part.taken).toBe(100)
    await long.query('rollback')
  })
})
