import { describe, expect, it } from 'vitest'

import { RetryError, type RunningJob, task } from '../../src/index.ts'
import { expectEnqueued, openTesting } from '../../src/testing/index.ts'
import { gate, heard, openBench, openHandle, openThrough, T } from './kit.ts'

/** Where liteq and backlite fail: section 5 of reference/liteq-backlite.md, each point as a reproduction of their fault. */
const work = task<{ n: number }>({ name: 'work', backoff: '1s' })

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => work.with({ n }))

describe('what the seeds keep waiting', () => {
  it('S4: takes a job back when its lease ends, though nothing else happens', async () => {
    const { jobs, clock, file } = await openBench()
    await jobs.enqueue(work, { n: 1 })
    await jobs.lease({ for: '2s' }) // by a process that dies
    const restarted = await openBench({ file })
    const starts: number[] = []
    restarted.jobs.work([work.handle(() => void starts.push(restarted.clock.now() - T))], { poll: '10m' })
    await restarted.clock.advance('10s')
    expect(starts).toEqual([3_000]) // 2 s of the lease, 1 s of the backoff
    await clock.settle()
  })

  it('S8: begins a job that is enqueued in the same turn of the event loop, without a poll', async () => {
    const { jobs, clock } = await openBench()
    const waited = heard(jobs, 'started')
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.settle()
    await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(waited).toMatchObject([{ waitedMs: 0 }])
  })

  it('S10: needs few exchanges with the store for many short jobs', async () => {
    let claims = 0
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      if (verb === 'claim') claims++
      return next()
    })
    jobs.work([work.handle(() => 1)], { concurrency: 10 })
    await jobs.enqueueMany(many(5_000))
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(5_000)
    expect(clock.now()).toBe(T) // no waiting in between: backlite sleeps a tenth of a second for every ten
    expect(claims).toBeLessThan(600)
  })

  it('S11: stops within its grace, whatever the handlers do, and twice at once is once', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([work.handle(() => new Promise(() => undefined))], { concurrency: 5 })
    await jobs.enqueueMany(many(5))
    await clock.settle()
    const [first, second] = [worker.stop({ grace: '10s' }), worker.stop({ grace: '2s' })]
    expect(await clock.during(Promise.all([first, second]))).toEqual([false, false])
    expect(clock.now() - T).toBeLessThanOrEqual(4_000)
    worker.start()
    await clock.settle()
    expect(worker.running).toBe(5)
  })

  it('S11: takes any number of enqueues while it is stopped', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([work.handle(() => 1)])
    await clock.during(worker.stop())
    for (let n = 0; n < 1_500; n++) await jobs.enqueue(work, { n })
    worker.start()
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(1_500)
  })

  it('S14: runs due jobs by priority and by time, delayed and retried ones in turn with the new', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, { n: 1 }, { delay: '10s' })
    await jobs.enqueue(work, { n: 2 }, { maxAttempts: 2, backoff: '15s' })
    await (await jobs.lease())?.fail(new Error('no'))
    await clock.advance('20s')
    await jobs.enqueue(work, { n: 3 })
    await jobs.enqueue(work, { n: 4 }, { priority: -1 })
    await jobs.enqueue(work, { n: 5 }, { priority: 1 })
    const held = await jobs.leaseMany({ limit: 10 })
    expect(held.map(({ payload }) => (payload as { n: number }).n)).toEqual([4, 1, 2, 3, 5])
  })

  it('S14: lets no stream of new jobs starve one that fell due before them', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, { n: -1 }, { delay: '1s' })
    await clock.advance('2s')
    await jobs.enqueueMany(many(1_000))
    expect((await jobs.lease())?.payload).toEqual({ n: -1 })
  })

  it('S14: lets no slow queue take every hand, where its concurrency is limited', async () => {
    const { jobs, clock } = await openBench()
    await jobs.configure('slow', { concurrency: 2 })
    const slow = task<{ n: number }>({ name: 'slow', queue: 'slow' })
    const gates = gate()
    const worker = jobs.work([slow.handle(() => gates.opened), work.handle(() => 1)], { concurrency: 5 })
    await jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => slow.with({ n })))
    await jobs.enqueueMany(many(10))
    await clock.settle()
    expect(worker.running).toBe(2)
    expect((await jobs.stats()).find(({ queue }) => queue === 'default')?.counts.completed).toBe(10)
    gates.open()
    await clock.settle()
    expect((await jobs.stats()).find(({ queue }) => queue === 'slow')?.counts.completed).toBe(10)
  })

  it('S12: waits longer after each failure, with some chance in it, and knows milliseconds', async () => {
    const { jobs, clock } = await openBench()
    const starts: number[] = []
    jobs.work([
      work.handle(() => {
        starts.push(clock.now() - T)
        throw new Error('no')
      }),
    ])
    await jobs.enqueue(
      work,
      { n: 1 },
      {
        maxAttempts: 5,
        backoff: { type: 'exponential', delay: '1s', max: '5s', jitter: 0.5 },
      },
    )
    await clock.advance('1m')
    const waits = starts.slice(1).map((at, i) => at - starts[i]!)
    for (const [i, longest] of [1_000, 2_000, 4_000, 5_000].entries()) {
      expect(waits[i]).toBeGreaterThan(longest / 2)
      expect(waits[i]).toBeLessThanOrEqual(longest)
    }
    expect(waits.some((ms) => ms % 1_000 !== 0)).toBe(true)
  })

  it('S12: takes the policy of one job before that of its task, and the word of its error before both', async () => {
    const { jobs, clock } = await openBench()
    const starts: [number, number][] = []
    jobs.work([
      work.handle(({ n }, job) => {
        starts.push([n, clock.now() - T])
        throw n === 3 && job.attempt === 1 ? new RetryError('no', { delay: '3s' }) : new Error('no')
      }),
    ])
    await jobs.enqueue(work, { n: 1 }, { maxAttempts: 2 })
    await jobs.enqueue(work, { n: 2 }, { maxAttempts: 2, backoff: '2s' })
    await jobs.enqueue(work, { n: 3 }, { maxAttempts: 2, backoff: '2s' })
    await clock.advance('1m')
    expect(starts.slice(3)).toEqual([
      [1, 1_000],
      [2, 2_000],
      [3, 3_000],
    ])
  })
})

describe('what the seeds do not tell', () => {
  it('S13: keeps every error of a job with its attempt, its time and its stack', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([
      work.handle((_, job) => {
        throw new TypeError(`attempt ${job.attempt}`, { cause: new Error('the reason') })
      }),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 3 })
    await clock.advance('1m')
    const failures = (await jobs.get(id))!.failures
    expect(failures.map(({ attempt, at, name, message }) => [attempt, at - T, name, message])).toEqual([
      [1, 0, 'TypeError', 'attempt 1'],
      [2, 1_000, 'TypeError', 'attempt 2'],
      [3, 2_000, 'TypeError', 'attempt 3'],
    ])
    expect(failures[0]?.stack).toContain('surpass-waiting.test.ts')
    expect(failures[0]?.stack).toContain('Caused by: Error: the reason')
  })

  it('S18: answers what became of a job, waits for it, and cancels, retries, edits and deletes', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(({ n }) => ({ twice: n * 2 }))])
    const { id } = await jobs.enqueue(work, { n: 21 })
    expect(await clock.during(jobs.wait(id))).toMatchObject({ state: 'completed', result: { twice: 42 } })
    const later = await jobs.enqueue(work, { n: 1 }, { delay: '1h' })
    expect(await jobs.edit(later.id, { payload: { n: 2 }, priority: 5 })).toMatchObject({
      payload: { n: 2 },
      priority: 5,
    })
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 1, completed: 1 })
    expect(await jobs.cancel(later.id, 'not wanted')).toBe('cancelled')
    expect(await jobs.get(later.id)).toMatchObject({ state: 'cancelled', cancel: 'not wanted' })
    await jobs.retry(later.id)
    expect(await clock.during(jobs.wait(later.id))).toMatchObject({ state: 'completed', result: { twice: 4 } })
    expect(await jobs.delete(id)).toBe(true)
    expect(await jobs.list()).toHaveLength(1)
  })

  it('S18: tells a running handler that its job was cancelled', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([
      work.handle(
        (_, job) =>
          new Promise((_resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
      ),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(await jobs.cancel(id, 'changed my mind')).toBe('requested')
    expect(await clock.during(jobs.wait(id))).toMatchObject({ state: 'cancelled', cancel: 'changed my mind' })
  })

  it('S19: enqueues with the caller’s commit, and needs no notifying afterwards', async () => {
    const { jobs, file } = await openBench()
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    const db = openHandle(file)
    const completed = new Promise((resolve) => jobs.on('completed', resolve))
    db.exec('begin')
    jobs.enqueue(work, { n: 1 }, { tx: db })
    db.exec('commit')
    await completed
  })

  it('S20: keeps jobs of each final state for its own time, and forgets them in batches, from the start on', async () => {
    const { jobs, clock, file } = await openBench()
    const retention = { completed: '1m', failed: '2m', cancelled: '3m' } as const
    for (let n = 0; n < 1_200; n++) await jobs.enqueue(work, { n }, { retention, maxAttempts: 1 })
    for (const [i, held] of (await jobs.leaseMany({ limit: 1_200 })).entries())
      await (i % 3 === 0 ? held.complete() : i % 3 === 1 ? held.fail(new Error('no')) : held.cancel())
    await clock.during(jobs.close())
    const later = await openBench({ file })
    const left: number[] = []
    for (const minutes of [0, 1, 2, 3]) {
      later.clock.set(T + minutes * 60_000)
      const worker = later.jobs.work([work.handle(() => 1)]) // prunes as soon as it starts
      await later.clock.settle()
      await later.clock.during(worker.stop())
      left.push(
        (await later.jobs.stats())[0]!.counts.completed +
          (await later.jobs.stats())[0]!.counts.failed +
          (await later.jobs.stats())[0]!.counts.cancelled,
      )
    }
    expect(left).toEqual([1_200, 800, 400, 0])
  })

  it('S23: tells everything that happens as events, and lets middleware stand around every run', async () => {
    const { jobs, clock } = await openBench()
    const told: string[] = []
    jobs.on('*', (event) => told.push(event.type))
    jobs.use(async (job, next) => {
      told.push(`before ${job.attempt}`)
      const result = await next()
      told.push('after')
      return result
    })
    jobs.work([
      work.handle((_, job) => {
        if (job.attempt === 1) throw new Error('no')
      }),
    ])
    await jobs.enqueue(work, { n: 1 })
    await clock.advance('2s')
    expect(told).toEqual(['enqueued', 'started', 'before 1', 'retrying', 'started', 'before 2', 'after', 'completed'])
  })

  it('S24: tells the handler its id, its attempt, how many there are, and when to stop', async () => {
    const { jobs, clock } = await openBench()
    const seen: Pick<RunningJob, 'id' | 'attempt' | 'maxAttempts' | 'signal'>[] = []
    jobs.work([
      work.handle((_, { id, attempt, maxAttempts, signal }) => void seen.push({ id, attempt, maxAttempts, signal })),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 3 })
    await clock.settle()
    expect(seen).toEqual([{ id, attempt: 1, maxAttempts: 3, signal: expect.any(AbortSignal) }])
    expect(seen[0]?.signal.aborted).toBe(false)
  })

  it('S25: lets a test decide what time it is, so that a week of retries takes no time', async () => {
    await using testing = await openTesting()
    const flaky = work.handle((_, job) => {
      if (job.attempt < 8) throw new Error('no')
      return job.attempt
    })
    const { id } = await testing.jobs.enqueue(work, { n: 1 }, { maxAttempts: 10, backoff: '1d' })
    await expectEnqueued(testing.jobs, work, { payload: { n: 1 } })
    expect(await testing.drain([flaky], { later: true })).toMatchObject({ retrying: 7, completed: 1 })
    expect(testing.clock.now()).toBeGreaterThanOrEqual(T + 7 * 86_400_000)
    expect(await testing.jobs.get(id)).toMatchObject({ state: 'completed', result: 8 })
  })
})
