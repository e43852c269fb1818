import { expect, inject, it } from 'vitest'

import { addOne, fail, read, run, succeed, T, take } from '../../src/testing/contract/builders.ts'
import { newStore } from './kit.ts'

// A server that lost its last moments (appendfsync everysec, a failover to a replica behind) makes the same revision again: decision 011.
it.each([
  ['removes', (job: Parameters<typeof succeed>[0]) => ({ before: job, after: undefined })],
  ['keeps', (job: Parameters<typeof succeed>[0]) => succeed(job)],
  ['tries again', (job: Parameters<typeof succeed>[0]) => fail(job)],
])('refuses a write that %s a job under a lease which is not the job’s, though its rev may fit', async (_, end) => {
  const store = await newStore({ url: inject('redis').url })
  const job = await run(store)
  const stale = { ...job, lease: 'of a claim that was undone' }
  expect(await store.apply([end(stale)], T)).toEqual([{ ok: false, current: job }])
  await addOne(store)
  const { settled } = await store.claim({
    tasks: undefined,
    limit: 1,
    lease: 'another',
    until: T + 1_000,
    now: T,
    settle: [end(stale)],
  })
  expect(settled).toEqual([{ ok: false, current: job }])
  expect(await read(store, job)).toEqual(job)
  expect(await store.apply([end(job)], T)).toEqual([{ ok: true }])
  expect(await take(store)).toEqual([])
})
