import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { describe, expect, it, onTestFinished } from 'vitest'

import {
  ConflictError,
  type Jobs,
  type Pipeline,
  task,
  UnrecoverableError,
  UnsupportedError,
  UsageError,
} from '../../src/index.ts'
import type { Job } from '../../src/core/job.ts'
import { edit } from '../../src/core/lifecycle.ts'
import { RedisWorkQueueStore } from '../../src/stores/redis-work-queue/index.ts'
import type { EventOf, EventType } from '../../src/runtime/events.ts'
import { fail, succeed, T, take } from '../../src/testing/contract/builders.ts'
import { addJob, guestJob } from '../../src/testing/contract/guest-builders.ts'
import { newProxy } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue, type Queue } from './kit.ts'

async function next<T extends EventType>(jobs: Jobs, type: T): Promise<EventOf<T>> {
  return await new Promise((resolve) => {
    const end = jobs.on(type, (event) => {
      end()
      resolve(event)
    })
  })
}

function taskOf<P>({ prefix }: Queue) {
  return task<P>({ name: prefix })
}

describe('a job', () => {
  it('is an item: its JSON, and its id in the queue; and nothing else is written', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const { id } = await jobs.enqueue(taskOf<object>(queue), { to: 'Zoë 🚀', n: 1.5, nil: null })
    expect(await queue.keys()).toEqual({
      [`:item:${id}`]: {
        type: 'string',
        value: Buffer.from('{"to":"Zoë 🚀","n":1.5,"nil":null}').toString('base64'),
        expires: false,
      },
      ':queue': { type: 'list', value: [id], expires: false },
    })
    const { createdAt } = (await jobs.get(id))!
    expect(Math.abs(createdAt - Date.now())).toBeLessThan(60_000)
  })

  it.each([
    ['JSON of any kind', '{"a": [1, 2.50]}', { a: [1, 2.5] }],
    ['JSON that is a text', '"x"', 'x'],
    ['text that is no JSON', 'hello', new Uint8Array(Buffer.from('hello'))],
    ['NaN, as Python writes it', '[NaN]', new Uint8Array(Buffer.from('[NaN]'))],
    ['bytes', Buffer.from([0, 1, 0xff, 0x80]), new Uint8Array([0, 1, 0xff, 0x80])],
    ['nothing', '', undefined],
  ])('has the payload that is meant by %s, and is completed', async (_, data, payload) => {
    const queue = await newQueue()
    await new ForeignClient(queue.client, queue.prefix, 'theirs').addItem('a', data)
    const jobs = await queue.jobs()
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const completed = next(jobs, 'completed')
    jobs.work([taskOf<unknown>(queue).handle((given) => resolve(given))])
    expect(await promise).toEqual(payload)
    await completed
    expect(await queue.keys()).toEqual({})
  })

  it('is bytes whatever they say, where all payloads are to be bytes', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs({ payload: 'bytes' })
    const { id } = await jobs.enqueue(taskOf<Uint8Array>(queue), new Uint8Array(Buffer.from('12')))
    expect((await jobs.get(id))?.payload).toEqual(new Uint8Array(Buffer.from('12')))
    await expect(jobs.enqueue(taskOf<unknown>(queue), 12)).rejects.toThrow('its payload has to be bytes')
  })

  it('keeps an id that is no text', async () => {
    const queue = await newQueue()
    const id = Buffer.from([0xff, 0x00, 0x61])
    await queue.client.set(Buffer.concat([Buffer.from(`${queue.prefix}:item:`), id]), '1')
    await queue.client.lpush(`${queue.prefix}:queue`, id)
    const jobs = await queue.jobs()
    expect((await jobs.list()).map((job) => job.id)).toEqual(['bytes:ff0061'])
    const held = await jobs.lease()
    expect(held?.id).toBe('bytes:ff0061')
    await held?.complete()
    expect(await queue.keys()).toEqual({})
  })

  it('that has failed stays under a lease until its next run, and then goes to the end of the queue', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const flaky = task<number>({ name: queue.prefix, backoff: '200ms' })
    const { id } = await jobs.enqueue(flaky, 1)
    const retrying = next(jobs, 'retrying')
    const completed = next(jobs, 'completed')
    let runs = 0
    const worker = jobs.work([
      flaky.handle(() => {
        if (++runs === 1) throw new Error('once')
      }),
    ])
    await retrying
    expect((await queue.keys())[`:lease:${id}`]?.expires).toBe(true)
    expect((await jobs.get(id))?.state).toBe('pending')
    await completed
    await worker.stop()
    expect(await queue.keys()).toEqual({})
  })

  it('is due again when its backoff is over, on time, and only then', async () => {
    const queue = await newQueue()
    const store = await queue.store({ task: 'mail', queue: 'mail' })
    await addJob(store)
    const [job] = await take(store)
    await store.apply([fail(job!)], T)
    const claim = async (now: number) =>
      await store.claim({ tasks: undefined, limit: 1, lease: `at ${now}`, until: now + 30_000, now })
    expect(await claim(T + 4_999)).toEqual({ jobs: [], nextRunAt: T + 5_000, settled: [] })
    expect((await claim(T + 5_000)).jobs.map(({ id }) => id)).toEqual([job!.id])
  })

  it.each([
    [
      'ended',
      async (store: RedisWorkQueueStore, job: Job) => (await store.apply([succeed(job)], T))[0],
      { ok: false, current: { state: 'running' } },
    ],
    [
      'renewed',
      async (store: RedisWorkQueueStore, { id, lease = '' }: Job) =>
        (await store.renew([{ id, lease }], T + 60_000, T))[0],
      undefined,
    ],
  ] as const)('is not %s by one whose lease somebody else has by now', async (_, change, refused) => {
    const queue = await newQueue()
    const store = await queue.store({ task: 'mail', queue: 'mail' })
    const client = new ForeignClient(queue.client, queue.prefix, 'theirs')
    const { id } = await addJob(store)
    const [job] = await take(store)
    await queue.client.del(`${queue.prefix}:lease:${id}`)
    await client.lightClean()
    await client.lease(30)
    const before = await queue.keys()
    const answer = await change(store, job!)
    if (refused === undefined) expect(answer).toBeUndefined()
    else expect(answer).toMatchObject(refused)
    expect(await queue.keys()).toEqual(before)
    expect(await queue.client.pttl(`${queue.prefix}:lease:${id}`)).toBeLessThanOrEqual(30_000)
  })

  it('that somebody has the lease of is not taken, though its id waits, and is not lost by that', async () => {
    const queue = await newQueue()
    const store = await queue.store({ task: 'mail', queue: 'mail' })
    const { id } = await addJob(store)
    await queue.client.set(`${queue.prefix}:lease:${id}`, 'somebody', 'EX', 30)
    expect(await take(store)).toEqual([])
    expect([await queue.ids('queue'), await queue.ids('processing')]).toEqual([[], [id]])
  })

  it('is not changed, nor replaced, once somebody has popped it', async () => {
    const queue = await newQueue()
    const store = await queue.store({ task: 'mail', queue: 'mail' })
    const { id } = await addJob(store)
    const before = (await store.get([id]))[0]!
    await new ForeignClient(queue.client, queue.prefix, 'theirs').pop()
    const write = edit(before, { payload: '"other"' })
    expect(await store.apply([write], T)).toMatchObject([{ ok: false }])
    expect(await store.insert([{ jobs: [], writes: [write] }], T)).toMatchObject([{ ok: false }])
    expect(await queue.client.get(`${queue.prefix}:item:${id}`)).toBe(before.payload)
  })

  it('that waits for its next run can be made due, changed, and deleted', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const ids = ['a', 'b', 'c']
    for (const key of ids) await jobs.enqueue(taskOf<string>(queue), key, { unique: { key, until: 'settled' } })
    for (const held of await jobs.leaseMany({ limit: 3 })) await held.fail(new Error('no'))
    expect((await jobs.list()).map(({ id, state }) => [id, state])).toEqual([
      ['c', 'pending'],
      ['b', 'pending'],
      ['a', 'pending'],
    ])
    await jobs.retry('a')
    await jobs.edit('b', { payload: 'other' })
    expect(await jobs.delete('c')).toBe(true)
    expect(await queue.ids('queue')).toEqual(['a'])
    expect(await queue.ids('processing')).toEqual(['b'])
    expect((await jobs.get('b'))?.payload).toBe('other')
    expect(Object.keys(await queue.keys())).not.toContain(':item:c')
  })

  it('that has failed for good is done: nobody would ever end it otherwise', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    await jobs.enqueue(taskOf<number>(queue), 1)
    const failed = next(jobs, 'failed')
    jobs.work([
      taskOf<number>(queue).handle(() => {
        throw new UnrecoverableError('never')
      }),
    ])
    expect((await failed).error).toBeInstanceOf(UnrecoverableError)
    expect(await queue.keys()).toEqual({})
  })

  it('is given back, to be the next, when its holder closes', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    await jobs.enqueueMany([taskOf<number>(queue).with(1), taskOf<number>(queue).with(2)])
    const before = await queue.keys()
    await jobs.lease()
    await jobs.close({ grace: 0 })
    expect(await queue.keys()).toEqual(before)
  })
})

describe('an id of your own', () => {
  it('is the unique key: kept while the job waits, is run or was abandoned; free once it is done', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const add = async (payload: number, onConflict: 'keep' | 'reject' | 'replace' = 'keep') =>
      await jobs.enqueue(taskOf<number>(queue), payload, {
        unique: { key: 'order:17', until: 'settled', onConflict },
      })
    expect(await add(1)).toEqual({ id: 'order:17', outcome: 'added' })
    expect(await add(2)).toEqual({ id: 'order:17', outcome: 'kept' })
    await expect(add(2, 'reject')).rejects.toThrow(ConflictError)
    expect(await add(3, 'replace')).toEqual({ id: 'order:17', outcome: 'replaced' })
    expect(await new ForeignClient(queue.client, queue.prefix, 'theirs').addItem('order:17', '4')).toBe(false)
    expect(await queue.ids('queue')).toEqual(['order:17'])
    const held = (await jobs.lease())!
    expect([held.id, held.payload]).toEqual(['order:17', 3])
    expect((await add(5)).outcome).toBe('kept')
    expect((await add(5, 'replace')).outcome).toBe('kept')
    await held.complete()
    expect((await add(6)).outcome).toBe('added')
  })

  it('is added once of two in one call, and each is told', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const unique = { key: 'a', until: 'settled' as const }
    const more = [1, 2].map((n) => taskOf<number>(queue).with(n, { unique }))
    expect(await jobs.enqueueMany(more)).toEqual([
      { id: 'a', outcome: 'added' },
      { id: 'a', outcome: 'kept' },
    ])
    expect((await jobs.get('a'))?.payload).toBe(1)
  })
})

describe('what the format cannot hold', () => {
  it.each([
    ['schedule', { delay: '1m' }],
    ['priority', { priority: 1 }],
    ['concurrency', { concurrencyKey: 'a' }],
    ['policy', { maxAttempts: 2 }],
  ] as const)('is refused by name: %s', async (capability, options) => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const refused: unknown = await jobs.enqueue(taskOf<number>(queue), 1, options).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(UnsupportedError)
    expect(refused).toMatchObject({ capability })
    expect(await queue.keys()).toEqual({})
  })

  it.each([
    ['another task', { name: 'other' }, {}, 'are the jobs of one task'],
    ['another queue', {}, { queue: 'other' }, 'its jobs are all in the queue "default"'],
    ['a unique key that ends with the claim', {}, { unique: 'a' }, "say { key, until: 'settled' }"],
    ['an end of attempts', { maxAttempts: 3 }, {}, 'does not count the runs of a job'],
  ] as const)('is refused with a word of what is meant: %s', async (_, policy, options, words) => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const bad = task<number>({ name: queue.prefix, ...policy })
    await expect(jobs.enqueue(bad, 1, options)).rejects.toThrow(UsageError)
    await expect(jobs.enqueue(bad, 1, options)).rejects.toThrow(words)
    expect(await queue.keys()).toEqual({})
  })

  it('is refused of a task that is to be worked, too', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const counted = task<number>({ name: queue.prefix, maxAttempts: 3, handler: () => {} })
    expect(() => jobs.work([counted])).toThrow('does not count the runs of a job')
  })

  it('is refused of a job that waits', async () => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const { id } = await jobs.enqueue(taskOf<number>(queue), 1)
    await expect(jobs.edit(id, { priority: 1 })).rejects.toMatchObject({ capability: 'priority' })
    await expect(jobs.edit(id, { delay: '1h' })).rejects.toMatchObject({ capability: 'schedule' })
    await expect(jobs.cancel(id)).rejects.toMatchObject({ capability: 'cancel' })
  })
})

describe('a bad option', () => {
  it.each([
    [{ url: 'redis://127.0.0.1:1' }, 'Expected `prefix` to be the text that the keys of the queue begin with'],
    [{ url: 'redis://127.0.0.1:1', prefix: 'a', prefx: 'b' }, 'Did you mean "prefix"?'],
    [{ url: 'redis://127.0.0.1:1?prefx=a', prefix: 'a' }, 'Did you mean "prefix"?'],
    [{ url: 'redis://127.0.0.1:1?prefix=a', prefix: 'b' }, 'Say it once'],
    [{ url: 'redis+cluster://127.0.0.1:1', prefix: 'a' }, 'to have a part in braces'],
    [{ url: 'http://127.0.0.1:1', prefix: 'a' }, 'Expected `url` to be like redis-work-queue:redis://'],
    [{ prefix: 'a', client: 'iorediss' }, 'Did you mean "ioredis"?'],
    [{ url: 'redis://127.0.0.1:1', prefix: 'a', payload: 'text' }, 'Expected `payload` to be'],
    [{ url: 'redis://127.0.0.1:1', prefix: 'a', deepClean: '5s' }, 'Expected `deepClean` to be a duration'],
    [{ url: 'redis://127.0.0.1:1', prefix: 'a', task: '' }, 'Expected `task` to be text'],
  ])('is refused before anything is sent: %j', async (options, words) => {
    const opened = RedisWorkQueueStore.open(options as never)
    await expect(opened).rejects.toThrow(UsageError)
    await expect(opened).rejects.toThrow(words)
  })
})

describe('a page of what waits', () => {
  it('goes on behind the place of the last job, though it has been removed since, and meets each once', async () => {
    const queue = await newQueue()
    const [store, jobs] = [await queue.store(), await queue.jobs()]
    await jobs.enqueueMany(Array.from({ length: 25 }, (_, n) => taskOf<number>(queue).with(n)))
    const kept = new Set(['3', '7', '9', '10', '24'])
    const met: string[] = []
    for (let after: string | undefined; ;) {
      const page = await store.list({ state: 'pending', order: 'oldest', after, limit: 10 })
      met.push(...page.map(({ payload }) => String(payload)))
      const gone = page.filter(({ payload }) => !kept.has(String(payload)))
      await store.apply(
        gone.map((before) => ({ before, after: undefined })),
        0,
      )
      if (page.length < 10) break
      after = page.at(-1)?.id
    }
    expect(met).toEqual(Array.from({ length: 25 }, (_, n) => String(n)))
    expect((await store.list({ order: 'oldest', limit: 99 })).map(({ payload }) => payload)).toEqual([...kept])
  })

  it('loses a job only if nobody has it: not one that is leased, nor one that was popped just now', async () => {
    const queue = await newQueue()
    const store = await queue.store()
    const client = new ForeignClient(queue.client, queue.prefix, 'theirs')
    for (const id of ['popped', 'leased', 'waits']) await client.addItem(id, '1')
    const seen = await store.list({ state: 'pending', order: 'oldest', limit: 9 })
    expect(seen.map(({ id }) => id)).toEqual(['popped', 'leased', 'waits'])
    await client.pop()
    await client.lease(30)
    const results = await store.apply(
      seen.map((before) => ({ before, after: undefined })),
      0,
    )
    expect(results.map(({ ok }) => ok)).toEqual([false, false, true])
    expect(results[0]).toMatchObject({ current: { id: 'popped', state: 'running' } })
    expect(Object.keys(await queue.keys())).toEqual([':item:leased', ':item:popped', ':lease:leased', ':processing'])
  })

  it('loses no job whose id stands there once more, and was popped just now', async () => {
    const queue = await newQueue()
    const store = await queue.store()
    const client = new ForeignClient(queue.client, queue.prefix, 'theirs')
    for (const data of ['1', '2']) await client.addUniqueItem('a', data)
    const [before] = await store.list({ limit: 9 })
    await client.pop()
    expect(await store.apply([{ before: before!, after: undefined }], 0)).toMatchObject([{ ok: false }])
    expect((await client.sign('a', 30))?.toString()).toBe('2')
  })
})

describe('a pipeline', () => {
  it.each(['ioredis', 'redis'] as const)('of %s adds jobs when it is executed, and not before', async (library) => {
    const queue = await newQueue()
    const jobs = await queue.jobs()
    const pipeline = await pipelineOf(library, queue.url)
    const bytes = new Uint8Array([0xff, 0])
    const added = jobs.enqueueMany(
      [
        taskOf<unknown>(queue).with(1),
        taskOf<unknown>(queue).with(bytes, { unique: { key: 'mine', until: 'settled' } }),
      ],
      { pipeline },
    )
    expect(await queue.keys()).toEqual({})
    await pipeline.exec()
    expect(added[1]).toEqual({ id: 'mine' })
    expect(await queue.ids('queue')).toEqual(added.map(({ id }) => id).toReversed())
    expect((await jobs.get('mine'))?.payload).toEqual(bytes)
  })
})

async function pipelineOf(library: 'ioredis' | 'redis', url: string): Promise<Pipeline & { exec(): unknown }> {
  if (library === 'ioredis') {
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    return client.pipeline()
  }
  const client = createClient({ url })
  await client.connect()
  onTestFinished(() => client.destroy())
  return client.multi()
}

describe('a connection that breaks before the answer', () => {
  it('adds once, takes no second job, and ends a run once', async () => {
    const queue = await newQueue()
    const proxy = await newProxy(queue.url)
    const store = await RedisWorkQueueStore.open({ url: proxy.url, prefix: queue.prefix, task: 'mail', queue: 'mail' })
    onTestFinished(() => store.close())
    const lose = async (): Promise<void> => await proxy.loseReply((bytes) => bytes.includes('EVAL'))
    const now = Date.now()
    for (const id of ['a', 'b']) {
      await lose()
      const unique = { key: id, until: 'settled' as const, held: true }
      const [result] = await store.insert([{ jobs: [{ job: guestJob({ unique }), ifHeld: 'keep' }] }], now)
      expect(result).toEqual({ ok: true, holders: [undefined], ids: [id] })
    }
    expect(await queue.ids('queue')).toEqual(['b', 'a'])
    await lose()
    const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: 'one', until: now + 30_000, now })
    expect(jobs.map(({ id }) => id)).toEqual(['a'])
    expect(await queue.ids('processing')).toEqual(['a'])
    await lose()
    expect(await store.apply([{ before: jobs[0]!, after: undefined }], now)).toEqual([{ ok: true }])
    expect(await queue.ids('processing')).toEqual([])
    await until('it is gone', async () =>
      (await queue.client.exists(`${queue.prefix}:item:a`)) === 0 ? true : undefined,
    )
  })
})

it('puts its keys where the prefix of a client of yours says', async () => {
  const queue = await newQueue()
  const client = new Redis(queue.url, { keyPrefix: `${queue.prefix}-app:`, lazyConnect: false })
  onTestFinished(() => client.disconnect())
  const store = await RedisWorkQueueStore.open({ client, prefix: 'q', task: 'mail', queue: 'mail', patience: 0 })
  await store.insert([{ jobs: [{ job: guestJob({ id: 'a' }), ifHeld: 'keep' }] }], 0)
  await store.insert([{ jobs: [{ job: guestJob({ id: 'b' }), ifHeld: 'keep' }] }], 0)
  await queue.client.lrem(`${queue.prefix}-app:q:queue`, 0, 'b')
  await store.prune(0)
  expect(await queue.client.lrange(`${queue.prefix}-app:q:queue`, 0, -1)).toEqual(['b', 'a'])
  await store.close()
  expect(client.status).toBe('ready')
})
