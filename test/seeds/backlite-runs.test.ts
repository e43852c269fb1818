import { describe, expect, it } from 'vitest'

import { type Logger, RetryError, task, TimeoutError } from '../../src/index.ts'
import { expectEnqueued, expectNotEnqueued, openTesting } from '../../src/testing/index.ts'
import { gate, heard, openBench, T } from './kit.ts'

const work = task<{ n: number }>({ name: 'work', backoff: '1s', maxAttempts: 2 })

const fail = (): never => {
  throw new Error('no')
}

describe('backlite: what a handler runs with', () => {
  it('B47: tells a handler to stop once its time is over', async () => {
    const { jobs, clock } = await openBench()
    const told: unknown[] = []
    jobs.work([
      work.handle(
        (_, job) =>
          new Promise((_resolve, reject) =>
            job.signal.addEventListener('abort', () => {
              told.push([clock.now() - T, job.signal.reason])
              reject(new Error('stopped'))
            }),
          ),
      ),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 }, { timeout: '5s', maxAttempts: 1 })
    await clock.advance('1m')
    expect(told).toEqual([[5_000, expect.any(TimeoutError)]])
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', failures: [{ name: 'TimeoutError' }] })
  })

  it('B48: gives it the queue to enqueue with', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(async (_, job) => void (await job.jobs.enqueue(work, { n: 2 }, { delay: '1h' })))])
    await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(await jobs.list({ state: 'pending' })).toMatchObject([{ payload: { n: 2 } }])
  })

  it('B49: tells it to stop when the worker is stopped hard', async () => {
    const { jobs, clock } = await openBench()
    const told: unknown[] = []
    const worker = jobs.work([
      work.handle(
        (_, job) =>
          new Promise<void>((resolve) =>
            job.signal.addEventListener('abort', () => {
              told.push(job.signal.reason)
              resolve()
            }),
          ),
      ),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    await clock.during(worker.stop({ grace: 0 }))
    expect(told).toMatchObject([{ name: 'StoppedError' }])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed' }) // it came to its end all the same, and that counts
  })
})

describe('backlite: what is kept of a job', () => {
  it('B50: of a success: all that is known of it, with its payload and its end, for as long as was asked', async () => {
    const { jobs, clock } = await openBench()
    const ran = heard(jobs, 'completed')
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)])
    const { id } = await jobs.enqueue(work, { n: 7 }, { retention: { completed: '6h' } })
    await clock.advance(1_234)
    gates.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({
      id,
      queue: 'default',
      task: 'work',
      state: 'completed',
      attempt: 1,
      createdAt: T,
      startedAt: T,
      finishedAt: T + 1_234,
      forgetAt: T + 1_234 + 6 * 3_600_000,
      payload: { n: 7 },
      payloadKept: true,
      failures: [],
    })
    expect(ran).toMatchObject([{ job: { id }, ranMs: 1_234 }])
    await clock.advance('1d')
    expect(ran).toHaveLength(1)
  })

  it('B51: nothing, if nothing was to be kept', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(({ n }) => (n === 2 ? fail() : n))])
    const retention = { completed: false, failed: false, cancelled: false } as const
    for (const n of [1, 2]) await jobs.enqueue(work, { n }, { retention, maxAttempts: 1 })
    const cancelled = await jobs.enqueue(work, { n: 3 }, { retention, delay: '1h' })
    await jobs.cancel(cancelled.id)
    await clock.settle()
    expect(await jobs.list()).toEqual([])
    expect((await jobs.stats())[0]?.counts).toEqual({ pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 })
  })

  it('B52: no payload, if none was to be kept', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(({ n }) => (n === 2 ? fail() : n))])
    for (const n of [1, 2]) await jobs.enqueue(work, { n }, { retention: { payload: 'none' }, maxAttempts: 1 })
    await clock.settle()
    expect((await jobs.list({ order: 'oldest' })).map((job) => [job.state, job.payload, job.payloadKept])).toEqual([
      ['completed', undefined, false],
      ['failed', undefined, false],
    ])
  })

  it('B53: for ever, if asked to', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(() => 1)])
    const { id } = await jobs.enqueue(work, { n: 1 }, { retention: { completed: 'forever' } })
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ forgetAt: undefined })
    await clock.advance('1d')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed' })
  })

  it('B54: the payloads of failures alone, if asked to', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(({ n }) => (n === 2 ? fail() : n))])
    for (const n of [1, 2]) await jobs.enqueue(work, { n }, { retention: { payload: 'failed' }, maxAttempts: 1 })
    await clock.settle()
    expect((await jobs.list({ order: 'oldest' })).map((job) => [job.state, job.payload])).toEqual([
      ['completed', undefined],
      ['failed', { n: 2 }],
    ])
  })

  it('B55: failures alone, if asked to', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(({ n }) => (n === 2 ? fail() : n))])
    for (const n of [1, 2]) await jobs.enqueue(work, { n }, { retention: { completed: false }, maxAttempts: 1 })
    await clock.settle()
    expect((await jobs.list()).map((job) => [job.state, job.payload])).toEqual([['failed', { n: 2 }]])
  })

  it('B44: whatever is due to be forgotten, where nobody keeps the file up', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(() => 1)], { upkeep: false })
    const { id } = await jobs.enqueue(work, { n: 1 }, { retention: { completed: '1m' } })
    await clock.advance('1d')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed' })
    expect(await jobs.prune()).toBe(1)
  })

  it('B45: no longer than it was to be, within a minute', async () => {
    const { jobs, clock } = await openBench()
    const pruned = heard(jobs, 'pruned')
    jobs.work([work.handle(() => 1)])
    for (let n = 0; n < 3; n++) await jobs.enqueue(work, { n }, { retention: { completed: '10m' } })
    await clock.advance('9m')
    expect(await jobs.list()).toHaveLength(3)
    await clock.advance('2m')
    expect(await jobs.list()).toEqual([])
    expect(pruned).toEqual([{ type: 'pruned', count: 3 }])
  })

  it('B46: each for its own time, and those of for ever for ever', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([work.handle(() => 1)])
    for (const completed of ['5m', '10m', '1h', 'forever'] as const)
      await jobs.enqueue(work, { n: 1 }, { retention: { completed } })
    const left: number[] = []
    for (const passing of ['4m', '2m', '5m', '50m', '1d'] as const) {
      await clock.advance(passing)
      left.push((await jobs.list()).length)
    }
    expect(left).toEqual([4, 3, 2, 1, 1])
  })
})

describe('backlite: failing', () => {
  const thrown: readonly (readonly [string, unknown, object])[] = [
    ['an error', new TypeError('no'), { name: 'TypeError', message: 'no' }],
    ['text', 'no', { name: 'string', message: 'no' }],
    ['nothing', undefined, { name: 'undefined', message: 'undefined' }],
    ['null', null, { name: 'object', message: 'null' }],
    ['an object', { code: 7 }, { name: 'Object', message: '{"code":7}' }],
  ]

  it.each(thrown)(
    'B56: takes a handler that throws %s for failed, and tries again after the backoff',
    async (_, value, note) => {
      for (const handler of [
        () => {
          throw value as Error
        },
        () => Promise.reject(value),
      ]) {
        const { jobs, clock } = await openBench()
        const starts: number[] = []
        jobs.work([
          work.handle((_payload, job) => {
            starts.push(clock.now() - T)
            return job.attempt === 1 ? handler() : 'fine'
          }),
        ])
        const { id } = await jobs.enqueue(work, { n: 1 })
        await clock.settle()
        expect(await jobs.get(id)).toMatchObject({
          state: 'pending',
          startedAt: T,
          runAt: T + 1_000,
          failures: [{ attempt: 1, at: T, ...note }],
        })
        await clock.advance('2s')
        expect(starts).toEqual([0, 1_000])
        expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'fine' })
      }
    },
  )

  it('B57: counts the first failure of two, and has the job wait for the second', async () => {
    const { jobs, clock } = await openBench()
    const retrying = heard(jobs, 'retrying')
    jobs.work([work.handle(fail)])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 1, runAt: T + 1_000, leaseUntil: undefined })
    expect(retrying).toMatchObject([{ job: { id, attempt: 1 }, runAt: T + 1_000, error: { message: 'no' } }])
  })

  it('B58: has the job failed after the second, with its errors, its payload and its time', async () => {
    const { jobs, clock } = await openBench()
    const failed = heard(jobs, 'failed')
    jobs.work([work.handle(fail)])
    const { id } = await jobs.enqueue(work, { n: 7 }, { retention: { failed: '7d' } })
    await clock.advance('2s')
    expect(await jobs.get(id)).toMatchObject({
      state: 'failed',
      attempt: 2,
      payload: { n: 7 },
      startedAt: T + 1_000,
      finishedAt: T + 1_000,
      forgetAt: T + 1_000 + 7 * 86_400_000,
      failures: [{ message: 'no' }, { message: 'no' }],
    })
    await clock.advance('1d')
    expect(failed).toMatchObject([{ job: { id, attempt: 2 } }])
  })

  it('B65: lets a handler enqueue further jobs, which remember it', async () => {
    const { jobs, clock } = await openBench()
    const second = task<{ n: number }>({ name: 'second' })
    const seen: unknown[] = []
    jobs.work([
      work.handle(async ({ n }, job) => void (await job.enqueue(second, { n: n + 1 }))),
      second.handle(({ n }, job) => void seen.push([n, job.parent])),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(seen).toEqual([[2, id]])
    expect((await jobs.list({ parent: id })).map(({ task: name }) => name)).toEqual(['second'])
  })

  it('B66: writes a line for each run, with its attempt, how long it ran and what went wrong', async () => {
    const lines: unknown[] = []
    const note =
      (level: string) =>
      (message: string, facts?: object): void =>
        void lines.push([level, message, facts])
    const logger: Logger = { debug: () => undefined, info: note('info'), warn: note('warn'), error: note('error') }
    const { jobs, clock } = await openBench({ logger })
    const gates = gate()
    jobs.work([work.handle(({ n }) => (n === 2 ? fail() : gates.opened))])
    const good = await jobs.enqueue(work, { n: 1 })
    const bad = await jobs.enqueue(work, { n: 2 })
    await clock.settle()
    await clock.advance(500)
    gates.open()
    await clock.advance('1s')
    const facts = { task: 'work', queue: 'default', maxAttempts: 2 }
    const error = expect.objectContaining({ message: 'no' })
    expect(lines).toEqual([
      [
        'warn',
        'job attempt failed',
        { ...facts, id: bad.id, attempt: 1, ranMs: 0, error, runAt: '2026-01-01T00:00:01.000Z' },
      ],
      ['info', 'job completed', { ...facts, id: good.id, attempt: 1, ranMs: 500 }],
      ['error', 'job failed', { ...facts, id: bad.id, attempt: 2, ranMs: 0, error }],
    ])
  })

  it('B67: waits for the same time after each failure, if asked to', async () => {
    const { jobs, clock } = await openBench()
    const starts: number[] = []
    jobs.work([
      work.handle(() => {
        starts.push(clock.now() - T)
        throw new RetryError('no')
      }),
    ])
    await jobs.enqueue(work, { n: 1 }, { maxAttempts: 4, backoff: '7s' })
    await clock.advance('1m')
    expect(starts).toEqual([0, 7_000, 14_000, 21_000])
  })
})

describe('backlite: testing', () => {
  it('B69: brings what a test needs: jobs in memory, time that moves when told, and what was enqueued', async () => {
    await using testing = await openTesting()
    const mail = task<{ to: string }>({ name: 'mail' })
    const signUp = task<{ to: string }>({ name: 'sign-up' })
    const handled = signUp.handle(async ({ to }, job) => void (await job.enqueue(mail, { to }, { delay: '1h' })))
    await testing.jobs.enqueue(signUp, { to: 'a@b.c' })
    expect(await testing.drain([handled])).toMatchObject({ completed: 1, failed: 0 })
    await expectEnqueued(testing.jobs, mail, { payload: { to: 'a@b.c' } })
    await expectNotEnqueued(testing.jobs, signUp)
    const sent: string[] = []
    expect(await testing.drain([mail.handle(({ to }) => void sent.push(to))])).toMatchObject({ completed: 0 })
    await testing.clock.advance('1h')
    expect(await testing.drain([mail.handle(({ to }) => void sent.push(to))])).toMatchObject({ completed: 1 })
    expect(sent).toEqual(['a@b.c'])
  })
})
