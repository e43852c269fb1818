import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'

import { away, byHand, simulate, sources, T } from '../test/simulation.ts'
import {
  LeaseLostError,
  PayloadError,
  StoppedError,
  TimeoutError,
  UnrecoverableError,
  UsageError,
} from './core/errors.ts'
import { cancel, RetryError, snooze } from './core/steer.ts'
import type { RunningJob } from './running-job.ts'
import type { ClaimRequest } from './store.ts'
import { SqliteStore } from './stores/sqlite/index.ts'
import { task } from './task.ts'

const quick = task<string>({ name: 'quick', handler: () => undefined })
const never = (): Promise<never> => new Promise(() => undefined)

describe('work', () => {
  it.each([
    [{ concurrency: 0 }, 'Expected `concurrency` to be a whole number from 1 to 100000, got 0 (number)'],
    [{ concurrency: '4' }, 'got "4" (string)'],
    [{ lease: '999ms' }, 'Expected `lease` to be a duration'],
    [{ poll: '9ms' }, 'Expected `poll` to be a duration'],
    [{ poll: 'often' }, 'Expected `poll`'],
    [{ queues: ['a\n'] }, 'Expected `queues` to be text'],
    [{ concurency: 4 }, 'Unknown option "concurency" in work(). Did you mean "concurrency"?'],
    [null, 'Expected the options of work() to be an object, got null'],
  ])('refuses %j', async (options, message) => {
    await using sim = await simulate()
    expect(() => sim.jobs.work([quick], options as object)).toThrow(message)
    expect(sim.calls.map(({ verb }) => verb)).toEqual(['migrate'])
  })

  it('refuses no task, a task without a handler, and a task twice', async () => {
    await using sim = await simulate()
    expect(() => sim.jobs.work([])).toThrow('Expected at least one task to work')
    expect(() => sim.jobs.work([task({ name: 'bare' }) as never])).toThrow(
      'Task "bare" has no handler. Give it one with task.handle(…)',
    )
    expect(() => sim.jobs.work([quick, quick])).toThrow('Task "quick" is given twice')
  })

  it('runs up to ten jobs at a time by default', async () => {
    await using sim = await simulate()
    const { runs, handler } = byHand<string>()
    sim.jobs.work([quick.handle(handler)])
    await sim.jobs.enqueueMany(Array.from({ length: 12 }, () => quick.with('x')))
    await sim.clock.settle()
    expect(runs).toHaveLength(10)
  })

  it('works several tasks of several queues, and two workers share the jobs', async () => {
    await using sim = await simulate()
    const ran: string[] = []
    const a = task<number>({ name: 'a', queue: 'one', handler: (n) => void ran.push(`a${n}`) })
    const b = task<number>({ name: 'b', queue: 'two', handler: (n) => void ran.push(`b${n}`) })
    sim.jobs.work([a, b], { concurrency: 2 })
    sim.jobs.work([a, b], { concurrency: 2 })
    await sim.jobs.enqueueMany(Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? a.with(n) : b.with(n))))
    await sim.clock.settle()
    expect(ran).toHaveLength(100)
    expect(new Set(ran).size).toBe(100)
  })
})

describe('a run', () => {
  it('shows the handler its job, and the payload as the schema gives it', async () => {
    await using sim = await simulate()
    const seen: unknown[] = []
    const when = task({
      name: 'when',
      queue: 'q',
      payload: z.object({ at: z.iso.date().transform((text) => new Date(text)), n: z.number().default(3) }),
      handler: (payload, job) => {
        const { id, task: name, queue, priority, attempt, maxAttempts, errors, createdAt, runAt, parent } = job
        seen.push(payload, { id, name, queue, priority, attempt, maxAttempts, errors, createdAt, runAt, parent })
        expect(job.leaseUntil).toBe(T + 5_000 + 30_000)
        expect(job.lease).toHaveLength(21)
        expect(job.jobs).toBe(sim.jobs)
      },
    })
    const { id } = await sim.jobs.enqueue(when, { at: '2026-02-03' }, { delay: '5s', priority: 4 })
    sim.jobs.work([when])
    await sim.clock.advance('5s')
    expect(seen).toEqual([
      { at: new Date('2026-02-03'), n: 3 },
      {
        id,
        name: 'when',
        queue: 'q',
        priority: 4,
        attempt: 1,
        maxAttempts: 5,
        errors: [],
        createdAt: T,
        runAt: T + 5_000,
        parent: undefined,
      },
    ])
  })

  it('gives bytes and nothing back as they were', async () => {
    await using sim = await simulate('sqlite')
    const seen: unknown[] = []
    const bytes = task<Uint8Array>({ name: 'bytes', handler: (payload) => void seen.push(payload) })
    const none = task({ name: 'none', handler: (payload) => void seen.push(payload) })
    await sim.jobs.enqueueMany([bytes.with(new Uint8Array([0, 255])), none.with()])
    sim.jobs.work([bytes, none])
    await sim.clock.settle()
    expect(seen).toEqual([new Uint8Array([0, 255]), undefined])
  })

  it('has a token of its own each time', async () => {
    await using sim = await simulate()
    const tokens = new Set<string>()
    const again = quick.handle((_, job) => {
      tokens.add(job.lease)
      return tokens.size < 3 ? snooze(0) : undefined
    })
    await sim.jobs.enqueue(again, 'x')
    sim.jobs.work([again])
    await sim.clock.settle()
    expect(tokens.size).toBe(3)
  })

  it('fails when the stored payload is not what the task knows today, and tells what is wrong', async () => {
    await using sim = await simulate()
    const old = task<{ to: string }>({ name: 'mail' })
    const { id } = await sim.jobs.enqueue(old, { to: 'ada' })
    let ran = false
    const now = task({
      name: 'mail',
      maxAttempts: 1,
      payload: z.object({ to: z.email() }),
      handler: () => void (ran = true),
    })
    sim.jobs.work([now])
    await sim.clock.settle()
    expect(ran).toBe(false)
    expect(sim.of('retrying')[0]?.error).toBeInstanceOf(PayloadError)
    expect((await sim.row(id)).failures).toMatchObject([
      { attempt: 1, name: 'PayloadError', message: 'The payload is not one of task "mail": to: Invalid email address' },
    ])
  })

  it('fails when the stored payload cannot be read at all', async () => {
    await using sim = await simulate()
    const { id } = await sim.jobs.enqueue(quick, 'x')
    const before = await sim.row(id)
    await sim.store.apply([{ before, after: { ...before, payload: '{"half', rev: before.rev + 1 } }], T)
    sim.jobs.work([quick])
    await sim.clock.settle()
    expect((await sim.row(id)).failures).toMatchObject([{ name: 'SyntaxError' }])
  })

  it('remembers the errors of earlier attempts, the last twenty', async () => {
    await using sim = await simulate()
    const seen: string[][] = []
    const flaky = task({
      name: 'flaky',
      maxAttempts: 25,
      backoff: '1s',
      handler: (_, job) => {
        seen.push(job.errors.map(({ attempt, message }) => `${attempt} ${message}`))
        if (job.attempt < 25) throw new Error(`no ${job.attempt}`)
      },
    })
    const { id } = await sim.jobs.enqueue(flaky)
    sim.jobs.work([flaky])
    await sim.clock.advance('1m')
    expect(seen.slice(0, 3)).toEqual([[], ['1 no 1'], ['1 no 1', '2 no 2']])
    expect(seen[24]).toHaveLength(20)
    expect(seen[24]?.[0]).toBe('5 no 5')
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 25 })
  })

  it.each([
    ['null', null, { name: 'object', message: 'null' }],
    ['undefined', undefined, { name: 'undefined', message: 'undefined' }],
    ['a string', 'no', { name: 'string', message: 'no' }],
    ['an object', { code: 7 }, { name: 'Object', message: '{"code":7}' }],
    ['an error', new RangeError('far'), { name: 'RangeError', message: 'far' }],
  ])('notes %s that was thrown', async (_, value, failure) => {
    await using sim = await simulate('sqlite')
    const bad = task({ name: 'bad', maxAttempts: 1, handler: () => Promise.reject(value) })
    const { id } = await sim.jobs.enqueue(bad)
    sim.jobs.work([bad])
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'failed', failures: [{ attempt: 1, at: T, ...failure }] })
    expect(sim.of('failed')).toMatchObject([{ error: value }])
  })

  it('waits for its backoff between attempts, then fails for good', async () => {
    await using sim = await simulate()
    const at: number[] = []
    const bad = task({
      name: 'bad',
      maxAttempts: 4,
      backoff: { type: 'exponential', delay: '1s', jitter: 0 },
      handler: () => {
        at.push(sim.clock.now() - T)
        throw new Error('no')
      },
    })
    const { id } = await sim.jobs.enqueue(bad)
    sim.jobs.work([bad])
    await sim.clock.advance('1h')
    expect(at).toEqual([0, 1_000, 3_000, 7_000])
    expect(sim.of('retrying').map(({ runAt }) => runAt - T)).toEqual([1_000, 3_000, 7_000])
    expect(sim.of('failed')).toMatchObject([{ job: { id, attempt: 4, maxAttempts: 4 } }])
    expect(await sim.row(id)).toMatchObject({
      state: 'failed',
      finishedAt: T + 7_000,
      forgetAt: T + 7_000 + 7 * 86_400_000,
    })
  })

  it('is followed by what its handler asked for', async () => {
    await using sim = await simulate()
    const ways: Record<string, (job: RunningJob) => unknown> = {
      snooze: (job) => (job.runAt === T ? snooze('5m') : 'done'),
      cancel: () => cancel('not wanted'),
      unrecoverable: () => {
        throw new UnrecoverableError('never')
      },
      retry: (job) => {
        if (job.attempt === 1) throw new RetryError('later', { delay: '7s' })
        return 'done'
      },
      more: (job) => {
        if (job.attempt < 6) throw new RetryError('more', { delay: 0, remaining: 1 })
        return job.maxAttempts
      },
      'give up': () => {
        throw new RetryError('no more', { remaining: 0 })
      },
    }
    const steer = task<string>({
      name: 'steer',
      maxAttempts: 2,
      backoff: '1s',
      handler: (way, job) => ways[way]?.(job),
    })
    const ids = new Map<string, string>()
    for (const way of Object.keys(ways)) ids.set(way, (await sim.jobs.enqueue(steer, way)).id)
    sim.jobs.work([steer])
    await sim.clock.settle()
    expect(sim.of('snoozed')).toMatchObject([{ job: { id: ids.get('snooze') }, runAt: T + 300_000 }])
    expect(await sim.row(ids.get('snooze')!)).toMatchObject({ state: 'pending', attempt: 0, failures: [] })
    await sim.clock.advance('5m')
    const rows = await Promise.all([...ids].map(async ([way, id]) => [way, await sim.row(id)] as const))
    expect(
      Object.fromEntries(
        rows.map(([way, { state, attempt, finishedAt }]) => [way, { state, attempt, at: (finishedAt ?? 0) - T }]),
      ),
    ).toEqual({
      snooze: { state: 'completed', attempt: 1, at: 300_000 },
      cancel: { state: 'cancelled', attempt: 1, at: 0 },
      unrecoverable: { state: 'failed', attempt: 1, at: 0 },
      retry: { state: 'completed', attempt: 2, at: 7_000 },
      more: { state: 'completed', attempt: 6, at: 0 },
      'give up': { state: 'failed', attempt: 1, at: 0 },
    })
    expect(await sim.row(ids.get('cancel')!)).toMatchObject({ cancel: 'not wanted' })
  })

  it('is ended by its timeout, and a hand is free again although the handler hangs', async () => {
    await using sim = await simulate()
    const reasons: unknown[] = []
    const hang = task<string>({
      name: 'hang',
      timeout: '10s',
      maxAttempts: 2,
      backoff: '1m',
      handler: (_, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        return never()
      },
    })
    const { id } = await sim.jobs.enqueue(hang, 'x')
    const worker = sim.jobs.work([hang, quick], { concurrency: 1 })
    await sim.jobs.enqueue(quick, 'waits')
    await sim.clock.advance(10_999)
    expect(reasons).toEqual([new TimeoutError(10_000)])
    expect([worker.running, sim.of('completed').length]).toEqual([1, 0])
    await sim.clock.advance(1)
    expect([worker.running, sim.of('completed').length]).toEqual([0, 1])
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 1, failures: [{ name: 'TimeoutError' }] })
    await sim.clock.advance('2m')
    expect(await sim.row(id)).toMatchObject({ state: 'failed', attempt: 2 })
  })

  it('keeps by its retention, or not at all', async () => {
    await using sim = await simulate('sqlite')
    const keep = task<string>({ name: 'keep', retention: { completed: false, failed: '2h', payload: 'failed' } })
    const work = keep.handle((way) => {
      if (way === 'fail') throw new UnrecoverableError('no')
      if (way === 'cancel') return cancel('no')
      return 'ok'
    })
    const [ok, fail, cancelled, own] = await sim.jobs.enqueueMany([
      keep.with('ok'),
      keep.with('fail'),
      keep.with('cancel'),
      keep.with('ok', { retention: { completed: 'forever', payload: 'none' } }),
    ])
    sim.jobs.work([work])
    await sim.clock.settle()
    expect(await sim.jobs.get(ok!.id)).toBeUndefined()
    expect(await sim.row(fail!.id)).toMatchObject({ forgetAt: T + 7_200_000, payload: '"fail"' })
    expect(await sim.row(cancelled!.id)).toMatchObject({ forgetAt: T + 86_400_000, payload: undefined })
    expect(await sim.row(own!.id)).toMatchObject({ forgetAt: undefined, payload: undefined, result: '"ok"' })
    expect(sim.of('completed')).toHaveLength(2)
  })

  it('enqueues children that know their parent', async () => {
    await using sim = await simulate()
    const child = task<number>({ name: 'child', queue: 'other' })
    const parent = task({
      name: 'parent',
      handler: async (_, job) => await job.enqueue(child, 1, { delay: '1h', priority: 2 }),
    })
    const { id } = await sim.jobs.enqueue(parent)
    sim.jobs.work([parent])
    await sim.clock.settle()
    const [made] = await sim.jobs.list({ parent: id })
    expect(made).toMatchObject({
      task: 'child',
      queue: 'other',
      parent: id,
      payload: 1,
      priority: 2,
      runAt: T + 3_600_000,
    })
    expect((await sim.jobs.get(id))?.result).toEqual({ id: made?.id, outcome: 'added' })
  })
})

describe('middleware', () => {
  it('goes around every run, the first added outermost, and may change the result', async () => {
    await using sim = await simulate()
    const order: string[] = []
    for (const name of ['outer', 'inner'])
      sim.jobs.use(async (job, next) => {
        order.push(`${name} before ${job.task}`)
        const result = await next()
        order.push(`${name} after`)
        return `${name}(${String(result)})`
      })
    const work = task({
      name: 'work',
      handler: () => {
        order.push('handler')
        return 'result'
      },
    })
    const { id } = await sim.jobs.enqueue(work)
    sim.jobs.work([work])
    await sim.clock.settle()
    expect(order).toEqual(['outer before work', 'inner before work', 'handler', 'inner after', 'outer after'])
    expect((await sim.jobs.get(id))?.result).toBe('outer(inner(result))')
  })

  it('goes around runs of workers that are at work already', async () => {
    await using sim = await simulate()
    sim.jobs.work([quick])
    await sim.clock.settle()
    let ran = 0
    sim.jobs.use(async (_, next) => {
      ran++
      return await next()
    })
    await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    expect(ran).toBe(1)
  })

  it('fails the attempt by throwing, and can save it by catching', async () => {
    await using sim = await simulate()
    sim.jobs.use(async (job, next) => {
      if (job.task === 'quick') throw new Error('not today')
      return await next().catch(() => 'saved')
    })
    const bad = task({
      name: 'bad',
      handler: () => {
        throw new Error('no')
      },
    })
    const { id } = await sim.jobs.enqueue(quick, 'x')
    const other = await sim.jobs.enqueue(bad)
    sim.jobs.work([quick, bad])
    await sim.clock.settle()
    expect((await sim.row(id)).failures).toMatchObject([{ message: 'not today' }])
    expect(await sim.row(other.id)).toMatchObject({ state: 'completed', result: '"saved"' })
  })

  it('gets a rejection from next, also when the step inside throws at once', async () => {
    await using sim = await simulate()
    sim.jobs.use((_, next) => next().catch(() => 'saved'))
    sim.jobs.use(() => {
      throw new Error('at once')
    })
    const { id } = await sim.jobs.enqueue(quick, 'x')
    sim.jobs.work([quick])
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"saved"' })
  })

  it('is refused if it is no function', async () => {
    await using sim = await simulate()
    expect(() => sim.jobs.use({} as never)).toThrow('Expected `middleware` to be a function')
  })
})

describe.each(sources)('stop on the %s store', (source) => {
  it('claims nothing more and lets the runs end', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const work = quick.handle(handler)
    const worker = sim.jobs.work([work], { concurrency: 2 })
    const ids = await sim.jobs.enqueueMany([work.with('a'), work.with('b'), work.with('c')])
    await sim.clock.settle()
    const stopped = worker.stop()
    expect(worker.state).toBe('stopping')
    runs[0]?.end('first')
    await sim.clock.advance('20s')
    runs[1]?.end('second')
    await sim.clock.settle()
    expect(await stopped).toBe(true)
    expect(worker.state).toBe('idle')
    const rows = await Promise.all(ids.map(({ id }) => sim.row(id)))
    expect(rows.map(({ state, result, attempt }) => [state, result, attempt])).toEqual([
      ['completed', '"first"', 1],
      ['completed', '"second"', 1],
      ['pending', undefined, 0],
    ])
    expect(sim.clock.waiting).toBe(0)
  })

  it('tells the runs to stop when the grace is over, and gives them back with their attempt', async () => {
    await using sim = await simulate(source)
    const reasons: unknown[] = []
    const polite = quick.handle(
      (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(new Error('interrupted'))
          }),
        ),
    )
    const worker = sim.jobs.work([polite])
    const { id } = await sim.jobs.enqueue(polite, 'x')
    await sim.clock.settle()
    const stopped = worker.stop({ grace: '5s' })
    await sim.clock.advance(4_999)
    expect(reasons).toEqual([])
    await sim.clock.advance(1)
    expect(reasons).toEqual([new StoppedError()])
    expect(await stopped).toBe(false)
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 0, failures: [], runAt: T })
    expect(sim.of('released')).toMatchObject([{ job: { id } }])
  })

  it('keeps a success that comes after the signal', async () => {
    await using sim = await simulate(source)
    const saves = quick.handle(
      (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('saved'))),
    )
    const worker = sim.jobs.work([saves])
    const { id } = await sim.jobs.enqueue(saves, 'x')
    await sim.clock.settle()
    expect(await worker.stop({ grace: 0 })).toBe(false)
    expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"saved"', attempt: 1 })
  })

  it('gives up a handler that hangs after a second more, and nothing it does later counts', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const worker = sim.jobs.work([quick.handle(handler)])
    const { id } = await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    const stopped = worker.stop({ grace: '5s' })
    await sim.clock.advance(5_999)
    expect(worker.state).toBe('stopping')
    await sim.clock.advance(1)
    expect(await stopped).toBe(false)
    expect(worker.running).toBe(0)
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 0 })
    const { job, end } = runs[0]!
    job.log.info('from beyond')
    await expect(job.enqueue(quick, 'child')).rejects.toThrow(LeaseLostError)
    end('too late')
    await sim.clock.advance('1m')
    expect(await sim.jobs.logs(id)).toEqual([])
    expect(await sim.jobs.list()).toHaveLength(1)
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 0, result: undefined })
  })

  it('gives back at once what was claimed ahead', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const mixed = quick.handle(async (kind, job) => (kind === 'long' ? await handler(kind, job) : undefined))
    const worker = sim.jobs.work([mixed], { concurrency: 1 })
    await sim.jobs.enqueue(mixed, 'short')
    await sim.clock.settle()
    await sim.jobs.enqueueMany([mixed.with('long'), ...Array.from({ length: 20 }, () => mixed.with('short'))])
    await sim.clock.settle()
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 0, running: 21 })
    const stopped = worker.stop()
    await sim.clock.settle()
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 20, running: 1 })
    runs[0]?.end()
    expect(await stopped).toBe(true)
  })

  it('gives back what the store hands out while it stops', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const worker = sim.jobs.work([quick.handle(handler)])
    await sim.clock.settle()
    const answered = Promise.withResolvers<void>()
    sim.interfere(async ({ verb }, next) => {
      const answer = await next()
      if (verb === 'claim') await answered.promise
      return answer
    })
    const { id } = await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'running' })
    const stopped = worker.stop()
    await sim.clock.settle()
    answered.resolve()
    expect(await stopped).toBe(true)
    expect(runs).toEqual([])
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('resolves at once when idle, and twice', async () => {
    await using sim = await simulate(source)
    const worker = sim.jobs.work([quick])
    expect(await Promise.all([worker.stop(), worker.stop({ grace: 0 })])).toEqual([true, true])
    expect(await worker.stop()).toBe(true)
    expect(sim.clock.now()).toBe(T)
    expect(sim.clock.waiting).toBe(0)
  })

  it('is joined by a second call, whose shorter grace holds, and a third cannot lengthen it', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const worker = sim.jobs.work([quick.handle(handler)])
    await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    const first = worker.stop({ grace: '1h' })
    await sim.clock.advance('10s')
    const second = worker.stop({ grace: '5s' })
    const third = worker.stop({ grace: '30m' })
    await sim.clock.advance(4_999)
    expect(runs[0]?.job.signal.aborted).toBe(false)
    await sim.clock.advance(1)
    expect(runs[0]?.job.signal.aborted).toBe(true)
    await sim.clock.advance('1s')
    expect(await Promise.all([first, second, third])).toEqual([false, false, false])
  })

  it('starts again after a stop, as often as one likes', async () => {
    await using sim = await simulate(source)
    const worker = sim.jobs.work([quick])
    for (let n = 1; n <= 5; n++) {
      const { id } = await sim.jobs.enqueue(quick, 'x')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed' })
      const stopping = worker.stop()
      expect(() => worker.start()).toThrow('The worker is stopping. Await stop() before start()')
      await stopping
      const { id: waits } = await sim.jobs.enqueue(quick, 'y')
      await sim.clock.advance('1m')
      expect(await sim.row(waits)).toMatchObject({ state: 'pending' })
      expect(sim.clock.waiting).toBe(0)
      worker.start()
      worker.start()
      await sim.clock.settle()
      expect(sim.of('completed')).toHaveLength(2 * n)
    }
  })

  it('stores the log of its runs before it has stopped', async () => {
    await using sim = await simulate(source)
    const talks = quick.handle((_, job) => {
      for (let n = 0; n < 10; n++) job.log.info(`line ${n}`, { n })
    })
    const worker = sim.jobs.work([talks])
    const { id } = await sim.jobs.enqueue(talks, 'x')
    await sim.clock.settle()
    await worker.stop()
    expect(await sim.store.logs(id, 100)).toHaveLength(10)
  })

  it.each([
    ['fails', away],
    ['does not answer', never],
  ])('is bounded when the store %s', async (_, answer) => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const worker = sim.jobs.work([quick.handle(handler)])
    const { id } = await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    sim.interfere(answer)
    runs[0]?.end('done')
    await sim.clock.advance('1m')
    const asked = sim.calls.length
    let stopped = false
    void worker.stop({ grace: '5s' }).then(() => (stopped = true))
    await sim.clock.advance('16s')
    expect(stopped).toBe(true)
    expect(sim.calls.length - asked).toBeLessThan(20)
    sim.calls.length = 0
    await sim.clock.advance('10m')
    expect(sim.calls).toEqual([]) // what is stopped asks nothing more
    expect(await sim.row(id)).toMatchObject({ state: 'running' }) // left to its lease
  })

  it('is at the end of a block', async () => {
    await using sim = await simulate(source)
    {
      await using worker = sim.jobs.work([quick])
      await sim.jobs.enqueue(quick, 'x')
      await sim.clock.settle()
      expect(worker.state).toBe('working')
    }
    expect(sim.clock.waiting).toBe(0)
  })

  it('refuses a misspelt option and a bad grace', async () => {
    await using sim = await simulate(source)
    const worker = sim.jobs.work([quick])
    await expect(worker.stop({ grce: 1 } as object)).rejects.toThrow('Did you mean "grace"?')
    await expect(worker.stop({ grace: -1 })).rejects.toThrow('Expected `grace` to be a duration')
    expect(worker.state).toBe('working')
  })
})

describe.each(sources)('trouble with the %s store', (source) => {
  it('is told and tried again, later and later, without a hot loop', async () => {
    await using sim = await simulate(source)
    sim.jobs.work([quick], { upkeep: false })
    await sim.clock.settle()
    sim.interfere(({ verb }, next) => (verb === 'claim' ? away() : next()))
    const { id } = await sim.jobs.enqueue(quick, 'x')
    sim.calls.length = 0
    await sim.clock.advance('1m')
    expect(sim.count('claim')).toBeGreaterThan(10)
    expect(sim.count('claim')).toBeLessThan(25)
    expect(new Set(sim.of('error').map(({ during }) => during))).toEqual(new Set(['claiming and settling']))
    for (let n = 0; n < 50; n++) await sim.jobs.enqueue(quick, 'rings')
    await sim.clock.settle()
    expect(sim.count('claim')).toBeLessThan(25)
    sim.interfere()
    await sim.clock.advance('5s')
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(sim.of('completed')).toHaveLength(51)
  })

  it('loses no end of a run', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const ids = await sim.jobs.enqueueMany(Array.from({ length: 9 }, (_, n) => quick.with(`${n}`)))
    sim.jobs.work([quick.handle(handler)])
    await sim.clock.advance('1s')
    sim.interfere(away)
    for (const [n, run] of runs.entries()) {
      if (n % 3 === 0) run.end(n)
      if (n % 3 === 1) run.end(snooze('1h'))
      if (n % 3 === 2) run.fail(new UnrecoverableError('no'))
      await sim.clock.advance(300)
    }
    expect(sim.of('completed')).toEqual([])
    sim.interfere()
    await sim.clock.advance('6s')
    const rows = await Promise.all(ids.map(({ id }) => sim.row(id)))
    expect(rows.map(({ state, attempt }) => `${state} ${attempt}`)).toEqual(
      [1, 2, 3].flatMap(() => ['completed 1', 'pending 0', 'failed 1']),
    )
    expect(sim.of('lost')).toEqual([])
    expect([sim.of('completed').length, sim.of('snoozed').length, sim.of('failed').length]).toEqual([3, 3, 3])
  })

  it('that lasts longer than the leases ends the runs, and everything is settled after it', async () => {
    await using sim = await simulate(source)
    const aborted: unknown[] = []
    const work = task<string>({
      name: 'work',
      backoff: '1s',
      handler: (_, { signal, attempt }) =>
        attempt > 1
          ? 'done'
          : new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => {
                aborted.push(signal.reason)
                reject(new Error('stopped'))
              }),
            ),
    })
    const ids = await sim.jobs.enqueueMany(Array.from({ length: 5 }, () => work.with('x')))
    sim.jobs.work([work], { lease: '30s' })
    await sim.clock.advance('5s')
    sim.interfere(away)
    await sim.clock.advance(24_999)
    expect(aborted).toHaveLength(5)
    expect(aborted[0]).toBeInstanceOf(LeaseLostError)
    await sim.clock.advance('5m')
    sim.interfere()
    await sim.clock.advance('30s')
    const rows = await Promise.all(ids.map(({ id }) => sim.row(id)))
    expect(rows.map(({ state, attempt, failures }) => [state, attempt, failures.length])).toEqual(
      ids.map(() => ['completed', 2, 1]),
    )
  })

  it('in which an answer was lost repeats nothing that is stored', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(quick, 'x')
    let ran = 0
    sim.jobs.work([quick.handle(() => void ran++)])
    let lose = true
    sim.interfere(async ({ verb, args }, next) => {
      const answer = await next()
      if (!lose || verb !== 'claim' || (args[0] as { settle: unknown[] }).settle.length === 0) return answer
      lose = false
      return away()
    })
    await sim.clock.advance('1m')
    expect(ran).toBe(1)
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ completed: 1, running: 0, pending: 0 })
  })

  it('in which listening takes long leaves nothing to the polling that came before it', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const open = Promise.withResolvers<void>()
    sim.interfere(async ({ verb }, next) => {
      if (verb === 'listen') await open.promise
      return await next()
    })
    sim.jobs.work([quick.handle(handler)], { poll: '10m' })
    await sim.clock.settle()
    await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    expect(runs).toHaveLength(0)
    open.resolve()
    await sim.clock.settle()
    expect(runs).toHaveLength(1)
  })

  it('in which a row stays locked leaves its end for later, and tells of it in time', async () => {
    await using sim = await simulate(source)
    let locked = true
    sim.interfere(({ verb, args }, next) => {
      const [request] = args as readonly [ClaimRequest]
      if (!locked || verb !== 'claim' || request.settle?.length !== 1) return next()
      return { jobs: [], nextRunAt: undefined, settled: [{ ok: false, current: request.settle[0]?.before }] }
    })
    const { id } = await sim.jobs.enqueue(quick, 'x')
    sim.jobs.work([quick])
    await sim.clock.advance('900ms')
    expect(sim.of('error')).toEqual([])
    expect(sim.calls.filter(({ verb }) => verb === 'claim').length).toBeLessThan(25)
    await sim.clock.advance('10s')
    expect(sim.of('error')).toMatchObject([{ error: { message: expect.stringContaining(id) } }])
    locked = false
    await sim.clock.advance('50ms')
    expect(sim.of('completed')).toMatchObject([{ job: { id, attempt: 1 } }])
    expect(await sim.row(id)).toMatchObject({ state: 'completed' })
  })

  it('with its bells leaves the polling', async () => {
    await using sim = await simulate(source)
    sim.interfere(({ verb }, next) => (verb === 'listen' ? away() : next()))
    const worker = sim.jobs.work([quick])
    await sim.clock.settle()
    expect(sim.of('error')).toMatchObject([{ during: 'listening; polling goes on' }])
    await sim.jobs.enqueue(quick, 'x')
    await sim.clock.advance('5s')
    expect(sim.of('completed')).toHaveLength(1)
    expect(await worker.stop()).toBe(true)
  })
})

describe('close', () => {
  it('stops every worker within the grace, and can be called twice', async () => {
    await using sim = await simulate()
    const { runs, handler } = byHand<string>()
    const workers = [sim.jobs.work([quick.handle(handler)]), sim.jobs.work([quick.handle(handler)])]
    await sim.jobs.enqueue(quick, 'x')
    await sim.clock.settle()
    const closed = Promise.all([sim.jobs.close({ grace: '2s' }), sim.jobs.close()])
    await sim.clock.advance('3s')
    await closed
    expect(runs[0]?.job.signal.reason).toEqual(new StoppedError())
    expect(workers.map(({ state }) => state)).toEqual(['idle', 'idle'])
    expect(() => workers[0]?.start()).toThrow(UsageError)
    expect(() => sim.jobs.work([quick])).toThrow('These jobs are closed. Open them again')
    await expect(sim.jobs.enqueue(quick, 'x')).rejects.toThrow(UsageError)
    expect(sim.clock.waiting).toBe(0)
  })

  it('stores what was enqueued before it', async () => {
    const store = new SqliteStore({ file: ':memory:' })
    await using sim = await simulate('sqlite', store)
    const enqueued = sim.jobs.enqueue(quick, 'x')
    await sim.jobs.close()
    const { id } = await enqueued
    expect(await sim.row(id)).toMatchObject({ state: 'pending' })
  })

  it('also stops a worker that was stopped and started again', async () => {
    await using sim = await simulate()
    const worker = sim.jobs.work([quick])
    await worker.stop()
    worker.start()
    await sim.jobs.close()
    expect(worker.state).toBe('idle')
    expect(sim.clock.waiting).toBe(0)
  })
})

describe('a listener', () => {
  it('that throws harms nobody', async () => {
    await using sim = await simulate()
    sim.jobs.on('completed', () => {
      throw new Error('in the listener')
    })
    // oxlint-disable-next-line typescript/no-misused-promises -- what JavaScript lets people do
    sim.jobs.on('started', async () => await Promise.reject(new Error('later')))
    sim.jobs.work([quick])
    await sim.jobs.enqueueMany([quick.with('a'), quick.with('b')])
    await sim.clock.settle()
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ completed: 2 })
    expect(
      sim
        .of('error')
        .map(({ during }) => during)
        .toSorted(),
    ).toEqual([
      'a listener for "completed"',
      'a listener for "completed"',
      'a listener for "started"',
      'a listener for "started"',
    ])
  })

  it('hears one type, or all, until it is ended', async () => {
    await using sim = await simulate()
    const heard: string[] = []
    const end = sim.jobs.on('completed', ({ job }) => void heard.push(job.task))
    sim.jobs.work([quick])
    await sim.jobs.enqueue(quick, 'a')
    await sim.clock.settle()
    end()
    await sim.jobs.enqueue(quick, 'b')
    await sim.clock.settle()
    expect(heard).toEqual(['quick'])
    expect(sim.events.map(({ type }) => type)).toEqual([
      'enqueued',
      'started',
      'completed',
      'enqueued',
      'started',
      'completed',
    ])
    expect(() => sim.jobs.on('complete' as 'completed', () => undefined)).toThrow('Did you mean "completed"?')
  })
})

describe('complete in a transaction', () => {
  const newFile = (): string => {
    const dir = mkdtempSync(join(tmpdir(), 'jobferry-worker-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    return join(dir, 'jobs.db')
  }

  it('is refused once the lease is lost, and the effect rolls back', async () => {
    const file = newFile()
    await using sim = await simulate('sqlite', new SqliteStore({ file }))
    using db = new DatabaseSync(file)
    db.exec('create table effect (n)')
    const pay = task<number>({ name: 'pay', backoff: 0 })
    const errors: unknown[] = []
    const wakes = Promise.withResolvers<void>()
    const late = pay.handle(async (n, job) => {
      if (job.attempt === 1) await wakes.promise
      db.exec('begin immediate')
      try {
        db.prepare('insert into effect values (?)').run(n * 10 + job.attempt)
        job.complete(undefined, { tx: db })
        db.exec('commit')
      } catch (error) {
        db.exec('rollback')
        errors.push(error)
        throw error
      }
    })
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([late], { concurrency: 2 })
    await sim.clock.settle()
    sim.clock.set(T + 60_000)
    await sim.clock.advance('20s')
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 2 })
    wakes.resolve()
    await sim.clock.settle()
    expect(errors).toEqual([new LeaseLostError(id)])
    expect(db.prepare('select n from effect').all()).toMatchObject([{ n: 12 }])
    expect(sim.of('completed')).toHaveLength(1)
    expect(sim.of('lost')).toHaveLength(1)
  })

  it('beats a cancellation and a renewal that came in between', async () => {
    const file = newFile()
    await using sim = await simulate('sqlite', new SqliteStore({ file }))
    using db = new DatabaseSync(file)
    const go = Promise.withResolvers<void>()
    const pay = task<number>({
      name: 'pay',
      handler: async (_, job) => {
        await go.promise
        db.exec('begin immediate')
        job.complete('paid', { tx: db })
        db.exec('commit')
      },
    })
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([pay], { listen: false })
    await sim.clock.advance('15s')
    await sim.jobs.cancel(id)
    go.resolve()
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"paid"' })
    expect(sim.of('completed')).toHaveLength(1)
  })

  it('that rolled back tells why the attempt failed', async () => {
    const file = newFile()
    await using sim = await simulate('sqlite', new SqliteStore({ file }))
    using db = new DatabaseSync(file)
    const pay = task<number>({
      name: 'pay',
      handler: (_, job) => {
        db.exec('begin immediate')
        job.complete(undefined, { tx: db })
        db.exec('rollback')
      },
    })
    await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([pay])
    await sim.clock.settle()
    expect(String(sim.of('retrying')[0]?.error)).toContain('was not committed when its handler returned')
  })

  it('that rolled back, of a job that was lost meanwhile, is not told as completed', async () => {
    const file = newFile()
    await using sim = await simulate('sqlite', new SqliteStore({ file }))
    using db = new DatabaseSync(file)
    const go = Promise.withResolvers<void>()
    const pay = task<number>({ name: 'pay', backoff: '1h' })
    const rollsBack = pay.handle(async (_, job) => {
      db.exec('begin immediate')
      job.complete(undefined, { tx: db })
      db.exec('rollback')
      await go.promise
    })
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([rollsBack])
    await sim.clock.settle()
    sim.clock.set(T + 60_000)
    await sim.clock.advance('20s')
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 1 })
    go.resolve()
    await sim.clock.settle()
    expect([sim.of('completed').length, sim.of('lost').length]).toEqual([0, 1])
  })

  it('is unknown to a store without transactions', async () => {
    await using sim = await simulate('memory')
    const pay = task({ name: 'pay', maxAttempts: 1, handler: (_, job) => job.complete(1, { tx: {} as never }) })
    const { id } = await sim.jobs.enqueue(pay)
    sim.jobs.work([pay])
    await sim.clock.settle()
    expect((await sim.row(id)).failures).toMatchObject([{ name: 'UnsupportedError' }])
  })
})
