import { describe, expect, inject, it } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import { aJob, add, claim, held, ids, put, run, succeed, T, take } from '../../src/testing/contract/builders.ts'
import { expectSound } from '../../src/testing/contract/dump.ts'
import { newRedis } from '../servers/kit.ts'
import { newStore, nextBell } from './kit.ts'

const { url } = inject('redis')
const many = (count: number, given: (n: number) => Partial<Job>): readonly Job[] =>
  Array.from({ length: count }, (_, n) => aJob(given(n)))

describe('many jobs at once', () => {
  it('are added in one batch of twenty thousand, with unique keys too, and taken in order', async () => {
    const store = await newStore({ url })
    const plain = await add(store, ...many(20_000, () => ({})))
    const unique = await add(store, ...many(5_000, (n) => ({ queue: 'keys', unique: held(`key-${n}`) })))
    expect(ids(await take(store, { queues: ['main'], limit: 20_000 }))).toEqual(ids(plain))
    expect(ids(await take(store, { queues: ['keys'], limit: 9_000 }))).toEqual(ids(unique))
    expect((await store.queues()).map(({ counts }) => counts.running)).toEqual([5_000, 20_000])
  })

  it('that wait for a busy key do not keep a claim from the others behind them, however many', async () => {
    const store = await newStore({ url })
    await run(store, { concurrencyKey: 'a', runAt: T - 9 })
    await add(store, ...many(11_000, () => ({ concurrencyKey: 'a', runAt: T - 5 })))
    const others = await add(store, ...many(3, () => ({})))
    expect(ids(await take(store, { limit: 2, tasks: new Map([['mail', 2]]) }))).toEqual(ids(others.slice(0, 2)))
    expect((await claim(store)).jobs).toEqual([expect.objectContaining({ id: others[2]!.id })])
    await expectSound(store)
  })

  it('are settled in one call, kept and removed, and forgotten in one', async () => {
    const store = await newStore({ url })
    await add(store, ...many(6_000, () => ({})))
    const jobs = await take(store, { limit: 6_000 })
    await store.log(
      jobs
        .slice(0, 2_500)
        .map(({ id }, n) => ({ jobId: id, attempt: 1, at: T, level: 'info', message: String(n), data: undefined })),
    )
    await put(store, ...jobs.map((job, n) => (n % 2 === 0 ? succeed(job) : { before: job, after: undefined })))
    expect(await store.logs(jobs[2]!.id, 9)).toHaveLength(1)
    expect(await store.logs(jobs[1]!.id, 9)).toEqual([])
    expect(await store.prune(T + 1e9, 2_200)).toBe(2_200)
    await expectSound(store)
    expect(await store.prune(T + 1e9, 10_000)).toBe(800)
    expect(await store.logs(jobs[2]!.id, 9)).toEqual([])
  })

  it('are listed by pages that a filter finds few on, among more than are looked at in one call', async () => {
    const store = await newStore({ url })
    const jobs = await add(
      store,
      ...many(25_000, (n) => ({ task: n % 5_000 === 7 ? 'rare' : 'mail', createdAt: T + n, queue: 'q' })),
    )
    const rare = jobs.filter(({ task }) => task === 'rare')
    expect(await store.list({ task: 'rare', limit: 9 })).toEqual(rare.toReversed())
    expect(await store.list({ queue: 'q', createdUntil: T + 8, order: 'oldest', limit: 9 })).toEqual(jobs.slice(0, 8))
    expect(await store.list({ queue: 'q', createdFrom: T + 24_995, limit: 9 })).toEqual(jobs.slice(24_995).toReversed())
    const taken = await take(store, { limit: 5_000, now: T })
    await put(store, ...taken.map((job) => succeed(job)))
    const done = taken.filter(({ createdAt }) => createdAt < T + 3).map((job) => succeed(job).after)
    expect(await store.list({ state: 'completed', createdUntil: T + 3, limit: 9 })).toEqual(done.toReversed())
    expect(await store.list({ state: 'completed', limit: 4_000 })).toHaveLength(4_000)
  })
})

describe('the keys of a store', () => {
  it('are all gone when its jobs are, but for the names of its lanes and its counters', async () => {
    const redis = await newRedis()
    const store = await newStore({ url: redis.url, namespace: 'a' })
    await add(
      store,
      ...many(20, (n) => ({ concurrencyKey: n % 2 === 0 ? 'k' : undefined, unique: held(`u${n}`), parent: 'p' })),
    )
    for (;;) {
      const jobs = await take(store, { limit: 7 })
      if (jobs.length === 0) break
      await store.log([{ jobId: jobs[0]!.id, attempt: 1, at: T, level: 'info', message: 'x', data: undefined }])
      await put(store, ...jobs.map((job, n) => (n % 2 === 0 ? succeed(job) : { before: job, after: undefined })))
    }
    await store.prune(T + 1e9, 100)
    await store.claim({ tasks: undefined, limit: 1, lease: 'last', until: T + 1, now: T })
    const left = (await redis.ask('keys', '*')).split('\n').toSorted()
    expect(left).toEqual(['{a}:lanes', '{a}:leases', '{a}:lines', '{a}:open', '{a}:seq', '{a}:version'])
  })
})

describe('a bell', () => {
  it('of another store is heard within milliseconds', async () => {
    const [here, there] = [await newStore({ url, namespace: 'bells' }), await newStore({ url, namespace: 'bells' })]
    const took: number[] = []
    for (let n = 0; n < 30; n++) {
      const { rung } = await nextBell(here, 'jobs')
      const began = performance.now()
      await Promise.all([rung, add(there, aJob())])
      took.push(performance.now() - began)
    }
    expect(took.toSorted((a, b) => a - b)[15]).toBeLessThan(50)
  })
})
