import { expect, it } from 'vitest'

import { defaultBackoff } from '../../core/backoff.ts'
import { settle } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import { aJob, T } from '../../testing/contract/index.ts'
import { SqliteStore } from './index.ts'

const policy = { backoff: defaultBackoff, retention: { ...defaultRetention, completed: 0 } }

it.each([0, 7, 39])(
  'removes the others when one of many ended runs (number %i) was taken over, as if they came one by one',
  async (late) => {
    const store = new SqliteStore({ file: ':memory:' })
    await store.migrate()
    await store.insert([{ jobs: Array.from({ length: 40 }, () => ({ job: aJob(), ifHeld: 'keep' })) }], T)
    const request = { tasks: undefined, limit: 20, until: T + 1_000, now: T }
    const first = (await store.claim({ ...request, lease: 'a' })).jobs
    const jobs = [...first, ...(await store.claim({ ...request, lease: 'b' })).jobs]
    const lost = jobs[late]!
    await store.apply([settle(lost, { kind: 'expired' }, policy, T, 0)], T)
    const writes = jobs.map((job) => settle(job, { kind: 'succeeded', result: undefined }, policy, T, 0))
    const results = await store.apply(writes, T)
    expect(results.flatMap(({ ok }, i) => (ok ? [] : [i]))).toEqual([late])
    expect((await store.list({ limit: 50 })).map(({ id }) => id)).toEqual([lost.id])
    expect((await store.queues())[0]?.counts).toEqual({ pending: 1, running: 0, completed: 0, failed: 0, cancelled: 0 })
    store.close()
  },
)

it('removes all of many ended runs at once, and counts them', async () => {
  const store = new SqliteStore({ file: ':memory:' })
  await store.migrate()
  await store.insert([{ jobs: Array.from({ length: 40 }, () => ({ job: aJob(), ifHeld: 'keep' })) }], T)
  const { jobs } = await store.claim({ tasks: undefined, limit: 30, lease: 'a', until: T + 1_000, now: T })
  const writes = jobs.map((job) => settle(job, { kind: 'succeeded', result: undefined }, policy, T, 0))
  expect((await store.apply(writes, T)).every(({ ok }) => ok)).toBe(true)
  expect((await store.apply(writes, T)).some(({ ok }) => ok)).toBe(false)
  expect((await store.queues())[0]?.counts).toEqual({ pending: 10, running: 0, completed: 0, failed: 0, cancelled: 0 })
  store.close()
})
