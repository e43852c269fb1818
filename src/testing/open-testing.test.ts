import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { CancelledError, PayloadError, TimeoutError, UnrecoverableError, UsageError } from '../core/errors.ts'
import { cancel, snooze } from '../core/steer.ts'
import { MemoryStore } from '../stores/memory/index.ts'
import { task } from '../task.ts'
import { expectEnqueued, expectNotEnqueued } from './expect-enqueued.ts'
import { openTesting } from './open-testing.ts'

const T = Date.UTC(2026, 0, 1)

const add = task({
  name: 'add',
  payload: z.object({ a: z.number(), b: z.number().default(1) }),
  handler: ({ a, b }) => a + b,
})

describe.each(['memory:', 'sqlite::memory:'] as const)('testing on %s', (source) => {
  describe('drain', () => {
    it('runs what is due, and what that enqueues, and counts what the runs came to', async () => {
      await using testing = await openTesting(source)
      const { jobs } = testing
      const leaf = task<{ n: number }>({ name: 'leaf', handler: () => undefined })
      const seed = task<{ n: number }>({ name: 'tree' })
      const tree = seed.handle(async ({ n }, job) => {
        await job.enqueue(leaf, { n })
        if (n > 0) await job.enqueue(seed, { n: n - 1 })
      })
      await jobs.enqueue(tree, { n: 3 })
      await jobs.enqueue(leaf, { n: 9 }, { delay: '1s' })
      expect(await testing.drain([tree, leaf])).toEqual({
        completed: 8,
        retrying: 0,
        failed: 0,
        snoozed: 0,
        cancelled: 0,
      })
      expect(testing.clock.now()).toBe(T)
      expect(await testing.enqueued()).toHaveLength(1)
      expect(await testing.drain([leaf])).toMatchObject({ completed: 0 })
    })

    it('leaves tasks that it was not given', async () => {
      await using testing = await openTesting(source)
      const other = task({ name: 'other' })
      await testing.jobs.enqueue(other)
      expect(await testing.drain([add])).toMatchObject({ completed: 0 })
      await expectEnqueued(testing.jobs, other)
    })

    it('counts each way a run can end, and throws nothing', async () => {
      await using testing = await openTesting(source)
      const end = task<string>({
        name: 'end',
        maxAttempts: 2,
        backoff: '1m',
        handler: (way, job) => {
          if (way === 'snooze' && job.runAt === T) return snooze('1h')
          if (way === 'cancel') return cancel('not wanted')
          if (way === 'give up') throw new UnrecoverableError('no')
          if (way === 'fail') throw new Error('no')
          return way
        },
      })
      for (const way of ['ok', 'snooze', 'cancel', 'give up', 'fail']) await testing.jobs.enqueue(end, way)
      expect(await testing.drain([end])).toEqual({ completed: 1, retrying: 1, failed: 1, snoozed: 1, cancelled: 1 })
      expect(await testing.drain([end], { later: '1m' })).toEqual({
        completed: 0,
        retrying: 0,
        failed: 1,
        snoozed: 0,
        cancelled: 0,
      })
      expect(testing.clock.now()).toBe(T + 60_000)
      expect(await testing.drain([end], { later: true })).toMatchObject({ completed: 1 })
      expect(testing.clock.now()).toBe(T + 3_600_000)
    })

    it('counts runs alone, not a waiting job that a handler cancels', async () => {
      await using testing = await openTesting(source)
      const { id } = await testing.jobs.enqueue(add, { a: 1, b: 2 }, { delay: '1h' })
      const call = task({ name: 'call', handler: (_, job) => job.jobs.cancel(id) })
      await testing.jobs.enqueue(call)
      expect(await testing.drain([call, add])).toMatchObject({ completed: 1, cancelled: 0 })
      expect(await testing.jobs.get(id)).toMatchObject({ state: 'cancelled' })
    })

    it('lets time pass up to each next job, and no further', async () => {
      await using testing = await openTesting(source)
      const times: number[] = []
      const tick = task({ name: 'tick', handler: () => void times.push(testing.clock.now() - T) })
      for (const delay of ['3d', '1s', '90d'] as const) await testing.jobs.enqueue(tick, undefined, { delay })
      await testing.drain([tick], { later: true })
      expect(times).toEqual([1_000, 3 * 86_400_000, 90 * 86_400_000])
      expect(testing.clock.now()).toBe(T + 90 * 86_400_000)
    })

    it('runs one after the other, in the order a worker takes them, unless told otherwise', async () => {
      await using testing = await openTesting(source)
      let running = 0
      let most = 0
      const order: string[] = []
      const wait = task<string>({
        name: 'wait',
        handler: async (name) => {
          order.push(name)
          most = Math.max(most, ++running)
          await new Promise<void>((resolve) => testing.clock.soon(resolve))
          running--
        },
      })
      const all = () => [
        wait.with('b'),
        wait.with('c'),
        wait.with('a', { priority: -1 }),
        wait.with('0', { runAt: T - 5, priority: -1 }),
      ]
      await testing.jobs.enqueueMany(all())
      await testing.drain([wait])
      expect({ order, most }).toEqual({ order: ['0', 'a', 'b', 'c'], most: 1 })
      await testing.jobs.enqueueMany(all())
      await testing.drain([wait], { concurrency: 3 })
      expect(most).toBe(3)
    })

    it('waits for handlers that do real work', async () => {
      await using testing = await openTesting(source)
      const read = task({ name: 'read', handler: async () => (await import('node:fs/promises')).stat('/') })
      const size = read.handle(async () => (await (await import('node:fs/promises')).stat('/')).isDirectory())
      const { id } = await testing.jobs.enqueue(size)
      expect(await testing.drain([size])).toMatchObject({ completed: 1 })
      expect(await testing.jobs.get(id)).toMatchObject({ result: true })
    })

    it('throws the first failure when nothing more is due, if asked, and lets no more time pass', async () => {
      await using testing = await openTesting(source)
      const ran: string[] = []
      const fail = task<string>({
        name: 'fail',
        handler: (name) => {
          ran.push(name)
          if (name !== 'a') throw new RangeError(`${name} is bad`)
        },
      })
      await testing.jobs.enqueueMany([fail.with('a'), fail.with('b'), fail.with('c')])
      await expect(testing.drain([fail], { throws: true, later: true })).rejects.toThrow(new RangeError('b is bad'))
      expect(ran).toEqual(['a', 'b', 'c'])
      await expectEnqueued(testing.jobs, fail, { count: 2, where: (job) => job.attempt === 1 })
    })

    it('gives up on a job that goes on for ever', async () => {
      await using testing = await openTesting(source)
      const again = task({ name: 'again', handler: () => snooze('1s') })
      await testing.jobs.enqueue(again)
      await expect(testing.drain([again], { later: true })).rejects.toThrow('Still not drained after 2000 runs')
    })

    it('lets a handler time out while the test moves the clock', async () => {
      await using testing = await openTesting(source)
      const hang = task({ name: 'hang', timeout: '10s', maxAttempts: 1, handler: () => new Promise(() => undefined) })
      const { id } = await testing.jobs.enqueue(hang)
      const drained = testing.drain([hang])
      await testing.clock.advance('11s')
      expect(await drained).toMatchObject({ failed: 1 })
      expect((await testing.jobs.get(id))?.failures[0]?.name).toBe('TimeoutError')
    })

    it('refuses a misspelt option', async () => {
      await using testing = await openTesting(source)
      await expect(testing.drain([add], { latr: true } as object)).rejects.toThrow(
        'Unknown option "latr" in drain(). Did you mean "later"?',
      )
    })
  })

  describe('run', () => {
    it('answers with what the handler returned, after the schema', async () => {
      await using testing = await openTesting(source)
      expect(await testing.run(add, { a: 2 })).toBe(3)
      expect(await testing.run(add, { a: 2, b: 5 })).toBe(7)
    })

    it('throws what the handler threw, as it was', async () => {
      await using testing = await openTesting(source)
      const error = new RangeError('no')
      const fail = task({
        name: 'fail',
        handler: () => {
          throw error
        },
      })
      await expect(testing.run(fail)).rejects.toBe(error)
    })

    it('refuses a payload that the task does not know, before anything is run', async () => {
      await using testing = await openTesting(source)
      await expect(testing.run(add, { a: 'two' } as never)).rejects.toThrow(PayloadError)
    })

    it('refuses a result that cannot be stored, as a worker would', async () => {
      await using testing = await openTesting(source)
      const bad = task({ name: 'bad', handler: () => 10n })
      await expect(testing.run(bad)).rejects.toThrow(PayloadError)
    })

    it('leaves nothing behind, except what the handler enqueued', async () => {
      await using testing = await openTesting(source)
      const outer = task<{ ok: boolean }>({
        name: 'outer',
        handler: async ({ ok }, job) => {
          await job.enqueue(add, { a: 1 })
          if (!ok) throw new Error('no')
        },
      })
      await testing.run(outer, { ok: true })
      await expect(testing.run(outer, { ok: false })).rejects.toThrow('no')
      await expectNotEnqueued(testing.jobs, outer)
      await expectEnqueued(testing.jobs, add, { count: 2 })
      expect(await testing.jobs.list({ task: 'outer' })).toEqual([])
    })

    it('shows the handler the job it asked for', async () => {
      await using testing = await openTesting(source)
      const look = task({
        name: 'look',
        queue: 'q',
        maxAttempts: 3,
        handler: (_, { attempt, maxAttempts, queue, priority, runAt }) => ({
          attempt,
          maxAttempts,
          queue,
          priority,
          runAt,
        }),
      })
      expect(await testing.run(look)).toEqual({ attempt: 1, maxAttempts: 3, queue: 'q', priority: 0, runAt: T })
      expect(await testing.run(look, undefined, { attempt: 3, priority: 7, queue: 'r' })).toMatchObject({
        attempt: 3,
        priority: 7,
        queue: 'r',
      })
      await expect(testing.run(look, undefined, { attempt: 4 })).rejects.toThrow(
        'Expected `attempt` to be a whole number from 1 to 3, got 4 (number)',
      )
    })

    it('passes through middleware, timeouts and events like any run', async () => {
      await using testing = await openTesting(source)
      const seen: string[] = []
      testing.jobs.use(async (job, next) => {
        seen.push(`before ${job.task}`)
        const result = await next()
        seen.push('after')
        return result
      })
      testing.jobs.on('completed', () => void seen.push('completed'))
      await testing.run(add, { a: 1 })
      expect(seen).toEqual(['before add', 'after', 'completed'])
      const hang = task({
        name: 'hang',
        timeout: '1s',
        handler: (_, { signal }) =>
          new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
      })
      const run = testing.run(hang)
      const refused = expect(run).rejects.toThrow(TimeoutError)
      await testing.clock.advance('1s')
      await refused
    })

    it('runs past what waits: same task, same unique key, and another worker beside', async () => {
      await using testing = await openTesting(source)
      const ran: string[] = []
      const note = task<string>({ name: 'note', unique: () => 'one', handler: (name) => void ran.push(name) })
      await testing.jobs.enqueue(note, 'waits')
      await testing.run(note, 'inline')
      expect(ran).toEqual(['inline'])
      await expectEnqueued(testing.jobs, note, { payload: 'waits', count: 1 })
      const worker = testing.jobs.work([note])
      await testing.clock.settle()
      await testing.run(note, 'beside')
      expect(ran).toEqual(['inline', 'waits', 'beside'])
      await worker.stop()
    })

    it('answers with a snooze or a cancellation, if that is what was returned', async () => {
      await using testing = await openTesting(source)
      expect(await testing.run(task({ name: 'later', handler: () => snooze('1m') }))).toEqual(snooze('1m'))
      expect(await testing.run(task({ name: 'never', handler: () => cancel('x') }))).toEqual(cancel('x'))
      expect(await testing.enqueued()).toEqual([])
    })

    it('throws a CancelledError when the job was cancelled meanwhile', async () => {
      await using testing = await openTesting(source)
      const self = task({
        name: 'self',
        handler: async (_, job) => {
          await job.jobs.cancel(job.id, 'by hand')
          await new Promise<void>((resolve) => job.signal.addEventListener('abort', () => resolve()))
          job.signal.throwIfAborted()
        },
      })
      const run = testing.run(self)
      const refused = expect(run).rejects.toThrow(new CancelledError('by hand'))
      await testing.clock.advance('1s')
      await refused
    })
  })

  it('lists what waits, of one task or of all, the oldest first', async () => {
    await using testing = await openTesting(source)
    const other = task<string>({ name: 'other' })
    await testing.jobs.enqueueMany([add.with({ a: 1 }), other.with('x'), add.with({ a: 2 }, { delay: '1h' })])
    expect((await testing.enqueued()).map((job) => job.task)).toEqual(['add', 'other', 'add'])
    const [first, second] = await testing.enqueued(add)
    expect([first?.payload.a, second?.payload.a]).toEqual([1, 2])
  })

  it('begins at the time and with the chance it was given', async () => {
    await using one = await openTesting(source, { now: new Date(5_000), seed: 3 })
    await using two = await openTesting(source, { now: new Date(5_000), seed: 3 })
    expect(one.clock.now()).toBe(5_000)
    expect((await one.jobs.enqueue(add, { a: 1 })).id).toBe((await two.jobs.enqueue(add, { a: 1 })).id)
  })

  it('closes at once, even when a handler hangs, and leaves no timer', async () => {
    const testing = await openTesting(source)
    const hang = task({ name: 'hang', handler: () => new Promise(() => undefined) })
    testing.jobs.work([hang])
    await testing.jobs.enqueue(hang)
    await testing.clock.settle()
    await testing.close()
    await testing.close()
    expect(testing.clock.waiting).toBe(0)
    await expect(testing.jobs.enqueue(hang)).rejects.toThrow(UsageError)
  })
})

it('takes a store of your own, and refuses what is none', async () => {
  const store = new MemoryStore()
  await using testing = await openTesting(store)
  const { id } = await testing.jobs.enqueue(add, { a: 1 })
  expect(store.get([id])[0]).toMatchObject({ task: 'add' })
  await expect(openTesting('postgres:' as 'memory:')).rejects.toThrow(
    `Expected 'memory:', 'sqlite::memory:' or a store to test with, got "postgres:" (string)`,
  )
  await expect(openTesting('memory:', { sed: 1 } as object)).rejects.toThrow('Did you mean "seed"?')
})
