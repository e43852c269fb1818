import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'

import { type Jobs, task } from '../../src/index.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { SqliteHandle, SqliteStatement } from '../../src/stores/sqlite/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { newFile, openJobs } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello', retention: { completed: 'forever' } })
const other = task<{ n: number }>({ name: 'other' })

/** What a store has done since the last reset: statements run, and rows of jobs that its queries have visited. */
interface Work {
  statements: number
  visited: number
}

/** A store that counts its work: a function in the where clause of every query on jobs is called once for each row visited. */
async function counted(clock?: Clock): Promise<{ jobs: Jobs; work: Work }> {
  const work: Work = { statements: 0, visited: 0 }
  const driver = (file: string): SqliteHandle => {
    const db = new DatabaseSync(file)
    db.function('visited', { varargs: true }, () => {
      work.visited++
      return 1
    })
    const counting = (statement: SqliteStatement): SqliteStatement =>
      new Proxy(statement, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target)
          if (typeof value !== 'function') return value
          return (...args: unknown[]): unknown => {
            if (key === 'run' || key === 'all') work.statements++
            return Reflect.apply(value, target, args)
          }
        },
      })
    return {
      prepare: (sql) =>
        counting(db.prepare(sql.replaceAll(/from (\w+job)\s+where/g, 'from $1 where visited(seq) and'))),
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      get isTransaction() {
        return db.isTransaction
      },
    }
  }
  return { jobs: await openJobs(newFile(), { driver, ...(clock === undefined ? {} : { clock }) }), work }
}

async function add(jobs: Jobs, howMany: number, options: Parameters<typeof hello.with>[1] = {}): Promise<void> {
  for (let left = howMany; left > 0; left -= 1_000)
    await jobs.enqueueMany(Array.from({ length: Math.min(left, 1_000) }, (_, n) => hello.with({ n }, options)))
}

/** The work of one claim, the second of two alike: the first may have to read what is new. */
async function costOfClaim(jobs: Jobs, work: Work, limit = 10): Promise<Work> {
  await jobs.leaseMany({ limit })
  Object.assign(work, { statements: 0, visited: 0 })
  expect(await jobs.leaseMany({ limit })).toHaveLength(limit)
  return { ...work }
}

describe('a claim does the same work', () => {
  it('with a thousand waiting jobs and with fifty thousand', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 1_000)
    const few = await costOfClaim(jobs, work)
    await add(jobs, 49_000)
    expect(await costOfClaim(jobs, work)).toEqual(few)
    expect(few.visited).toBeLessThanOrEqual(10 + 2)
  })

  it('with many that are not due yet', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 100)
    const few = await costOfClaim(jobs, work)
    await add(jobs, 20_000, { delay: '1h' })
    expect(await costOfClaim(jobs, work)).toEqual(few)
  })

  it('with many that have finished', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 5_100)
    const few = await costOfClaim(jobs, work)
    for (const held of await jobs.leaseMany({ limit: 5_000 })) await held.complete()
    expect(await costOfClaim(jobs, work)).toEqual(few)
  })

  it('over several queues and tasks of one rank: in each it stops after the limit', async () => {
    const { jobs, work } = await counted()
    const fill = async (rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++)
        await jobs.enqueueMany(
          Array.from({ length: 1_000 }, (_, n) =>
            (n % 2 === 0 ? hello : other).with({ n }, { queue: `q${Math.floor(n / 2) % 5}` }),
          ),
        )
    }
    await fill(1)
    const few = await costOfClaim(jobs, work)
    await fill(29)
    const many = await costOfClaim(jobs, work)
    expect(many.statements).toBe(few.statements)
    expect(many.visited).toBeLessThanOrEqual(10 * 11)
  })

  it('when the jobs in front have a higher number of priority', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 10_000, { priority: 9 })
    await add(jobs, 100, { priority: 1 })
    expect((await costOfClaim(jobs, work)).visited).toBeLessThanOrEqual(12)
  })

  it('behind ten thousand jobs that wait for one busy concurrency key', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 10_000, { concurrencyKey: 'busy' })
    await add(jobs, 100)
    const held = await jobs.leaseMany({ limit: 11 }) // walks past them once
    expect(held).toHaveLength(11)
    const behind = await costOfClaim(jobs, work)
    expect(behind.visited).toBeLessThanOrEqual(12)
    expect(behind.statements).toBeLessThanOrEqual(30)
  })

  it('when a job of that key ends: one of those behind it comes into turn, not all', async () => {
    const { jobs, work } = await counted()
    await add(jobs, 10_000, { concurrencyKey: 'busy' })
    const [first] = await jobs.leaseMany({ limit: 10 })
    for (let held = first, round = 0; round < 5; round++) {
      Object.assign(work, { statements: 0, visited: 0 })
      await held!.complete()
      const next = await jobs.leaseMany({ limit: 10 })
      expect(next).toHaveLength(1)
      expect((next[0]!.payload as { n: number }).n).toBe(round + 1) // still one after the other
      expect(work.visited).toBeLessThanOrEqual(15)
      expect(work.statements).toBeLessThanOrEqual(40)
      held = next[0]
    }
  })
})

it('enqueues one job with one statement, whatever else is in the file', async () => {
  const { jobs, work } = await counted()
  await add(jobs, 10_000)
  await jobs.enqueue(hello, { n: 0 })
  Object.assign(work, { statements: 0, visited: 0 })
  await jobs.enqueue(hello, { n: 1 })
  expect(work).toEqual({ statements: 1, visited: 0 })
})

it('counts without a scan: the statistics of fifty thousand jobs visit none', async () => {
  const { jobs, work } = await counted()
  await add(jobs, 50_000)
  await jobs.stats()
  Object.assign(work, { statements: 0, visited: 0 })
  const [queue] = await jobs.stats()
  expect(queue?.counts.pending).toBe(50_000)
  expect(work.visited).toBeLessThanOrEqual(2)
})

it('prunes what is due without looking at the rest', async () => {
  const clock = new ManualClock()
  const { jobs, work } = await counted(clock)
  await add(jobs, 2_000)
  for (const held of await jobs.leaseMany({ limit: 1_000 })) await held.complete() // kept for ever
  await jobs.enqueue(other, { n: 1 }, { retention: { completed: '1m' } })
  await (await jobs.lease({ tasks: [other] }))?.complete()
  await clock.advance('2m')
  Object.assign(work, { statements: 0, visited: 0 })
  expect(await jobs.prune()).toBe(1)
  expect(work.visited).toBeLessThanOrEqual(3)
})
