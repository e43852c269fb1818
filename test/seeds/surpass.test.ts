import { describe, expect, it } from 'vitest'

import { ConflictError, RetryError, type RunningJob, task } from '../../src/index.ts'
import { expectEnqueued, openTesting } from '../../src/testing/index.ts'
import { gate, heard, openBench, openHandle, openThrough, T } from './kit.ts'

/** Where liteq and backlite fail: section 5 of reference/liteq-backlite.md, each point as a reproduction of their fault. */
const work = task<{ n: number }>({ name: 'work', backoff: '1s' })

const fail = (): never => {
  throw new Error('no')
}

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => work.with({ n }))

describe('what the seeds lose', () => {
  it('S1: stores how a run ended that ends while the worker is being stopped', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    let runs = 0
    const worker = jobs.work([
      work.handle(async () => {
        runs++
        await gates.opened
        return 'done'
      }),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    const stopping = worker.stop()
    await clock.settle()
    gates.open()
    expect(await clock.during(stopping)).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'done', attempt: 1 })
    worker.start()
    await clock.advance('1m')
    expect(runs).toBe(1)
  })

  it('S1: stores the success of a run that was told to stop and came to its end all the same', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([
      work.handle((_, job) => new Promise((resolve) => job.signal.addEventListener('abort', () => resolve('in time')))),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    await clock.during(worker.stop({ grace: 0 }))
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'in time', attempt: 1 })
  })

  it('S1: stores everything that has ended before it closes', async () => {
    const { jobs, clock, file } = await openBench()
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)], { concurrency: 20 })
    await jobs.enqueueMany(many(20))
    await clock.settle()
    const closing = jobs.close()
    gates.open()
    await clock.during(closing)
    const again = await openBench({ file })
    expect((await again.jobs.stats())[0]?.counts).toMatchObject({ completed: 20, running: 0, pending: 0 })
  })

  it('S2: notes every failure, however a handler fails, and the job is never stuck', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([
      work.handle(({ n }) => {
        if (n === 0) throw new Error('at once')
        if (n === 1) return Promise.reject(new Error('later'))
        if (n === 2) return Promise.reject(Object.create(null) as Error)
        if (n === 3) return { toJSON: fail }
        return (undefined as never as { x: number }).x
      }),
    ])
    const added = await jobs.enqueueMany(Array.from({ length: 5 }, (_, n) => work.with({ n }, { maxAttempts: 1 })))
    await clock.settle()
    for (const { id } of added) {
      const job = await jobs.get(id)
      expect(job).toMatchObject({ state: 'failed', leaseUntil: undefined })
      expect(job?.failures).toHaveLength(1)
    }
  })

  it('S5: counts the runs that killed their process, and gives up after the last', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 2 })
    jobs.work([task({ name: 'other', handler: () => undefined })]) // takes back what others have dropped
    for (const attempt of [1, 2]) {
      expect(await jobs.lease({ for: '1s' })).toMatchObject({ id, attempt }) // and its process dies
      await clock.advance('5s')
    }
    expect(await jobs.lease()).toBeUndefined()
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 2 })
  })

  it('S6: leaves jobs alone that this program does not know, and lives', async () => {
    const { jobs, clock } = await openBench()
    const errors = heard(jobs, 'error')
    await jobs.enqueueMany([task({ name: 'unknown' }).with(), work.with({ n: 1 })])
    jobs.work([work.handle(() => 1)])
    await clock.advance('10m')
    expect((await jobs.stats())[0]?.tasks).toMatchObject({ unknown: { pending: 1 }, work: { completed: 1 } })
    expect(errors).toEqual([])
    jobs.work([task({ name: 'unknown', handler: () => 1 })])
    await clock.settle()
    expect((await jobs.stats())[0]?.tasks).toMatchObject({ unknown: { completed: 1 } })
  })
})

describe('what the seeds do twice', () => {
  it('S3: lets nobody end a job that is not his any more', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 5 })
    const late = await jobs.lease({ for: '1s' })
    jobs.work([task({ name: 'other', handler: () => undefined })])
    await clock.advance('5s')
    const now = await jobs.lease()
    expect(now).toMatchObject({ id, attempt: 2 })
    expect(await late?.complete('late')).toBe(false)
    expect(await late?.fail(new Error('late'))).toBe(false)
    expect(await late?.extend('1h')).toBe(false)
    expect(await late?.release()).toBe(false)
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 2, failures: [{ attempt: 1 }] })
    expect(await now?.complete('now')).toBe(true)
    expect(await late?.fail(new Error('late'))).toBe(false)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'now' })
  })

  it('S3: keeps the lease of a run that takes longer than it', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    let runs = 0
    const long = work.handle(async () => {
      runs++
      await gates.opened
    })
    jobs.work([long], { lease: '2s' })
    jobs.work([long], { lease: '2s' })
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.advance('1m')
    expect(runs).toBe(1)
    gates.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  it('S3: takes no job ahead of its turn that it cannot begin soon: six of 1.5 s with a lease of 2 s run once each', async () => {
    const { jobs, clock } = await openBench()
    let runs = 0
    const slow = work.handle(async () => {
      runs++
      await new Promise<void>((resolve) => void clock.after(1_500, resolve))
    })
    jobs.work([slow], { concurrency: 1, lease: '2s' })
    jobs.work([slow], { concurrency: 1, lease: '2s' })
    await jobs.enqueueMany(many(6))
    await clock.settle()
    expect((await jobs.stats())[0]?.counts).toMatchObject({ running: 2, pending: 4 })
    await clock.advance('1m')
    expect(runs).toBe(6)
    expect((await jobs.list()).every(({ state, attempt }) => state === 'completed' && attempt === 1)).toBe(true)
  })

  it('S15: lets a failed run try again though another job holds its key by then', async () => {
    const { jobs, clock } = await openBench()
    const errors = heard(jobs, 'error')
    let runs = 0
    jobs.work([
      work.handle(async ({ n }, job) => {
        runs++
        if (n !== 1 || job.attempt > 1) return
        await jobs.enqueue(work, { n: 2 }, { unique: 'k', delay: '1h' })
        throw new Error('no')
      }),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 }, { unique: 'k', retention: { completed: 'forever' } })
    await clock.advance('2h')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2 })
    expect(runs).toBe(3)
    expect(errors).toEqual([])
  })

  it('S15: replaces nothing in another queue', async () => {
    const { jobs } = await openBench()
    await jobs.enqueue(work, { n: 1 }, { queue: 'a', unique: 'k' })
    const other = await jobs.enqueue(work, { n: 2 }, { queue: 'b', unique: { key: 'k', onConflict: 'replace' } })
    expect(other.outcome).toBe('added')
    expect((await jobs.list({ order: 'oldest' })).map(({ queue, payload }) => [queue, payload])).toEqual([
      ['a', { n: 1 }],
      ['b', { n: 2 }],
    ])
  })

  it('S15: holds a key until its job is claimed, until it has ended, or for a window, as asked', async () => {
    const { jobs, clock } = await openBench()
    const outcome = async (key: string, until: 'claimed' | 'settled' | '1m'): Promise<string> =>
      (await jobs.enqueue(work, { n: 1 }, { unique: { key, until } })).outcome
    for (const until of ['claimed', 'settled', '1m'] as const) expect(await outcome(until, until)).toBe('added')
    const held = await jobs.leaseMany({ limit: 3 })
    expect(await outcome('claimed', 'claimed')).toBe('added')
    expect(await outcome('settled', 'settled')).toBe('kept')
    expect(await outcome('1m', '1m')).toBe('kept')
    for (const one of held) await one.complete()
    expect(await outcome('settled', 'settled')).toBe('added')
    expect(await outcome('1m', '1m')).toBe('kept')
    await clock.advance('1m')
    expect(await outcome('1m', '1m')).toBe('added')
  })

  it('S15: says of each of many what has become of it, and adds none if one is refused', async () => {
    const { jobs } = await openBench()
    const first = await jobs.enqueue(work, { n: 1 }, { unique: 'a' })
    const replace = { unique: { key: 'a', onConflict: 'replace' } } as const
    expect(
      await jobs.enqueueMany([work.with({ n: 2 }), work.with({ n: 3 }, replace), work.with({ n: 4 }, { unique: 'a' })]),
    ).toEqual([
      { id: expect.any(String), outcome: 'added' },
      { id: first.id, outcome: 'replaced' },
      { id: first.id, outcome: 'kept' },
    ])
    const refused = [work.with({ n: 5 }), work.with({ n: 6 }, { unique: { key: 'a', onConflict: 'reject' } })]
    await expect(jobs.enqueueMany(refused)).rejects.toThrow(ConflictError)
    expect((await jobs.list()).map(({ payload }) => payload)).toEqual([{ n: 2 }, { n: 3 }])
  })

  it('S16: never runs two jobs of a concurrency key at once, over several workers', async () => {
    const { jobs, clock } = await openBench()
    let [now, most] = [0, 0]
    const handled = work.handle(async () => {
      most = Math.max(most, ++now)
      await new Promise<void>((resolve) => void clock.after(100, resolve))
      now--
    })
    for (let n = 0; n < 3; n++) jobs.work([handled], { concurrency: 5 })
    await jobs.enqueueMany(Array.from({ length: 20 }, (_, n) => work.with({ n }, { concurrencyKey: 'account 7' })))
    await clock.advance('1m')
    expect(most).toBe(1)
    expect((await jobs.stats())[0]?.counts.completed).toBe(20)
  })
})

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
    expect(failures[0]?.stack).toContain('surpass.test.ts')
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
