import { describe, expect, it } from 'vitest'

import { LeaseLostError, RetryError, task, UnrecoverableError } from '../../src/index.ts'
import { count, gate, heard, newProxy, next, nothingHeld, openQue, T } from './que-kit.ts'

/** What que-go's users have asked for. */
const mine = task<number | undefined>({ name: 'MyJob', backoff: '1s' })

const fail = (): never => {
  throw new Error('no')
}

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => mine.with(n))

describe('surpassing que-go: the end of a job', () => {
  it('Q37: gives up after the last attempt, and keeps the job as failed, to be looked at and tried again', async () => {
    const { jobs, clock } = await openQue()
    const { id } = await jobs.enqueue(mine, 1, { maxAttempts: 3 })
    const failed = heard(jobs, 'failed')
    jobs.work([mine.handle((_, job) => (job.attempt <= 3 ? fail() : 'at last'))])
    await clock.advance('10m')
    expect(failed).toMatchObject([{ job: { id, attempt: 3 } }])
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 3 })
    expect((await jobs.list({ state: 'failed' })).map((job) => job.id)).toEqual([id])
    await jobs.retry(id)
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 4, result: 'at last' })
  })

  it('Q46: waits by a rule of the task, of the job, of the error, or not at all', async () => {
    const { jobs, clock } = await openQue()
    const failures = [new Error('no'), new RetryError('busy', { delay: '7m' }), new UnrecoverableError('never')]
    const { id } = await jobs.enqueue(mine)
    const linear = await jobs.enqueue(mine, 1, { backoff: { type: 'linear', delay: '1h' } })
    const waits: number[] = []
    for (const failure of failures) {
      await (await jobs.lease())!.fail(failure)
      const { runAt } = (await jobs.get(id))!
      waits.push(runAt - clock.now())
      await clock.advance(Math.max(0, runAt - clock.now()))
      if (waits.length === 1) await (await jobs.lease({ tasks: [mine] }))!.fail(new Error('no'))
    }
    expect(waits.slice(0, 2)).toEqual([1_000, 420_000])
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 3 })
    expect(await jobs.get(linear.id)).toMatchObject({ state: 'pending', runAt: T + 1_000 + 3_600_000 })
  })

  it('Q47: keeps a finished job, its result and its history for as long as was asked', async () => {
    const { jobs, clock } = await openQue()
    const kept = task<number | undefined>({ name: 'MyJob', backoff: '1s', retention: { completed: '1h' } })
    const { id } = await jobs.enqueue(kept, 7)
    jobs.work([kept.handle((n = 0, job) => (job.attempt === 1 ? fail() : { twice: n * 2 }))])
    await clock.advance('1m')
    expect(await jobs.get(id)).toMatchObject({
      state: 'completed',
      payload: 7,
      result: { twice: 14 },
      failures: [{ attempt: 1, message: 'no' }],
      createdAt: T,
      startedAt: T + 1_000,
      finishedAt: T + 1_000,
      forgetAt: T + 1_000 + 3_600_000,
    })
    await clock.advance('1h')
    expect(await jobs.prune()).toBeLessThanOrEqual(1)
    expect(await jobs.get(id)).toBeUndefined()
  })
})

describe('surpassing que-go: enqueueing and looking', () => {
  it('Q38: answers with the id of the job', async () => {
    const { jobs } = await openQue()
    const { id, outcome } = await jobs.enqueue(mine, 1)
    expect(outcome).toBe('added')
    expect(await jobs.lease()).toMatchObject({ id })
  })

  it('Q39: adds any number at once, in order, all or none', async () => {
    const { jobs, column } = await openQue()
    const added = await jobs.enqueueMany(many(2_000))
    expect(await column('select id from @.job order by seq')).toEqual(added.map(({ id }) => id))
    await expect(jobs.enqueueMany([...many(10), mine.with(1n as never)])).rejects.toThrow('bigint')
    expect((await jobs.stats())[0]?.counts.pending).toBe(2_000)
  })

  it('Q45: counts what waits, runs and has ended, by queue and task, without a scan', async () => {
    const { jobs } = await openQue()
    const other = task({ name: 'other' })
    await jobs.enqueueMany([...many(3), other.with(), other.with({ queue: 'q' } as never, { queue: 'q', delay: '1h' })])
    await (await jobs.lease())?.complete()
    await (await jobs.lease({ tasks: [mine] }))?.fail(new UnrecoverableError('no'))
    await jobs.lease({ tasks: [other] })
    const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
    expect(await jobs.stats()).toMatchObject([
      {
        queue: 'default',
        counts: { ...none, pending: 1, running: 1, completed: 1, failed: 1 },
        tasks: {
          MyJob: { ...none, pending: 1, completed: 1, failed: 1 },
          other: { ...none, running: 1 },
        },
      },
      { queue: 'q', counts: { ...none, pending: 1 }, nextRunAt: T + 3_600_000 },
    ])
  })
})

describe('surpassing que-go: workers', () => {
  it('Q40: works several queues with one worker, the queues of higher rank first', async () => {
    const { jobs, clock } = await openQue()
    await jobs.configure('b', { priority: -1 })
    await jobs.enqueueMany(['a', 'b', 'c', 'b', 'a'].map((queue, n) => mine.with(n, { queue })))
    const order: unknown[] = []
    jobs.work([mine.handle((n) => void order.push(n))], { queues: ['a', 'b'], concurrency: 1 })
    await clock.settle()
    expect(order).toEqual([1, 3, 0, 4])
    expect((await jobs.list({ state: 'pending' })).map(({ queue }) => queue)).toEqual(['c'])
  })

  it('Q41: is woken for a job that another process has enqueued, and lets no time pass', async () => {
    const { jobs, another, clock } = await openQue()
    const elsewhere = await another()
    jobs.work([mine.handle((n) => n)], { poll: '10m' })
    await clock.settle()
    for (const n of [1, 2]) {
      const completed = next(jobs, 'completed')
      const { id } = await elsewhere.enqueue(mine, n)
      expect(await completed).toMatchObject({ job: { id } })
    }
    expect(clock.now()).toBe(T)
  })

  it('Q41: looks again once it has begun to listen: what was enqueued just before is not left to the poll', async () => {
    const [looked, mayListen] = [gate(), gate()]
    const { jobs, another } = await openQue({
      around: async ({ verb }, go) => {
        if (verb === 'listen') await mayListen.opened
        const answer = await go()
        if (verb === 'claim') looked.open()
        return answer
      },
    })
    const elsewhere = await another()
    const completed = next(jobs, 'completed')
    jobs.work([mine.handle((n) => n)], { poll: '10m' })
    await looked.opened
    const { id } = await elsewhere.enqueue(mine, 1)
    mayListen.open()
    expect(await completed).toMatchObject({ job: { id } })
  })

  it('Q42: tells a handler before its lease ends that it cannot be kept, and the end of that run changes nothing', async () => {
    const bench = await openQue()
    const { jobs, clock } = bench
    const proxy = await newProxy(bench.url)
    const cutOff = await bench.another({ url: proxy.url })
    const [started, end, told] = [next(cutOff, 'started'), gate(), gate<readonly unknown[]>()]
    cutOff.work([
      mine.handle(async (_, job) => {
        job.signal.addEventListener('abort', () => told.open([job.signal.reason, job.leaseUntil - clock.now()]))
        await end.opened
        return 'the first'
      }),
    ])
    const { id } = await jobs.enqueue(mine, 1)
    await started
    await proxy.refuse()
    await proxy.cut()
    await clock.advance('29s')
    const [reason, leftMs] = await told.opened
    expect(reason).toEqual(expect.any(LeaseLostError))
    expect(leftMs).toBeGreaterThan(0)
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 1 })

    const taken = next(jobs, 'started')
    const second = gate<string>()
    jobs.work([mine.handle(() => second.opened)])
    await clock.advance('5s')
    expect(await taken).toMatchObject({ job: { id, attempt: 2 } })
    const lost = next(cutOff, 'lost')
    end.open()
    await proxy.pass()
    await clock.advance('10s')
    expect(await lost).toMatchObject({ job: { id, attempt: 1 } })
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 2 })
    second.open('the second')
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2, result: 'the second' })
  })

  it('Q43: stops in time whatever its handlers do, and gives their jobs back unharmed', async () => {
    const { jobs, clock } = await openQue()
    const started = next(jobs, 'started')
    const worker = jobs.work([mine.handle(() => new Promise(() => undefined))])
    const { id } = await jobs.enqueue(mine, 1)
    await started
    expect(await clock.during(worker.stop({ grace: '2s' }))).toBe(false)
    expect(clock.now() - T).toBeLessThanOrEqual(3_500)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0, failures: [] })
    expect(await jobs.lease()).toMatchObject({ id, attempt: 1 })
  })

  it('Q44: passes jobs of unknown tasks by, and leaves them to a worker that knows them', async () => {
    const { jobs, another, clock } = await openQue()
    const later = task({ name: 'of the next release' })
    const { id } = await jobs.enqueue(later, undefined, { priority: -1 })
    await jobs.enqueueMany(many(3))
    jobs.work([mine.handle(() => undefined)], { concurrency: 1 })
    await clock.settle()
    expect((await jobs.stats())[0]?.tasks).toMatchObject({ MyJob: { completed: 3 }, [later.name]: { pending: 1 } })
    const newer = await another()
    const completed = next(newer, 'completed')
    newer.work([later.handle(() => undefined)])
    expect(await completed).toMatchObject({ job: { id, attempt: 1 } })
  })

  it('Q48: runs a hundred jobs at once on a handful of connections', async () => {
    const { jobs, clock, sessions, sessionsBecome } = await openQue()
    const end = gate()
    const worker = jobs.work([mine.handle(() => end.opened)], { concurrency: 100 })
    await jobs.enqueueMany(many(100))
    await clock.settle()
    expect(worker.running).toBe(100)
    await sessionsBecome(nothingHeld)
    expect((await sessions()).open).toBeLessThanOrEqual(6)
    const all = count(jobs, 'completed', 100)
    end.open()
    await all
  })
})
