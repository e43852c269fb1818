import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue, type Queue } from './kit.ts'
import { Ledger } from './ledger.ts'

const count = 600

it('shares its queue with a client of redis-work-queue: no job runs twice, none is left, and both have their part', async () => {
  const queue = await newQueue()
  const tick = task<number>({ name: queue.prefix, backoff: '1ms' })
  const jobs = await queue.jobs({ patience: '3s' })
  const ledger = new Ledger(queue.client, queue.prefix)
  const theirs = foreignClient(queue)

  const failed = new Set<number>()
  const worker = jobs.work(
    [
      tick.handle(async (n) => {
        await ledger.witnessed(n, 'ours', async () => {})
        if (n % 10 !== 0 || failed.has(n)) return
        failed.add(n)
        throw new Error('once')
      }),
    ],
    { concurrency: 4 },
  )
  const adding = Promise.all([
    (async () => {
      for (let n = 0; n < count; n += 2) await jobs.enqueue(tick, n)
    })(),
    (async () => {
      for (let n = 1; n < count; n += 2) await theirs.addItem(`theirs ${n}`, String(n))
    })(),
  ])
  const over = new AbortController()
  const playing = (async () => {
    for (let turn = 1; !over.signal.aborted; turn++) {
      const item = await theirs.lease(30)
      if (item === undefined) continue
      await ledger.witnessed(Number(item.data), 'theirs', async () => {})
      expect(await theirs.complete(item.id)).toBe(true)
    }
  })()
  await adding
  await until('every job is done', async () => (Object.keys(await queue.keys()).length === 0 ? true : undefined))
  over.abort()
  await playing
  await worker.stop()

  expect(await ledger.met()).toEqual([])
  const runs = await ledger.done()
  const times = Map.groupBy(runs, ({ n }) => n)
  expect([...times.keys()].toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n))
  for (const [n, some] of times)
    expect([n, some.length]).toEqual([n, some.some(({ who }) => who === 'ours') && failed.has(n) ? 2 : 1])
  expect(new Set(runs.map(({ who }) => who))).toEqual(new Set(['ours', 'theirs']))
})

it('runs each job once while cleaners of other clients look at it all the time', async () => {
  const queue = await newQueue()
  const tick = task<number>({ name: queue.prefix })
  const jobs = await queue.jobs({ patience: 0 })
  const ledger = new Ledger(queue.client, queue.prefix)
  const worker = jobs.work([tick.handle(async (n) => await ledger.witnessed(n, 'ours', async () => {}))], {
    concurrency: 4,
    poll: '20ms',
  })
  const over = new AbortController()
  const cleaning = [foreignClient(queue), foreignClient(queue)].map(async (cleaner, i) => {
    while (!over.signal.aborted) await (i === 0 ? cleaner.lightClean() : cleaner.deepClean())
  })
  const theirs = foreignClient(queue)
  for (let n = 0; n < 300; n++) await (n % 2 === 0 ? jobs.enqueue(tick, n) : theirs.addItem(`theirs ${n}`, String(n)))
  await until('every job is done', async () => ((await ledger.doneBy('ours')) >= 300 ? true : undefined))
  over.abort()
  await Promise.all(cleaning)
  await until('no id is left', async () => (Object.keys(await queue.keys()).length === 0 ? true : undefined))
  await worker.stop()
  expect(await ledger.met()).toEqual([])
  expect((await ledger.done()).map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 300 }, (_, n) => n),
  )
})

it('works what a client adds while it waits, without polling', async () => {
  const queue = await newQueue()
  const jobs = await queue.jobs()
  const { promise, resolve } = Promise.withResolvers<unknown>()
  jobs.work([task<unknown>({ name: queue.prefix }).handle((payload) => resolve(payload))], { poll: '1h' })
  await until('nothing is left to claim', async () =>
    String(await queue.client.client('LIST')).includes('cmd=blmove') ? true : undefined,
  )
  await foreignClient(queue).addItem('a', '{"n":1}')
  expect(await promise).toEqual({ n: 1 })
})

it('keeps no waiting client from what is pushed, though ours waits in front of it', async () => {
  const queue = await newQueue()
  const store = await queue.store()
  const rung = new Promise<void>((resolve) => void store.listen(() => resolve()))
  await store.claim({ tasks: undefined, limit: 1, lease: 'none', until: 30_000, now: 0 })
  const waiting = async (command: string): Promise<true | undefined> =>
    String(await queue.client.client('LIST')).includes(`cmd=${command}`) ? true : undefined
  await until('ours waits', async () => await waiting('blmove'))
  const blocked = new Redis(queue.url)
  onTestFinished(() => blocked.disconnect())
  const popped = blocked.brpoplpush(`${queue.prefix}:queue`, `${queue.prefix}:processing`, 0)
  await until('theirs waits', async () => await waiting('brpoplpush'))
  await foreignClient(queue).addItem('a', '1')
  expect(await popped).toBe('a')
  await rung
})

it('gives the job of a client that has died to the next, once its lease has ended, and the other way round', async () => {
  const queue = await newQueue()
  const [dead, theirs] = [foreignClient(queue), foreignClient(queue)]
  const jobs = await queue.jobs({ patience: '200ms' })
  await dead.addItem('a', '1')
  await dead.lease(1)
  const done = new Promise((resolve) => jobs.on('completed', ({ job }) => resolve(job.id)))
  const rescued = new Promise((resolve) => jobs.on('rescued', ({ job }) => resolve(job.id)))
  const worker = jobs.work([task<number>({ name: queue.prefix }).handle(() => {})], { poll: '50ms' })
  expect([await rescued, await done]).toEqual(['a', 'a'])
  await worker.stop()

  await theirs.addItem('b', '2')
  const ours = await (await queue.workQueue()).lease({ duration: '20ms' })
  expect(ours?.id).toBe('b')
  await until('their cleaner has put it back', async () => {
    await theirs.lightClean()
    return (await queue.ids('queue')).length > 0 ? true : undefined
  })
  expect((await theirs.lease(30))?.id).toBe('b')
  expect(await theirs.complete('b')).toBe(true)
})

function foreignClient({ url, prefix }: Queue): ForeignClient {
  const redis = new Redis(url)
  onTestFinished(() => redis.disconnect())
  return new ForeignClient(redis, prefix, crypto.randomUUID())
}
