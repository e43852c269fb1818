import { describe, expect, it } from 'vitest'

import { byHand, simulate, sources, T } from '../../test/simulation.ts'
import type { Claimed } from '../store.ts'
import { task } from '../task.ts'

const quick = task<string>({ name: 'quick', handler: () => undefined })

describe.each(sources)('a producer on the %s store', (source) => {
  describe('claiming', () => {
    it('runs as many jobs as it has hands, and takes another when a hand is free', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<number>()
      const work = task<number>({ name: 'work', handler })
      await sim.jobs.enqueueMany(Array.from({ length: 7 }, (_, n) => work.with(n)))
      const worker = sim.jobs.work([work], { concurrency: 3 })
      await sim.clock.advance(100)
      expect(runs.map(({ payload }) => payload)).toEqual([0, 1, 2])
      expect(worker.running).toBe(3)
      runs[1]?.end()
      await sim.clock.settle()
      expect(runs.map(({ payload }) => payload)).toEqual([0, 1, 2, 3])
      expect(worker.running).toBe(3)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 3, running: 3, completed: 1 })
    })

    it('runs no more jobs of a task than its own concurrency, and others beside them', async () => {
      await using sim = await simulate(source)
      const narrow = byHand<number>()
      const wide = byHand<number>()
      const tasks = [
        task<number>({ name: 'narrow', concurrency: 2, priority: -1, handler: narrow.handler }),
        task<number>({ name: 'wide', handler: wide.handler }),
      ] as const
      await sim.jobs.enqueueMany(tasks.flatMap((one) => Array.from({ length: 6 }, (_, n) => one.with(n))))
      sim.jobs.work(tasks, { concurrency: 5 })
      await sim.clock.settle()
      expect([narrow.runs.length, wide.runs.length]).toEqual([2, 3])
      for (let n = 0; n < 6; n++) {
        await sim.clock.advance('1s')
        narrow.runs[n]?.end()
        await sim.clock.settle()
        expect(narrow.runs.length).toBe(Math.min(6, n + 3))
      }
      expect(wide.runs.length).toBe(5)
    })

    it('holds a task to its own concurrency also when short runs are claimed ahead', async () => {
      await using sim = await simulate(source)
      let running = 0
      let most = 0
      const one = task<number>({
        name: 'one',
        concurrency: 1,
        handler: async () => {
          most = Math.max(most, ++running)
          await new Promise<void>((resolve) => sim.clock.soon(resolve))
          running--
        },
      })
      await sim.jobs.enqueueMany([
        ...Array.from({ length: 50 }, (_, n) => one.with(n)),
        ...Array.from({ length: 50 }, () => quick.with('x')),
      ])
      sim.jobs.work([one, quick], { concurrency: 4 })
      await sim.clock.settle()
      expect(most).toBe(1)
      expect(sim.of('completed')).toHaveLength(100)
    })

    it('takes by priority, then by time, then in the order of the enqueues', async () => {
      await using sim = await simulate(source)
      const order: string[] = []
      const note = task<string>({ name: 'note', handler: (name) => void order.push(name) })
      await sim.jobs.enqueueMany([
        note.with('d'),
        note.with('e'),
        note.with('b', { priority: -1 }),
        note.with('a', { priority: -1, runAt: T - 1 }),
        note.with('c', { runAt: T - 1 }),
        note.with('f', { priority: 1, runAt: T - 9 }),
      ])
      sim.jobs.work([note], { concurrency: 1 })
      await sim.clock.settle()
      expect(order).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    })

    it('does not start a job whose lease ran out before the store had answered', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const answered = Promise.withResolvers<void>()
      sim.jobs.work([quick.handle(handler)], { lease: '5s', upkeep: false })
      await sim.clock.settle()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'claim') await answered.promise
        return answer
      })
      await sim.jobs.enqueue(quick, 'x')
      await sim.clock.advance('6s')
      answered.resolve()
      await sim.clock.settle()
      expect(runs.map(({ job }) => [job.attempt, job.leaseUntil - T])).toEqual([[1, 11_000]])
    })

    it('leaves jobs of tasks it does not know, and of queues it does not work', async () => {
      await using sim = await simulate(source)
      const unknown = task({ name: 'unknown' })
      await sim.jobs.enqueue(unknown)
      await sim.jobs.enqueue(quick, 'here', { queue: 'a' })
      await sim.jobs.enqueue(quick, 'there', { queue: 'b' })
      sim.jobs.work([quick], { queues: ['a'] })
      await sim.clock.advance('1h')
      expect(sim.of('completed')).toHaveLength(1)
      const waiting = await sim.jobs.list({ state: 'pending' })
      expect(waiting.map(({ task: name, attempt }) => [name, attempt])).toEqual([
        ['quick', 0],
        ['unknown', 0],
      ])
    })
  })

  describe('claiming ahead', () => {
    it('takes nothing ahead before the first run has ended', async () => {
      await using sim = await simulate(source)
      const { handler } = byHand<string>()
      const long = quick.handle(handler)
      await sim.jobs.enqueueMany(Array.from({ length: 50 }, () => long.with('x')))
      sim.jobs.work([long], { concurrency: 2 })
      await sim.clock.advance(1_000)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 48, running: 2 })
    })

    it('takes many short jobs with few exchanges', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueueMany(Array.from({ length: 1_000 }, () => quick.with('x')))
      sim.jobs.work([quick], { concurrency: 1 })
      await sim.clock.settle()
      expect(sim.of('completed')).toHaveLength(1_000)
      expect(sim.count('claim')).toBeLessThan(50)
      // Of a far store up to twice 200 are held ahead, half of them claimed at a time.
      expect(Math.max(...sim.claims().map(({ limit }) => limit))).toBe(source === 'slow' ? 201 : 101)
    })

    it('asks a far store for the next before it runs what has come, one question at a time', async () => {
      await using sim = await simulate(source)
      let [taken, ran, under, most] = [0, 0, 0, 0]
      const waiting: number[] = []
      sim.interfere(async ({ verb }, next) => {
        if (verb !== 'claim') return await next()
        waiting.push(taken - ran)
        most = Math.max(most, ++under)
        const answer = await next()
        under--
        taken += (answer as Claimed).jobs.length
        await new Promise<void>((resolve) => sim.clock.soon(resolve))
        return answer
      })
      await sim.jobs.enqueueMany(Array.from({ length: 1_000 }, () => quick.with('x')))
      sim.jobs.work([quick.handle(() => void ran++)], { concurrency: 10 })
      await sim.clock.settle()
      expect([taken, ran]).toEqual([1_000, 1_000])
      expect(Math.max(...waiting)).toBeGreaterThan(50) // claimed, and not begun yet, when more was asked for
      expect(most).toBe(1)
    })

    it('takes none ahead of runs that last', async () => {
      await using sim = await simulate(source)
      const work = quick.handle(() => new Promise<void>((resolve) => void sim.clock.after(50, resolve)))
      await sim.jobs.enqueueMany(Array.from({ length: 20 }, () => work.with('x')))
      sim.jobs.work([work], { concurrency: 2 })
      for (let ms = 0; ms < 600; ms += 10) {
        await sim.clock.advance(10)
        const counts = (await sim.jobs.stats())[0]?.counts
        expect(counts?.running).toBeLessThanOrEqual(2)
      }
      expect(sim.of('completed')).toHaveLength(20)
    })

    it('gives back after 250 ms what waits behind a long run, and burns no attempt', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const mixed = quick.handle(async (kind, job) => (kind === 'long' ? await handler(kind, job) : undefined))
      const { id } = await sim.jobs.enqueue(mixed, 'short')
      const entries = [mixed.with('long'), ...Array.from({ length: 30 }, () => mixed.with('short'))]
      const behind = (await sim.jobs.enqueueMany(entries)).slice(1)
      sim.jobs.work([mixed], { concurrency: 1 })
      await sim.clock.advance(249)
      expect(await sim.row(id)).toMatchObject({ state: 'completed' })
      expect(runs).toHaveLength(1)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 0, running: 31 })
      await sim.clock.advance(1)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 30, running: 1 })
      expect(sim.of('released').map(({ job }) => job.id)).toEqual(behind.map((one) => one.id))
      for (const one of behind) expect(await sim.row(one.id)).toMatchObject({ attempt: 0, failures: [], runAt: T })
      await sim.clock.advance('1m')
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 30, running: 1 })
      const other = await sim.another()
      other.work([mixed], { concurrency: 5 })
      await sim.clock.settle()
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 0, running: 1, completed: 31 })
    })
  })

  describe('waking', () => {
    it('starts a job at once when it is enqueued', async () => {
      await using sim = await simulate(source)
      sim.jobs.work([quick])
      await sim.clock.advance('1h')
      await sim.jobs.enqueue(quick, 'x')
      await sim.clock.settle()
      expect(sim.of('completed')).toHaveLength(1)
    })

    it('sleeps exactly until the next job is due', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueue(quick, 'x', { delay: '7s' })
      await sim.jobs.enqueue(quick, 'y', { delay: '90s' })
      const startedAt: number[] = []
      sim.jobs.on('started', () => void startedAt.push(sim.clock.now() - T))
      sim.jobs.work([quick], { poll: '1h', upkeep: false })
      await sim.clock.settle()
      const before = sim.count('claim')
      await sim.clock.advance(6_999)
      expect(sim.count('claim')).toBe(before)
      await sim.clock.advance('10m')
      expect(startedAt).toEqual([7_000, 90_000])
      expect(sim.of('started').map(({ waitedMs }) => waitedMs)).toEqual([0, 0])
    })

    it('asks the store nothing while idle, except by the poll, and tells it that it is there', async () => {
      await using sim = await simulate(source)
      sim.jobs.work([quick], { poll: '5s' })
      await sim.clock.settle()
      sim.calls.length = 0
      await sim.clock.advance('60s')
      expect([sim.count('claim'), sim.count('expired'), sim.count('prune'), sim.count('present')]).toEqual([
        12, 12, 1, 12,
      ])
      expect(sim.calls).toHaveLength(37)
    })

    it('takes many bells in one exchange', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const work = quick.handle(handler)
      sim.jobs.work([work], { concurrency: 100 })
      await sim.clock.settle()
      const ids = await sim.jobs.enqueueMany(Array.from({ length: 100 }, () => work.with('x', { delay: '1h' })))
      await sim.clock.settle()
      sim.calls.length = 0
      for (const { id } of ids) {
        const before = await sim.row(id)
        await sim.store.apply([{ before, after: { ...before, runAt: T, rev: before.rev + 1 } }], T)
      }
      await sim.clock.settle()
      expect(runs).toHaveLength(100)
      expect(sim.count('claim')).toBeLessThanOrEqual(2)
    })

    it('hears a bell that rings while it asks', async () => {
      await using sim = await simulate(source)
      sim.jobs.work([quick], { poll: '1h' })
      await sim.clock.settle()
      const answered = Promise.withResolvers<void>()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'claim') await answered.promise
        return answer
      })
      await sim.jobs.enqueue(quick, 'x')
      await sim.clock.settle()
      await sim.jobs.enqueue(quick, 'y')
      await sim.clock.settle()
      expect(sim.of('completed')).toHaveLength(0)
      answered.resolve()
      await sim.clock.settle()
      expect(sim.of('completed')).toHaveLength(2)
    })

    it('finds by polling what nothing rang for', async () => {
      await using sim = await simulate(source)
      const startedAt: number[] = []
      sim.jobs.on('started', () => void startedAt.push(sim.clock.now() - T))
      sim.jobs.work([quick], { listen: false, poll: '5s' })
      expect(sim.count('listen')).toBe(0)
      await sim.clock.advance('12s')
      await sim.jobs.enqueue(quick, 'x')
      await sim.clock.advance('10s')
      expect(startedAt).toEqual([15_000])
    })

    it('finds jobs by polling that are due by a clock that was set forward', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueue(quick, 'x', { delay: '1d' })
      sim.jobs.work([quick], { poll: '5s' })
      await sim.clock.settle()
      sim.clock.set(T + 86_400_000)
      await sim.clock.advance('5s')
      expect(sim.of('completed')).toHaveLength(1)
    })
  })

  describe('settling', () => {
    it('stores the end of one run and takes the next job in one exchange', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const work = quick.handle(handler)
      sim.jobs.work([work], { concurrency: 1, upkeep: false })
      await sim.jobs.enqueueMany(['a', 'b', 'c'].map((name) => work.with(name)))
      await sim.clock.advance(100)
      sim.calls.length = 0
      for (let n = 0; n < 3; n++) {
        runs[n]?.end()
        await sim.clock.advance(100)
      }
      expect(sim.calls.map(({ verb }) => verb)).toEqual(['claim', 'claim', 'claim'])
    })

    it('tells what happened only after the store has said ok', async () => {
      await using sim = await simulate(source)
      sim.jobs.work([quick])
      await sim.clock.settle()
      const answered = Promise.withResolvers<void>()
      let asked = 0
      sim.interfere(async ({ verb, args }, next) => {
        const answer = await next()
        if (verb === 'claim' && (args[0] as { settle: unknown[] }).settle.length > 0) {
          asked++
          await answered.promise
        }
        return answer
      })
      const { id } = await sim.jobs.enqueue(quick, 'x')
      await sim.clock.advance('2s')
      expect(asked).toBe(1)
      expect(await sim.row(id)).toMatchObject({ state: 'completed' })
      expect(sim.of('completed')).toEqual([])
      answered.resolve()
      await sim.clock.settle()
      const job = { id, task: 'quick', queue: 'default', attempt: 1, maxAttempts: 5 }
      expect(sim.of('completed')).toEqual([{ type: 'completed', job, ranMs: 0 }])
    })

    it('decides again when the row has moved under a run: a cancellation that came too late', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const work = quick.handle(handler)
      sim.jobs.work([work], { listen: false })
      const { id } = await sim.jobs.enqueue(work, 'x')
      await sim.clock.advance('5s')
      expect(await sim.jobs.cancel(id, 'too late')).toBe('requested')
      runs[0]?.end('done')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"done"' })
      expect(sim.of('completed')).toHaveLength(1)
    })
  })
})
