import { describe, expect, it } from 'vitest'

import { StoreError } from '../../src/core/errors.ts'
import type { Job } from '../../src/core/job.ts'
import type { RedisStore } from '../../src/stores/redis/index.ts'
import {
  add,
  addOne,
  aJob,
  claim,
  fail,
  held,
  leaseMs,
  offer,
  put,
  run,
  succeed,
  T,
  take,
} from '../../src/testing/contract/builders.ts'
import { dump, expectSound, expectUnchanged } from '../../src/testing/contract/dump.ts'
import { newPrefix, newRedis } from '../servers/kit.ts'
import { clients, newStore } from './kit.ts'

describe.each(clients)('a full server, through %s', (client) => {
  it('refuses new jobs in plain words and stores nothing of them, and is still worked off', async () => {
    const redis = await newRedis({ settings: { 'maxmemory-policy': 'noeviction' } })
    const store = await newStore({ url: redis.url, client })
    await add(store, ...Array.from({ length: 40 }, (_, n) => aJob(n % 4 === 0 ? { concurrencyKey: 'a' } : {})))
    const active = await run(store, { queue: 'other', unique: held('a', 'settled') })
    const before = await dump(store)
    await redis.ask('config', 'set', 'maxmemory', '1')

    const refusal = expect.objectContaining({ retryable: true, message: expect.stringContaining('maxmemory') })
    await expect(offer(store, [aJob()])).rejects.toEqual(refusal)
    await expect(offer(store, [aJob({ unique: held('b') })])).rejects.toEqual(refusal)
    await expect(
      store.insert([{ jobs: [{ job: aJob(), ifHeld: 'keep' }], writes: [succeed(active)] }], T),
    ).rejects.toThrow(StoreError)
    await expectUnchanged(store, before)

    await store.renew([{ id: active.id, lease: active.lease! }], T + 2 * leaseMs, T)
    let settle = (await take(store, { queues: ['main'], limit: 9 })).map((job) => fail(job))
    await put(store, ...settle)
    settle = []
    for (let done = 0; done < 40;) {
      const { jobs } = await claim(store, { now: T + 60_000, queues: ['main'], limit: 7, settle })
      settle = jobs.map((job, n) => (n % 2 === 0 ? succeed(job) : { before: job, after: undefined }))
      done += jobs.length
    }
    await put(store, ...settle)
    await store.configure('main', { paused: true })
    await store.prune(T + 1e9, 1_000)
    await expectSound(store)

    await redis.ask('config', 'set', 'maxmemory', '0')
    await addOne(store)
  })
})

describe('a server set up for something else', () => {
  it('is reported: no append-only file, and a policy that throws jobs away', async () => {
    const redis = await newRedis({ settings: { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' } })
    const store = await newStore({ url: redis.url })
    const findings = Object.fromEntries(
      (await store.report()).map(({ name, level, message }) => [name, `${level}: ${message}`]),
    )
    expect(findings).toMatchObject({
      durability: expect.stringMatching(/^fail: no append-only file/),
      eviction: expect.stringMatching(/^fail: maxmemory-policy allkeys-lru/),
      replicas: 'ok: none: what this server loses is lost',
      memory: expect.stringMatching(/^ok: .* of 100 MiB/),
    })
  })

  it('is reported as it is when all is well', async () => {
    const redis = await newRedis({ append: 'always' })
    const store = await newStore({ url: redis.url })
    const levels = new Set((await store.report()).map(({ level }) => level))
    expect(levels).toEqual(new Set(['ok']))
  })

  it('is reported as far as an account may see that may not ask for its configuration', async () => {
    const redis = await newRedis({ append: 'everysec' })
    await redis.ask('acl', 'setuser', 'jobs', 'on', '>secret', '~{jobferry}:*', '&{jobferry}:*', ...permitted)
    const store = await newStore({ url: redis.url.replace('//', '//jobs:secret@'), namespace: 'jobferry' })
    const durability = (await store.report()).find(({ name }) => name === 'durability')
    expect(durability).toMatchObject({ level: 'warn', message: expect.stringContaining('CONFIG is not permitted') })
  })
})

/** The commands of docs/operate/redis.md. */
const permitted = [
  '+@read',
  '+@write',
  '+@connection',
  '+@transaction',
  '+evalsha',
  '+eval',
  '+publish',
  '+subscribe',
  '+unsubscribe',
  '+info',
  '+time',
  '-@dangerous',
  '+info',
]

describe('an account that may do only what the page for operators says', () => {
  it.each(clients)('can do everything, through %s', async (client) => {
    const redis = await newRedis()
    await redis.ask('acl', 'setuser', 'jobs', 'on', '>secret', '~{jobferry}:*', '&{jobferry}:*', ...permitted)
    const store = await newStore({ url: redis.url.replace('//', '//jobs:secret@'), namespace: 'jobferry', client })
    const job = await run(store, { concurrencyKey: 'a', unique: held('b') })
    await addOne(store, { concurrencyKey: 'a' })
    await take(store)
    await store.log([{ jobId: job.id, attempt: 1, at: T, level: 'info', message: 'x', data: undefined }])
    await store.logs(job.id, 1)
    ;(await store.listen(() => undefined))()
    await put(store, succeed(job))
    await store.prune(T, 9)
    await store.expired(T, 9)
    await store.configure('main', { paused: true })
    await store.time()
    await expectSound(store)
  })
})

describe('a foreign value under one of our keys', () => {
  const kinds = [
    'seq',
    'ids',
    'held',
    'leases',
    'lanes',
    'open',
    'running',
    'busy',
    'unique',
    'forget',
    'settings',
    'ready:main:mail:0',
  ]

  it.each(kinds)('under %s makes calls fail whole, or not at all', async (key) => {
    const redis = await newRedis()
    let refusals = 0
    for (const call of calls) {
      const namespace = newPrefix()
      const store = await newStore({ url: redis.url, namespace })
      const active = await run(store, { concurrencyKey: 'a', unique: held('a', 'settled') })
      const plain = await run(store, { task: 'call' })
      await add(store, aJob(), aJob({ concurrencyKey: 'a', priority: 1 }))
      const before = await dump(store)
      const name = `{${namespace}}:${key}`
      const there = await redis.ask('exists', name)
      if (there === '1') await redis.ask('rename', name, `${name}-aside`)
      await redis.ask('xadd', name, '*', 'a', 'foreign')
      const refused = await call(store, active, plain).then(
        () => false,
        () => true,
      )
      await redis.ask('del', name)
      if (there === '1') await redis.ask('rename', `${name}-aside`, name)
      if (!refused) continue // this call does not need the key
      refusals++
      await expectUnchanged(store, before)
    }
    expect(refusals).toBeGreaterThan(0)
  })
})

const calls: readonly ((store: RedisStore, active: Job, plain: Job) => Promise<unknown>)[] = [
  async (store) => await offer(store, [aJob()]),
  async (store) => await offer(store, [aJob(), aJob({ task: 'call' })]),
  async (store) => await offer(store, [aJob({ unique: held('c') })]),
  async (store, active) => await store.apply([succeed(active)], T),
  async (store, _active, plain) => await store.apply([{ before: plain, after: undefined }], T),
  async (store) => await store.claim({ tasks: undefined, limit: 5, lease: 'l', until: T + 1, now: T }),
  async (store, _active, plain) => await store.renew([{ id: plain.id, lease: plain.lease! }], T + 2 * leaseMs, T),
]
