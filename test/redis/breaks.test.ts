import { describe, expect, inject, it, onTestFinished } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { newPrefix, newProxy, newRedis } from '../servers/kit.ts'
import { clients } from './kit.ts'

interface Line {
  readonly jobs: Jobs
  /** The numbers that were worked, in order, some perhaps twice. */
  readonly done: number[]
  /** Resolves when each of these has been worked at least once. */
  all(numbers: readonly number[]): Promise<void>
  enqueue(n: number): Promise<unknown>
}

/** A worker on a store, whose handler notes what it was given. */
async function line(url: string, client: (typeof clients)[number], pollMs = 60_000): Promise<Line> {
  const jobs = await open(url, { client, namespace: newPrefix(), logger: false })
  onTestFinished(() => jobs.close())
  const done: number[] = []
  let wake = Promise.withResolvers<void>()
  const note = task<number>({
    name: 'note',
    handler: async (n) => {
      done.push(n)
      wake.resolve()
      wake = Promise.withResolvers()
    },
  })
  jobs.work([note], { concurrency: 10, poll: pollMs })
  return {
    jobs,
    done,
    enqueue: async (n) => await jobs.enqueue(note, n),
    all: async (numbers) => {
      while (!numbers.every((n) => done.includes(n))) await wake.promise
    },
  }
}

const numbers = (from: number, count: number): readonly number[] => Array.from({ length: count }, (_, i) => from + i)

describe.each(clients)('through %s', (client) => {
  it('loses no job and forgets no worker while its connections are killed and its scripts flushed', async () => {
    const redis = await newRedis()
    const { enqueue, all } = await line(redis.url, client)
    const wanted = numbers(0, 300)
    for (let n = 0; n < wanted.length; n++) {
      await enqueue(n)
      if (n % 20 === 0) await redis.ask('client', 'kill', 'type', 'normal')
      if (n % 30 === 0) await redis.ask('client', 'kill', 'type', 'pubsub')
      if (n % 7 === 0) await redis.ask('script', 'flush')
    }
    await all(wanted)
  })

  it('goes on by itself after the server was away, when it was idle and when it was busy', async () => {
    const redis = await newRedis({ append: 'always' })
    const { enqueue, all, done } = await line(redis.url, client)
    await enqueue(1)
    await all([1])
    await redis.restart()
    await enqueue(2)
    await all([2])
    const sent = Promise.all(numbers(10, 50).map(enqueue))
    await redis.kill()
    const waiting = enqueue(3) // while there is no server: it waits for it
    await redis.start()
    await Promise.all([sent, waiting])
    await all([3, ...numbers(10, 50)])
    expect(new Set(done)).toEqual(new Set([1, 2, 3, ...numbers(10, 50)]))
  })

  it('loses no job that was acknowledged when a server that syncs always is killed', { timeout: 60_000 }, async () => {
    const redis = await newRedis({ append: 'always' })
    const jobs = await open(redis.url, { client, namespace: newPrefix(), logger: false, timeout: 200 })
    onTestFinished(() => jobs.close())
    const later = task<number>({ name: 'later', handler: async () => {} })
    const acknowledged = new Set<string>()
    for (let round = 0; round < 5; round++) {
      const before = acknowledged.size
      const rush = Promise.all(
        numbers(0, 200).map(async (n) => {
          for (let i = 0; i < 5; i++) {
            const job = await jobs.enqueue(later, n * 5 + i).catch(() => undefined)
            if (job !== undefined) acknowledged.add(job.id)
          }
        }),
      )
      await expect.poll(() => acknowledged.size, { interval: 1 }).toBeGreaterThan(before + 50)
      await redis.kill()
      await rush
      await redis.start()
      await expect.poll(async () => await jobs.stats().catch(() => undefined)).toBeDefined()
    }
    const stored = new Set<string>()
    for (let after: string | undefined; ;) {
      const page = await jobs.list({ limit: 1_000, after })
      for (const { id } of page) stored.add(id)
      after = page.at(-1)?.id
      if (after === undefined) break
    }
    expect([...acknowledged].filter((id) => !stored.has(id))).toEqual([])
  })

  it('looks for the new server when its own has become a replica', async () => {
    const redis = await newRedis()
    const proxy = await newProxy(redis.url)
    const { enqueue, all } = await line(proxy.url, client)
    await enqueue(1)
    await all([1])
    const before = proxy.accepted
    await redis.ask('replicaof', '127.0.0.1', '1')
    const waiting = enqueue(2)
    await expect.poll(() => proxy.accepted, { timeout: 5_000 }).toBeGreaterThan(before)
    await redis.ask('replicaof', 'no', 'one') // as if the name now led to another
    await waiting
    await all([2])
  })

  it('hears of new jobs again after its subscription was cut, without polling', async () => {
    const proxy = await newProxy(inject('redis').url)
    const { enqueue, all } = await line(proxy.url, client)
    await enqueue(1)
    await all([1])
    await proxy.cut()
    await enqueue(2)
    await all([2])
  })
})
