import { describe, expect, it } from 'vitest'

import { type Jobs, task } from '../../src/index.ts'
import { heard, openPostgresBench, startChild, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })
const other = task<number>({ name: 'other' })

const many = (howMany: number, queue = 'default') => Array.from({ length: howMany }, (_, n) => work.with(n, { queue }))

describe('sqlq: taking jobs', () => {
  it('S8: gives one job, running from now on, its attempt counted; and nothing when none is due', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { delay: '5s' })
    expect(await jobs.lease({ queue: 'default', tasks: [work] })).toBeUndefined()
    await clock.advance('5s')
    expect(await jobs.lease({ queue: 'default', tasks: [work], for: '30s' })).toMatchObject({ id, attempt: 1 })
    expect(await jobs.get(id)).toMatchObject({
      state: 'running',
      attempt: 1,
      startedAt: T + 5_000,
      leaseUntil: T + 35_000,
    })
    expect(await jobs.lease()).toBeUndefined()
  })

  it('S9: takes from every queue and of every task where none is named', async () => {
    const { jobs } = await openPostgresBench()
    await jobs.enqueueMany([work.with(1, { queue: 'a' }), other.with(2, { queue: 'b' }), work.with(3, { queue: 'c' })])
    expect(await jobs.lease({ queue: 'd' })).toBeUndefined()
    expect((await jobs.lease({ queue: 'b' }))?.payload).toBe(2)
    expect((await jobs.leaseMany({ limit: 5 })).map(({ payload }) => payload)).toEqual([1, 3])
  })

  it('S10: takes from the first queue first, then the first by priority, then the oldest', async () => {
    const { jobs } = await openPostgresBench()
    await jobs.configure('critical', { priority: 0 })
    await jobs.configure('default', { priority: 1 })
    const add = async (n: number, queue: string, priority = 10): Promise<unknown> =>
      await jobs.enqueue(work, n, { queue, priority })
    for (const [n, queue, priority] of [
      [1, 'default', 0],
      [2, 'default'],
      [3, 'critical'],
      [4, 'default'],
      [5, 'critical', 9],
      [6, 'critical'],
    ] as const)
      await add(n, queue, priority)
    expect((await jobs.leaseMany({ limit: 10 })).map(({ payload }) => payload)).toEqual([5, 3, 6, 1, 2, 4])
  })

  it('S11: gives no more of a queue than may run at a time, whoever asks', async () => {
    const { jobs, another } = await openPostgresBench()
    await jobs.configure('critical', { priority: 0, concurrency: 1 })
    await jobs.configure('default', { priority: 1, concurrency: 2 })
    await jobs.enqueueMany([...many(3, 'critical'), ...many(3, 'default')])
    const takers = [jobs, await another(), jobs, await another()]
    const taken: (string | undefined)[] = []
    for (const taker of takers) taken.push((await taker.lease())?.queue)
    expect(taken).toEqual(['critical', 'default', 'default', undefined])
  })

  it('S11: gives the next as soon as one has ended', async () => {
    const { jobs } = await openPostgresBench()
    await jobs.configure('default', { concurrency: 1 })
    await jobs.enqueueMany(many(2))
    const first = await jobs.lease()
    expect(await jobs.lease()).toBeUndefined()
    await first?.complete()
    expect(await jobs.lease()).toMatchObject({ payload: 1 })
  })

  it('S12: gives two of a queue for two to five who ask at once, on connections of their own, and nobody an error', async () => {
    const { jobs, another } = await openPostgresBench()
    await jobs.configure('default', { concurrency: 2 })
    const askers = await Promise.all(Array.from({ length: 5 }, () => another()))
    for (let round = 0; round < 20; round++) {
      await jobs.enqueueMany(many(3))
      const taken = (await Promise.all(askers.map((asker) => asker.lease()))).filter((held) => held !== undefined)
      expect(taken).toHaveLength(2)
      expect(new Set(taken.map(({ id }) => id)).size).toBe(2)
      for (const held of taken) expect(await held.complete()).toBe(true)
    }
  })

  it('S12: lets three of a queue for three run at a time, over the workers of four processes', async () => {
    const { jobs, url, schema } = await openPostgresBench()
    await jobs.configure('default', { concurrency: 3 })
    const children = await Promise.all(Array.from({ length: 4 }, () => startChild()))
    await Promise.all(children.map((child) => child.call('openUrl', url, { schema })))
    await jobs.enqueueMany(
      Array.from({ length: 60 }, (_, n) => task({ name: 'hello' }).with(undefined, { priority: n })),
    )
    const runs = (await Promise.all(children.map((child) => child.call('timeAll', 60)))).flat()
    expect(runs).toHaveLength(60)
    expect(mostAtOnce(runs)).toBe(3)
  })

  it('S13: lets any number ask at once: each job is given once, and nobody hears of the others', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const all = [jobs, await another(), await another(), await another()]
    await jobs.configure('default', { concurrency: 7 })
    const errors = all.map((one) => heard(one, 'error'))
    const ran: number[] = []
    for (const one of all) one.work([work.handle((n) => void ran.push(n))], { concurrency: 5 })
    await jobs.enqueueMany(many(300))
    await clock.advance('1s')
    expect(ran.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => n))
    expect(errors.flat()).toEqual([])
  })

  it('S14: gives jobs of the tasks that are named, and leaves the others where they are', async () => {
    const { jobs, clock } = await openPostgresBench()
    await jobs.enqueueMany([work.with(1), other.with(2), work.with(3)])
    const held = await jobs.lease({ tasks: [other] })
    expect(held?.payload).toBe(2)
    expect(await jobs.lease({ tasks: [other] })).toBeUndefined()
    await held?.complete()
    const ran: number[] = []
    jobs.work([other.handle((n) => void ran.push(n))])
    await jobs.enqueue(other, 4)
    await clock.advance('10m')
    expect(ran).toEqual([4])
    expect((await jobs.stats())[0]?.tasks['work']).toMatchObject({ pending: 2 })
  })

  it('S15: gives no job before its time, and every job from then on', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { delay: '10s' })
    await clock.advance('9999ms')
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance(1)
    expect(await jobs.lease()).toMatchObject({ id })
  })

  it('S15: counts a new wait from the failure, not from the beginning', async () => {
    const { jobs, clock } = await openPostgresBench()
    await jobs.enqueue(work, 1, { delay: '10s', backoff: '20s' })
    await clock.advance('15s')
    await failOne(jobs)
    await clock.advance('19999ms')
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance(1)
    expect(await jobs.lease()).toMatchObject({ attempt: 2, runAt: T + 35_000 })
  })
})

async function failOne(jobs: Jobs): Promise<void> {
  await (await jobs.lease())?.fail(new Error('no'))
}

/** Of runs that began and ended at these times, how many ran at the same time. */
function mostAtOnce(runs: readonly (readonly [number, number])[]): number {
  return Math.max(...runs.map(([at]) => runs.filter(([from, to]) => from <= at && at < to).length))
}
