import { describe, expect, inject, it } from 'vitest'

import { StoreError } from '../../src/core/errors.ts'
import { cancel } from '../../src/core/lifecycle.ts'
import { defaultRetention } from '../../src/core/retention.ts'
import {
  add,
  aJob,
  claim,
  fail,
  held,
  ids,
  leaseMs,
  offer,
  read,
  run,
  succeed,
  T,
  take,
} from '../../src/testing/contract/builders.ts'
import { expectSound } from '../../src/testing/contract/dump.ts'
import { newProxy } from '../servers/kit.ts'
import { clients, newStore } from './kit.ts'

describe.each(clients)('a call through %s whose answer is lost', (client) => {
  async function overProxy() {
    const proxy = await newProxy(inject('redis').url)
    const store = await newStore({ url: proxy.url, client })
    return { proxy, store, lose: async () => await proxy.loseReply((bytes) => bytes.includes('EVALSHA')) }
  }

  it('has added its jobs once, and says so', async () => {
    const { store, lose } = await overProxy()
    await add(store, aJob()) // the server knows the script
    await lose()
    const jobs = await add(store, aJob(), aJob({ queue: 'other' }))
    expect(await store.get(ids(jobs))).toEqual(jobs)
    expect(ids(await take(store, { limit: 9 }))).toHaveLength(3)
    await expectSound(store)
  })

  it('has added its job with a unique key once, and does not take it for its own holder', async () => {
    const { store, lose } = await overProxy()
    await add(store, aJob({ unique: held('a') }))
    await lose()
    const job = aJob({ unique: held('b') })
    expect((await offer(store, [job])).holders).toEqual([])
    expect(await read(store, job)).toEqual(job)
    await expectSound(store)
  })

  it('gives the jobs it has claimed the first time, their attempts counted once', async () => {
    const { store, lose } = await overProxy()
    const jobs = await add(store, ...Array.from({ length: 5 }, () => aJob({ maxAttempts: 1 })))
    await take(store, { queues: [] })
    await lose()
    const taken = await take(store, { limit: 3 })
    expect(new Set(ids(taken))).toEqual(new Set(ids(jobs.slice(0, 3))))
    expect(taken.map(({ attempt }) => attempt)).toEqual([1, 1, 1])
    expect(await store.get(ids(taken))).toEqual(taken)
    await expectSound(store)
  })

  it('has settled what it was given, and does not call it lost', async () => {
    const { store, lose } = await overProxy()
    const [removed, kept, failed] = [await run(store), await run(store), await run(store)]
    const waiting = aJob()
    await add(store, waiting)
    await lose()
    const settle = [{ before: removed, after: undefined }, succeed(kept), fail(failed)]
    const { settled, jobs } = await claim(store, { settle, limit: 1 })
    expect(settled).toEqual([{ ok: true }, { ok: true }, { ok: true }])
    expect(ids(jobs)).toEqual([waiting.id])
    expect(await store.get(ids([removed, kept, failed]))).toEqual([undefined, succeed(kept).after, fail(failed).after])
    await expectSound(store)
  })

  it('still refuses what was stale before it was made', async () => {
    const { store, lose } = await overProxy()
    const job = await run(store)
    await store.apply([fail(job)], T)
    await lose()
    expect(await store.apply([succeed(job)], T)).toEqual([{ ok: false, current: fail(job).after }])
  })

  it('has renewed its lease once', async () => {
    const { store, lose } = await overProxy()
    const job = await run(store)
    await store.renew([], T, T)
    await lose()
    const renewal = { id: job.id, lease: job.lease! }
    const [first] = await store.renew([renewal], T + 2 * leaseMs, T)
    expect(first).toEqual({ rev: job.rev + 1, cancel: undefined })
    expect(await read(store, job)).toEqual({ ...job, leaseUntil: T + 2 * leaseMs, rev: job.rev + 1 })
  })

  it('has cancelled once', async () => {
    const { store, lose } = await overProxy()
    const job = await run(store)
    await lose()
    const asked = cancel(job, 'stop', defaultRetention, T)!
    expect(await store.apply([asked], T)).toEqual([{ ok: true }])
    expect(await read(store, job)).toEqual(asked.after)
  })

  it('fails with an error that may be tried again when no connection comes back in time', async () => {
    const proxy = await newProxy(inject('redis').url)
    const store = await newStore({ url: proxy.url, client, timeout: 300 })
    await proxy.refuse()
    await proxy.cut()
    const thrown = await add(store, aJob()).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(StoreError)
    expect(thrown).toMatchObject({ retryable: true, message: expect.stringContaining('no connection to Redis') })
    await proxy.pass()
    await add(store, aJob())
  })

  it('is made on a new connection when the old one is silent', async () => {
    const proxy = await newProxy(inject('redis').url)
    const store = await newStore({ url: proxy.url, client, timeout: 4_000 })
    await add(store, aJob())
    await proxy.blackHole()
    const adding = add(store, aJob())
    const before = proxy.accepted
    await expect.poll(() => proxy.accepted, { timeout: 5_000 }).toBeGreaterThan(before)
    await proxy.pass()
    await adding
    expect(await take(store)).toHaveLength(2)
  })
})
