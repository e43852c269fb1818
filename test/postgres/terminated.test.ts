import { setInterval } from 'node:timers/promises'

import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { type Jobs, task } from '../../src/index.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { openJobs } from './kit.ts'

/** Longer runs: `JOBS=50000 npx vitest run test/postgres/terminated`. */
const howMany = Number(process.env['JOBS'] ?? 2_000)
const lease = '60s'
/** Less than a lease, so that nothing was left to one. */
const withinMs = 50_000
const timeout = 120_000

interface Ledger {
  readonly url: string
  readonly schema: string
  readonly outside: Client
}

async function newLedger(): Promise<Ledger> {
  const { url, schema } = await newSchema()
  const outside = await connect(url)
  await outside.query(`create table ${schema}.effect (n integer, id text)`)
  return { url, schema, outside }
}

interface Killer {
  /** How often it has met any. */
  readonly rounds: number
  stop(): Promise<void>
}

/**
 * Terminates all of a store's connections, in the middle of whatever they do, until it is told to stop. Only what has got on since the last
 * time is met again: on a slow machine connections that live for less than it takes to make them would get nowhere, whoever makes them.
 */
function terminating(outside: Client, applicationName: string, everyMs: number, progress: () => number): Killer {
  const ending = new AbortController()
  let rounds = 0
  let last = -1
  const killing = (async () => {
    try {
      for await (const _ of setInterval(everyMs, undefined, { signal: ending.signal })) {
        if (progress() === last) continue
        last = progress()
        const { rowCount } = await outside.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
          [applicationName],
        )
        if ((rowCount ?? 0) > 0) rounds++
      }
    } catch (error) {
      if (!ending.signal.aborted) throw error
    }
  })()
  onTestFinished(() => ending.abort())
  return {
    get rounds() {
      return rounds
    },
    stop: async () => {
      ending.abort()
      await killing
    },
  }
}

/** What ends the process in a program that does not watch for it. */
function unhandled(): unknown[] {
  const found: unknown[] = []
  const note = (error: unknown): void => void found.push(error)
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  onTestFinished(() => {
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  })
  return found
}

/** Enqueues twenty at a time, and again what failed: so many, and more until connections were terminated ten times. Says how many. */
async function enqueueAll(wanted: number, killer: Killer, enqueue: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0
  let added = 0
  const produce = async (): Promise<void> => {
    for (let n = next++; n < wanted || killer.rounds < 10; n = next++) {
      added++
      for (let done = false; !done;)
        done = await enqueue(n).then(
          () => true,
          (error: { readonly name: string; readonly retryable: boolean }) => {
            expect(error).toMatchObject({ name: 'StoreError', retryable: true })
            return false
          },
        )
    }
  }
  await Promise.all(Array.from({ length: 20 }, produce))
  return added
}

/** Resolves once there is nothing left to do; how it went is for the ledger to say. */
async function drained(jobs: Jobs): Promise<void> {
  const left = async (): Promise<number> => {
    const stats = await jobs.stats()
    return stats.reduce((sum, { counts }) => sum + counts.pending + counts.running, 0)
  }
  for await (const _ of setInterval(20)) if ((await left().catch(() => 1)) === 0) return
}

it('runs each job once in effect while every connection is terminated four times a second', { timeout }, async () => {
  const { url, schema, outside } = await newLedger()
  const found = unhandled()
  const pay = task<number>({ name: 'pay', maxAttempts: 1_000, backoff: '1ms', retention: { completed: false } })
  const jobs = await openJobs(url, { schema, applicationName: schema })
  const clean = await openJobs(url, { schema })
  const progress = { count: 0 }
  jobs.on('completed', () => progress.count++)
  const killer = terminating(outside, schema, 250, () => progress.count)
  const worker = jobs.work(
    [
      pay.handle((n, job) =>
        job.transaction(
          async (tx) => void (await tx.query(`insert into ${schema}.effect values ($1, $2)`, [n, job.id])),
        ),
      ),
    ],
    { lease, concurrency: 10 },
  )
  const added = await enqueueAll(howMany / 10, killer, async (n) => {
    await jobs.enqueue(pay, n, { unique: `n:${n}` })
    progress.count++
  })
  const began = performance.now()
  await drained(clean)
  expect(performance.now() - began).toBeLessThan(withinMs) // nothing was left to the leases
  await killer.stop()
  await worker.stop()
  const { rows } = await outside.query<{ jobs: number; effects: number }>(
    `select count(distinct n)::int as jobs, count(*)::int as effects from ${schema}.effect`,
  )
  expect(rows[0]!.jobs).toBe(added)
  expect((await outside.query(`select id from ${schema}.effect group by id having count(*) > 1`)).rows).toEqual([])
  expect(found).toEqual([])
})

it(
  'runs every acknowledged job at least once, and then only once, while every connection is terminated twenty times a second',
  { timeout },
  async () => {
    const { url, schema, outside } = await newLedger()
    const found = unhandled()
    const runs = new Map<string, number>()
    const acknowledged: string[] = []
    const count = task<number>({ name: 'count', maxAttempts: 100 })
    const jobs = await openJobs(url, { schema, applicationName: schema })
    const clean = await openJobs(url, { schema })
    const told = { lost: 0, completed: 0 }
    jobs.on('lost', () => told.lost++)
    jobs.on('completed', () => told.completed++)
    const killer = terminating(outside, schema, 50, () => acknowledged.length + told.completed)
    const worker = jobs.work([count.handle((_, job) => void runs.set(job.id, (runs.get(job.id) ?? 0) + 1))], { lease })
    await enqueueAll(howMany, killer, async (n) => acknowledged.push((await jobs.enqueue(count, n)).id))
    const began = performance.now()
    await drained(clean)
    expect(performance.now() - began).toBeLessThan(withinMs)
    await killer.stop()
    await worker.stop()
    expect(acknowledged.filter((id) => !runs.has(id))).toEqual([])
    expect([...runs.values()].filter((times) => times > 1)).toEqual([]) // no lease ran out, so there was no reason to
    expect(told).toEqual({ lost: 0, completed: runs.size })
    expect(found).toEqual([])
  },
)
