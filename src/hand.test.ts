import { describe, expect, it } from 'vitest'

import { away, simulate, sources, T } from '../test/simulation.ts'
import type { HeldJob } from './held-job.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note' })
const other = task<string>({ name: 'other', queue: 'elsewhere' })

describe.each(sources)('leasing by hand on the %s store', (source) => {
  it('takes the first job that is due, for a time, and nobody else gets it', async () => {
    await using sim = await simulate(source)
    const [, first] = await sim.jobs.enqueueMany([note.with('b'), note.with('a', { priority: -1 })])
    const held = await sim.jobs.lease({ for: '7s' })
    expect(held).toMatchObject({
      id: first?.id,
      task: 'note',
      queue: 'default',
      priority: -1,
      payload: 'a',
      attempt: 1,
      maxAttempts: 5,
      errors: [],
      createdAt: T,
      runAt: T,
      leaseUntil: T + 7_000,
      cancelRequested: undefined,
    })
    expect((await sim.jobs.lease())?.payload).toBe('b')
    expect(await sim.jobs.lease()).toBeUndefined()
    expect(await sim.row(first!.id)).toMatchObject({ state: 'running', lease: held?.lease })
  })

  it('holds for 30 seconds by default', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'a')
    expect((await sim.jobs.lease())?.leaseUntil).toBe(T + 30_000)
  })

  it('takes only from the queue and of the tasks asked for, by task or by name', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueueMany([note.with('a'), other.with('b'), note.with('c', { queue: 'elsewhere' })])
    expect(await sim.jobs.lease({ queue: 'nowhere' })).toBeUndefined()
    expect(await sim.jobs.lease({ tasks: ['unknown'] })).toBeUndefined()
    expect((await sim.jobs.lease({ queue: 'elsewhere', tasks: [note] }))?.payload).toBe('c')
    expect((await sim.jobs.lease({ tasks: ['other'] }))?.payload).toBe('b')
    expect((await sim.jobs.lease({ queue: 'default' }))?.payload).toBe('a')
  })

  it('takes as many as asked for, and no more than there are: ten are two, six, and two', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => note.with(`${n}`)))
    const taken: string[][] = []
    for (const limit of [2, 6, 5, 1])
      taken.push((await sim.jobs.leaseMany({ limit })).map(({ payload }) => String(payload)))
    expect(taken).toEqual([['0', '1'], ['2', '3', '4', '5', '6', '7'], ['8', '9'], []])
  })

  it('does not take what is due later, nor from a paused queue', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'later', { delay: '5s' })
    await sim.jobs.enqueue(other, 'paused')
    await sim.jobs.pause('elsewhere')
    expect(await sim.jobs.lease()).toBeUndefined()
    await sim.clock.advance('5s')
    expect((await sim.jobs.lease())?.payload).toBe('later')
    await sim.jobs.resume('elsewhere')
    expect((await sim.jobs.lease())?.payload).toBe('paused')
  })

  describe('and waiting', () => {
    const watch = (promise: Promise<HeldJob | undefined>): { got: unknown[] } => {
      const got: unknown[] = []
      void promise.then((held) => got.push(held?.payload))
      return { got }
    }

    it('ends at once when a job comes', async () => {
      await using sim = await simulate(source)
      const { got } = watch(sim.jobs.lease({ wait: '1m' }))
      await sim.clock.advance('20s')
      await sim.jobs.enqueue(note, 'a')
      await sim.clock.settle()
      expect(got).toEqual(['a'])
      expect(sim.clock.waiting).toBe(0)
    })

    it('ends when a job falls due', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueue(note, 'a', { delay: '3s' })
      const { got } = watch(sim.jobs.lease({ wait: '1m' }))
      await sim.clock.advance(2_999)
      expect(got).toEqual([])
      await sim.clock.advance(1)
      expect(got).toEqual(['a'])
    })

    it('ends with nothing when the time is over', async () => {
      await using sim = await simulate(source)
      const { got } = watch(sim.jobs.lease({ wait: '12s' }))
      await sim.clock.advance(11_999)
      expect(got).toEqual([])
      await sim.clock.advance(1)
      expect(got).toEqual([undefined])
      expect(sim.clock.waiting).toBe(0)
      expect(sim.count('claim')).toBe(4)
    })

    it('ends with nothing when the signal says so', async () => {
      await using sim = await simulate(source)
      const controller = new AbortController()
      const { got } = watch(sim.jobs.lease({ wait: '1h', signal: controller.signal }))
      await sim.clock.advance('1m')
      controller.abort()
      await sim.clock.settle()
      expect(got).toEqual([undefined])
      expect(sim.clock.waiting).toBe(0)
    })

    it('ends with nothing when the signal says so while it looks', async () => {
      await using sim = await simulate(source)
      const controller = new AbortController()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'claim') controller.abort()
        return answer
      })
      const { got } = watch(sim.jobs.lease({ wait: '1h', signal: controller.signal }))
      await sim.clock.settle()
      expect(got).toEqual([undefined])
    })

    it('takes nothing when the signal had said so before', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueue(note, 'a')
      expect(await sim.jobs.lease({ wait: '1h', signal: AbortSignal.abort() })).toBeUndefined()
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 0 })
    })

    it('finds by polling what nothing rang for', async () => {
      await using sim = await simulate(source)
      sim.interfere(({ verb }, next) => (verb === 'listen' ? () => undefined : next()))
      const { got } = watch(sim.jobs.lease({ wait: '1m' }))
      await sim.clock.settle()
      await sim.jobs.enqueue(note, 'a')
      await sim.clock.advance('5s')
      expect(got).toEqual(['a'])
    })

    it('hears a bell that rings while it looks', async () => {
      await using sim = await simulate(source)
      const answered = Promise.withResolvers<void>()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'claim') await answered.promise
        return answer
      })
      const { got } = watch(sim.jobs.lease({ wait: '1h' }))
      await sim.clock.settle()
      await sim.jobs.enqueue(note, 'a')
      answered.resolve()
      await sim.clock.settle()
      expect(got).toEqual(['a'])
    })

    it('ends with the error when the store fails, and leaves nothing behind', async () => {
      await using sim = await simulate(source)
      const leased = sim.jobs.lease({ wait: '1h' })
      const refused = expect(leased).rejects.toMatchObject({ name: 'StoreError' })
      await sim.clock.settle()
      sim.interfere(({ verb }, next) => (verb === 'claim' ? away() : next()))
      await sim.clock.advance('5s')
      await refused
      expect(sim.clock.waiting).toBe(0)
    })

    it('gives one job to one of many who wait', async () => {
      await using sim = await simulate(source)
      const waits = Array.from({ length: 5 }, () => watch(sim.jobs.lease({ wait: '10s' })))
      await sim.clock.settle()
      await sim.jobs.enqueueMany([note.with('a'), note.with('b')])
      await sim.clock.settle()
      expect(waits.flatMap(({ got }) => got)).toEqual(['a', 'b'])
      await sim.clock.advance('10s')
      expect(waits.flatMap(({ got }) => got).toSorted()).toEqual(['a', 'b', undefined, undefined, undefined])
    })
  })

  describe('one after the other with leases()', () => {
    it('takes each job, waiting for it, until the signal says so', async () => {
      await using sim = await simulate(source)
      const controller = new AbortController()
      const got: unknown[] = []
      const loop = (async () => {
        for await (const held of sim.jobs.leases({ signal: controller.signal })) {
          got.push(held.payload)
          await held.complete()
        }
      })()
      await sim.jobs.enqueueMany([note.with('a'), note.with('b')])
      await sim.clock.settle()
      expect(got).toEqual(['a', 'b'])
      await sim.clock.advance('1h')
      await sim.jobs.enqueue(note, 'c')
      await sim.clock.settle()
      expect(got).toEqual(['a', 'b', 'c'])
      controller.abort()
      await loop
      expect(sim.clock.waiting).toBe(0)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ completed: 3 })
    })

    it('takes nothing more once the loop is left', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueueMany([note.with('a'), note.with('b')])
      for await (const held of sim.jobs.leases()) {
        expect(held.payload).toBe('a')
        break
      }
      await sim.clock.settle()
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 1 })
      expect(sim.clock.waiting).toBe(0)
    })

    it('sleeps while there is nothing, whatever it was told about waiting', async () => {
      await using sim = await simulate(source)
      const controller = new AbortController()
      const options = { signal: controller.signal, wait: 0 }
      const loop = sim.jobs.leases(options).next()
      await sim.clock.advance('1m')
      expect(sim.count('claim')).toBeLessThan(20)
      controller.abort()
      expect(await loop).toEqual({ done: true, value: undefined })
    })
  })

  it.each([
    [{ for: '99ms' }, 'Expected `for` to be a duration'],
    [{ wait: -1 }, 'Expected `wait` to be a duration'],
    [{ tasks: [7] }, 'Expected `tasks` to be tasks or their names, got 7 (number)'],
    [{ queues: ['a'] }, 'Unknown option "queues" in lease(). Did you mean "queue"?'],
  ])('refuses %j', async (options, message) => {
    await using sim = await simulate(source)
    await expect(sim.jobs.lease(options as object)).rejects.toThrow(message)
    await expect(sim.jobs.leaseMany({ ...options, limit: 2 } as { limit: number })).rejects.toThrow(message)
    await expect(sim.jobs.leaseMany({} as { limit: number })).rejects.toThrow('Expected `limit` to be a whole number')
  })

  it('is refused once closed', async () => {
    await using sim = await simulate(source)
    await sim.jobs.close()
    await expect(sim.jobs.lease()).rejects.toThrow('These jobs are closed')
  })
})
