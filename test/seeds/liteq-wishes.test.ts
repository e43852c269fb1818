import { deserialize, serialize } from 'node:v8'

import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { open, RetryError, type RunningJob, task } from '../../src/index.ts'
import { openOn } from '../sqlite/kit.ts'
import { gate, heard, newFile, openBench, openJobs, T } from './kit.ts'

const work = task<string>({ name: 'work', queue: 'q', backoff: 0 })

describe('liteq: who consumes, and what it is given', () => {
  it.each(Object.keys(openOn))('L36: runs on the driver %s', async (driver) => {
    const jobs = await openJobs(newFile(), openOn[driver])
    await jobs.enqueue(work, 'x', { unique: 'k' })
    const held = await jobs.lease()
    expect(held?.payload).toBe('x')
    expect(await held?.complete()).toBe(true)
  })

  it('L37: tells every handler of a worker to stop when the worker’s grace is over', async () => {
    const { jobs, clock } = await openBench()
    const reasons: unknown[] = []
    const worker = jobs.work([
      work.handle(
        (_, job) =>
          new Promise((_resolve, reject) =>
            job.signal.addEventListener('abort', () => {
              reasons.push(job.signal.reason)
              reject(job.signal.reason)
            }),
          ),
      ),
    ])
    await jobs.enqueueMany([work.with('a'), work.with('b')])
    await clock.settle()
    const stopping = worker.stop({ grace: '5s' })
    await clock.advance(4_999)
    expect(reasons).toEqual([])
    expect(await clock.during(stopping)).toBe(false)
    expect(reasons).toMatchObject([{ name: 'StoppedError' }, { name: 'StoppedError' }])
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 2, running: 0 })
    expect((await jobs.list()).map(({ attempt }) => attempt)).toEqual([0, 0]) // given back, nothing burnt
  })

  it('L38: takes only jobs of the queues it was told to work', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(() => undefined)], { queues: ['mine'] })
    await jobs.enqueue(work, 'x', { queue: 'mine' })
    await jobs.enqueue(work, 'y', { queue: 'theirs' })
    await clock.advance('1h')
    expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.pending])).toEqual([
      ['mine', 0],
      ['theirs', 1],
    ])
  })

  it('L39: takes first what has been due the longest', async () => {
    const { jobs } = await openBench()
    for (const ago of [50, 300, 100, 200]) await jobs.enqueue(work, `due ${ago}`, { runAt: T - ago * 1_000 })
    await jobs.enqueue(work, 'now')
    const held = await jobs.leaseMany({ limit: 5 })
    expect(held.map(({ payload }) => payload)).toEqual(['due 300', 'due 200', 'due 100', 'due 50', 'now'])
  })

  it('L40: gives the handler everything about its job', async () => {
    const { jobs, clock } = await openBench()
    const seen: Partial<RunningJob>[] = []
    const parent = task({
      name: 'parent',
      handler: (_, job) => job.enqueue(work, 'x', { maxAttempts: 3, priority: 2 }),
    })
    jobs.work([
      parent,
      work.handle((_, job) => {
        const { id, task: name, queue, priority, attempt, maxAttempts, errors, createdAt, runAt } = job
        seen.push({
          id,
          task: name,
          queue,
          priority,
          attempt,
          maxAttempts,
          errors,
          createdAt,
          runAt,
          parent: job.parent!,
        })
        if (attempt === 1) throw new Error('no')
      }),
    ])
    const { id } = await jobs.enqueue(parent)
    await clock.settle()
    const [child] = await jobs.list({ parent: id })
    const facts = { id: child!.id, task: 'work', queue: 'q', priority: 2, maxAttempts: 3, createdAt: T, parent: id }
    expect(seen).toMatchObject([
      { ...facts, attempt: 1, errors: [], runAt: T },
      { ...facts, attempt: 2, errors: [{ attempt: 1, message: 'no', at: T }], runAt: T },
    ])
  })
})

describe('liteq: what its users built on top', () => {
  it('L41: has typed tasks, in JSON checked by a schema or in any coding of bytes', async () => {
    const { jobs, clock } = await openBench()
    const typed = task({ name: 'typed', payload: z.object({ n: z.number(), at: z.coerce.date() }) })
    const coded = task<Uint8Array>({ name: 'coded' })
    const seen: unknown[] = []
    jobs.work([
      typed.handle(({ n, at }) => void seen.push([n, at])),
      coded.handle((bytes) => void seen.push(deserialize(bytes))),
    ])
    const map = new Map([[1n, new Set(['a'])]])
    await jobs.enqueue(typed, { n: 1, at: '2026-01-01' })
    await jobs.enqueue(coded, serialize(map))
    await clock.settle()
    expect(seen).toEqual([[1, new Date(T)], map])
  })

  it('L42: keeps binary payloads as they are', async () => {
    const { jobs } = await openBench()
    const bytes = Uint8Array.from({ length: 100_000 }, (_, n) => n % 256)
    await jobs.enqueue(task<Uint8Array>({ name: 'raw' }), bytes)
    expect((await jobs.lease())?.payload).toEqual(bytes)
  })

  it('L43: lets a handler’s error say when to try again', async () => {
    const { jobs, clock } = await openBench()
    const starts: number[] = []
    jobs.work([
      work.handle((_, job) => {
        starts.push(clock.now() - T)
        if (job.attempt === 1) throw new RetryError('rate limit', { delay: '500ms' })
      }),
    ])
    await jobs.enqueue(work, 'x')
    await clock.advance('1s')
    expect(starts).toEqual([0, 500])
  })

  it('L44: lets a handler’s error say how many attempts are left: none, or more', async () => {
    const { jobs, clock } = await openBench()
    const given = new Map([
      ['none', 0],
      ['more', 3],
    ])
    jobs.work([
      work.handle((payload, job) => {
        throw new RetryError('again', job.attempt === 1 ? { remaining: given.get(payload)! } : {})
      }),
    ])
    const none = await jobs.enqueue(work, 'none', { maxAttempts: 10 })
    const more = await jobs.enqueue(work, 'more', { maxAttempts: 1 })
    await clock.advance('1s')
    expect(await jobs.get(none.id)).toMatchObject({ state: 'failed', attempt: 1 })
    expect(await jobs.get(more.id)).toMatchObject({ state: 'failed', attempt: 4, maxAttempts: 4 })
  })

  it('L45: tells the handler what attempts are left, when the job was made and when it last failed', async () => {
    const { jobs, clock } = await openBench()
    const seen: unknown[] = []
    jobs.work([
      work.handle((_, job) => {
        seen.push([job.maxAttempts - job.attempt, job.createdAt - T, (job.errors.at(-1)?.at ?? T) - T])
        throw new RetryError('no', { delay: '1s' })
      }),
    ])
    await jobs.enqueue(work, 'x', { maxAttempts: 3 })
    await clock.advance('5s')
    expect(seen).toEqual([
      [2, 0, 0],
      [1, 0, 0],
      [0, 0, 1_000],
    ])
  })

  it('L46: gives jobs to a loop, one by one, to be ended by hand', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const loop = (async () => {
      for await (const held of jobs.leases({ queue: 'q', tasks: [work] })) {
        await held.complete(held.payload)
        if (held.payload === 'last') break
      }
      gates.open()
    })()
    await clock.settle()
    for (const text of ['first', 'second', 'last']) await jobs.enqueue(work, text)
    await clock.during(loop)
    await gates.opened
    expect((await jobs.list({ order: 'oldest' })).map(({ state, result }) => [state, result])).toEqual([
      ['completed', 'first'],
      ['completed', 'second'],
      ['completed', 'last'],
    ])
  })

  it('L47: is ready after one call with a path', async () => {
    const file = newFile()
    await using jobs = await open(`sqlite:${file}`, { logger: false })
    expect((await jobs.enqueue(work, 'x')).outcome).toBe('added')
  })

  it('L48: takes lengths of time with their unit, wherever it takes one', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'x', { delay: '1.5m', timeout: '2h', backoff: '250ms', maxAttempts: 7 })
    expect(await jobs.get(id)).toMatchObject({ runAt: T + 90_000, maxAttempts: 7 })
    await clock.advance('2m')
    const held = await jobs.lease({ for: '2m' })
    expect(held?.leaseUntil).toBe(T + 240_000)
    expect(await held?.extend('1h')).toBe(true)
    expect(held?.leaseUntil).toBe(T + 120_000 + 3_600_000)
    for (const delay of ['5', '5 minutes', 'soon', -1, Number.NaN] as never[])
      await expect(jobs.enqueue(work, 'x', { delay })).rejects.toThrow(/duration/)
  })

  it('L49: enqueues and works payloads of JSON and of bytes alike, many at once', async () => {
    const { jobs, clock } = await openBench()
    const json = task<{ n: number }>({ name: 'json' })
    const bytes = task<Uint8Array>({ name: 'bytes' })
    const completed = heard(jobs, 'completed')
    jobs.work([json.handle(({ n }) => n), bytes.handle((raw) => raw.length)], { concurrency: 50 })
    await jobs.enqueueMany(
      Array.from({ length: 500 }, (_, n) => [json.with({ n }), bytes.with(new Uint8Array(n))]).flat(),
    )
    await clock.settle()
    expect(completed).toHaveLength(1_000)
  })
})
