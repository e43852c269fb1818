import { describe, expect, it } from 'vitest'

import { settle } from '../../src/core/lifecycle.ts'
import { CancelledError, snooze, task, UnrecoverableError } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { millis } from './fixture.ts'
import { ForeignWorker } from './foreign.ts'
import { events, newSqlq } from './kit.ts'

describe('a worker', () => {
  it('runs what it enqueues, in order, and keeps the rows and their results, as sqlq does', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const greet = task<string>({ name: 'greet' })
    for (const name of ['ada', 'bob', 'cyd']) await jobs.enqueue(greet, name)
    expect(await sqlq.rows()).toMatchObject(
      ['ada', 'bob', 'cyd'].map((name) => ({
        parameters: `"${name}"`,
        priority: '10',
        max_retries: '1',
        queue: 'default',
      })),
    )
    const completed = events(jobs, 'completed', 3)
    const seen: string[] = []
    const worker = jobs.work([greet.handle((name) => `hello ${seen.push(name)}`)], { concurrency: 1 })
    await completed
    await worker.stop()
    expect(seen).toEqual(['ada', 'bob', 'cyd'])
    expect(await sqlq.rows()).toMatchObject(
      [1, 2, 3].map((n) => ({
        status: 'success',
        result: `"hello ${n}"`,
        attempt: '1',
        keepalive_interval: '30000000000',
      })),
    )
  })

  it('takes only jobs of the tasks that it has, whatever else waits in its queues', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const [mine, other] = [task<[]>({ name: 'mine' }), task<[]>({ name: 'go only' })]
    await jobs.enqueue(other, [])
    await jobs.enqueue(mine, [])
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([mine.handle(() => undefined)])
    await completed
    await worker.stop()
    expect((await sqlq.rows()).map(({ typename, status }) => [typename, status])).toEqual([
      ['go only', 'pending'],
      ['mine', 'success'],
    ])
  })

  it('takes by the queues’ priority, then the jobs’, then by age', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.configure('critical', { priority: 0 })
    const one = task<number>({ name: 'one' })
    await jobs.enqueueMany([
      one.with(5, { queue: 'default' }),
      one.with(4, { queue: 'default', priority: 3 }),
      one.with(2, { queue: 'critical' }),
      one.with(3, { queue: 'critical' }),
      one.with(1, { queue: 'critical', priority: -1 }),
    ])
    expect((await jobs.leaseMany({ limit: 9 })).map(({ payload }) => payload)).toEqual([1, 2, 3, 4, 5])
  })

  it('never has more of a queue running than its concurrency, which a free place lets go on at once', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.configure('narrow', { concurrency: 2 })
    const one = task<number>({ name: 'one', queue: 'narrow' })
    await jobs.enqueueMany(Array.from({ length: 6 }, (_, n) => one.with(n)))
    const first = await jobs.leaseMany({ limit: 9 })
    expect(first).toHaveLength(2)
    expect(await jobs.leaseMany({ limit: 9 })).toEqual([])
    const completed = events(jobs, 'completed', 4)
    const worker = jobs.work([one.handle(() => undefined)], { poll: '1h' })
    for (const held of first) await held.complete()
    await completed
    await worker.stop()
    expect(new Set((await sqlq.rows()).map(({ status }) => status))).toEqual(new Set(['success']))
  })

  it('treats a queue whose concurrency is 0 or less as sqlq does: nothing runs', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<[]>({ name: 'one' })
    await jobs.enqueue(one, [])
    for (const concurrency of ['0', '-1']) {
      await sqlq.client.query(`update sqlq.queues set concurrency = ${concurrency}`)
      expect(await jobs.leaseMany({ limit: 9 })).toEqual([])
      expect(await jobs.stats()).toMatchObject([{ queue: 'default', concurrency: 0 }])
    }
    await jobs.configure('default', { concurrency: null })
    expect(await jobs.leaseMany({ limit: 9 })).toHaveLength(1)
  })

  it('keeps its jobs alive by pings, beyond what their rows allow, and leaves the rows’ own keepalive behind', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs({ keepAlive: '200ms' })
    const slow = task<[]>({ name: 'slow' })
    const foreign = await ForeignWorker.start(sqlq.url, ['default'], ['none'])
    await jobs.enqueue(slow, [])
    expect(await sqlq.rows()).toMatchObject([{ keepalive_interval: '200000000' }])
    const finish = Promise.withResolvers<undefined>()
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([slow.handle(async () => await finish.promise)], { lease: '1s' })
    const first = await until('it runs', async () => {
      const [row] = await sqlq.rows()
      return row?.['status'] === 'running' ? row : undefined
    })
    expect(first).toMatchObject({ keepalive_interval: '1000000000', last_keepalive: first['started_at'] })
    await until('it has been pinged for longer than its lease', async () => {
      await foreign.reap()
      const [row] = await sqlq.rows()
      return millis(row?.['last_keepalive']) - millis(row?.['started_at']) > 1_000 ? true : undefined
    })
    finish.resolve(undefined)
    await completed
    await worker.stop()
    await foreign.end()
    expect(await sqlq.rows()).toMatchObject([{ status: 'success', attempt: '1', keepalive_interval: '200000000' }])
    expect(await sqlq.logs()).toEqual([])
  })

  it('cuts no keepalive short that a row has, since a Go worker may need it should ours die, whatever our own lease', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<[]>({ name: 'one' }), [])
    const held = await jobs.lease({ for: '1s' })
    const keepalive = async (): Promise<unknown> => (await sqlq.rows())[0]?.['keepalive_interval']
    expect(await keepalive()).toBe('30000000000')
    expect(await held?.extend('1h')).toBe(true)
    expect(await keepalive()).toBe('3600000000000')
    expect(await held?.extend('5s')).toBe(true)
    expect(await keepalive()).toBe('30000000000')
    const now = Date.now()
    const store = await sqlq.store()
    expect((await store.expired(now + 20_000, 9)).jobs).toEqual([])
    expect((await store.expired(now + 31_000, 9)).jobs).toHaveLength(1)
  })

  it('takes back no run of its own before the row says so, nor one that was renewed since it was found', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<[]>({ name: 'one', maxAttempts: 3 }), [])
    const T = Date.now()
    const [job] = (await store.claim({ tasks: undefined, limit: 1, lease: 'x', until: T + 1_000, now: T })).jobs
    expect(await store.expired(T + 2_000, 9)).toEqual({ jobs: [], nextAt: T + 30_000 })
    const { jobs: dead } = await store.expired(T + 30_000, 9)
    expect(dead).toEqual([job])
    await store.renew([{ id: job!.id, lease: 'x' }], T + 60_000, T + 29_999)
    const rescue = settle(dead[0]!, { kind: 'expired' }, store.rules, T + 30_000, 0)
    expect(await store.apply([rescue], T + 30_000)).toMatchObject([{ ok: false, current: { lease: 'x' } }])
    expect(await sqlq.rows()).toMatchObject([{ status: 'running' }])
  })

  it('takes back a job whose Go worker has died, notes it as sqlq does, and runs it if an attempt is left', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const foreign = await ForeignWorker.start(sqlq.url, ['default'], ['one'])
    const [last, more] = [await foreign.enqueue('default', 'one', 1), await foreign.enqueue('default', 'one', 2, 2)]
    await foreign.dequeue()
    await foreign.dequeue()
    await foreign.end()
    await sqlq.client.query(`update sqlq.jobs set last_keepalive = now() - interval '31 seconds'`)
    const one = task<number>({ name: 'one', backoff: 0 })
    const rescued = events(jobs, 'rescued', 2)
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([one.handle(() => undefined)], { poll: '50ms' })
    expect((await rescued).map(({ job, state }) => [job.id, state]).toSorted()).toEqual(
      [
        [last, 'failed'],
        [more, 'pending'],
      ].toSorted(),
    )
    await completed
    await worker.stop()
    expect((await sqlq.rows()).map(({ id, status, attempt }) => [id, status, attempt])).toEqual([
      [last, 'errored', '1'],
      [more, 'success', '2'],
    ])
    expect((await sqlq.logs()).map(({ level, message }) => `${level}: ${message}`).toSorted()).toEqual([
      'warn: job has timed out and is now marked as errored',
      'warn: job has timed out and is now marked as pending',
    ])
    expect((await jobs.get(last))?.failures).toMatchObject([{ attempt: 1, name: 'LeaseExpiredError' }])
  })

  it('loses a job that was reaped under its hands, and changes nothing of it, though it runs again elsewhere', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const foreign = await ForeignWorker.start(sqlq.url, ['default'], ['one'])
    // It is due by the server's clock, of which ours may be a millisecond behind.
    await foreign.enqueue('default', 'one', 1, 3)
    const held = await jobs.lease({ wait: '5s' })
    await sqlq.client.query(`update sqlq.jobs set last_keepalive = now() - interval '31 seconds'`)
    await foreign.reap()
    await foreign.dequeue()
    const before = await sqlq.rows()
    expect(before).toMatchObject([{ status: 'running', attempt: '2' }])
    expect([await held?.extend('1m'), await held?.complete(), await held?.fail(new Error('late'))]).toEqual([
      false,
      false,
      false,
    ])
    expect(await sqlq.rows()).toEqual(before)
    await foreign.end()
  })

  it('gives its jobs back when it stops, their attempt not used, where sqlq would fail them', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const slow = task<[]>({ name: 'slow' })
    await jobs.enqueue(slow, [])
    const started = events(jobs, 'started', 1)
    const worker = jobs.work([
      slow.handle(async (_, job) => {
        await new Promise((resolve) => job.signal.addEventListener('abort', resolve))
        throw job.signal.reason
      }),
    ])
    await started
    await worker.stop({ grace: 0 })
    expect(await sqlq.rows()).toMatchObject([{ status: 'pending', attempt: '0', completed_at: null }])
    expect(await sqlq.logs()).toEqual([])
  })

  it('puts off what snoozes, and runs what is due later when it is', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const later = task<[]>({ name: 'later' })
    const snoozed = events(jobs, 'snoozed', 1)
    await jobs.enqueue(later, [], { delay: '50ms' })
    const [row] = await sqlq.rows()
    expect(row).toMatchObject({ run_after: '50000000', last_queued_at: row?.['created_at'] })
    const worker = jobs.work([later.handle(() => snooze('2h'))])
    const [event] = await snoozed
    await worker.stop()
    const [after] = await sqlq.rows()
    expect(after).toMatchObject({ status: 'pending', attempt: '0' })
    expect(millis(after?.['last_queued_at']) + Number(after?.['run_after']) / 1e6).toBe(event?.runAt)
    expect(await jobs.list()).toMatchObject([{ runAt: event?.runAt }])
  })
})

describe('a failure', () => {
  it('waits as sqlq does, with as many attempts as the row says, and is noted in the log', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const foreign = await ForeignWorker.start(sqlq.url, [], [])
    const id = await foreign.enqueue('default', 'boom', { n: 1 }, 2)
    await foreign.end()
    const boom = task<{ n: number }>({ name: 'boom', maxAttempts: 9 }) // what it says is for those that it enqueues
    const retrying = events(jobs, 'retrying', 1)
    const worker = jobs.work([
      boom.handle(() => {
        throw new TypeError('no\nroute')
      }),
    ])
    const [event] = await retrying
    await worker.stop()
    const [row = {}] = await sqlq.rows()
    expect(row).toMatchObject({ status: 'pending', attempt: '1', max_retries: '2' })
    const waitMs = Number(row['run_after']) / 1e6
    expect(event?.runAt).toBe(millis(row['last_queued_at']) + waitMs)
    expect(waitMs).toBeGreaterThanOrEqual(11_000)
    expect(waitMs).toBeLessThanOrEqual(69_000)
    const [line, ...more] = await sqlq.logs()
    expect(more).toEqual([])
    expect(line).toMatchObject({ job: id, level: 'error' })
    expect(line?.['message']).toMatch(/^attempt 1 failed: TypeError: no\nroute\n\s+at /)
    expect((await jobs.get(id))?.failures).toEqual([
      {
        attempt: 1,
        at: millis(line?.['logged_at']),
        name: 'TypeError',
        message: 'no\nroute',
        stack: expect.stringMatching(/^TypeError: no\nroute\n\s+at /) as string,
      },
    ])
    await jobs.retry(id) // makes it due
    expect((await jobs.lease())?.errors).toHaveLength(1)
  })

  it('is for good after one attempt, unless the job or its task has asked for more; and can be retried by hand', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const [once, thrice] = [task<[]>({ name: 'once' }), task<[]>({ name: 'thrice', maxAttempts: 3, backoff: 0 })]
    const [first, second, third] = [
      await jobs.enqueue(once, []),
      await jobs.enqueue(thrice, []),
      await jobs.enqueue(thrice, [], { maxAttempts: 2 }),
    ]
    const failed = events(jobs, 'failed', 3)
    const boom = (): never => {
      throw new Error('boom')
    }
    const worker = jobs.work([once.handle(boom), thrice.handle(boom)])
    const attempts = new Map((await failed).map(({ job }) => [job.id, job.attempt]))
    await worker.stop()
    expect([first, second, third].map(({ id }) => attempts.get(id))).toEqual([1, 3, 2])
    expect(await sqlq.rows()).toMatchObject([
      { status: 'errored', attempt: '1', max_retries: '1' },
      { status: 'errored', attempt: '3', max_retries: '3' },
      { status: 'errored', attempt: '2', max_retries: '2' },
    ])
    expect((await jobs.get(second.id))?.failures.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    await jobs.retry(first.id)
    expect((await sqlq.rows())[0]).toMatchObject({ status: 'pending', max_retries: '2', completed_at: null })
    expect((await jobs.lease())?.attempt).toBe(2)
  })

  it('that can never succeed ends the job, the attempts of its row as they were', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const hopeless = task<[]>({ name: 'hopeless', maxAttempts: 5 })
    const failed = events(jobs, 'failed', 1)
    await jobs.enqueue(hopeless, [])
    const worker = jobs.work([
      hopeless.handle(() => {
        throw new UnrecoverableError('never')
      }),
    ])
    await failed
    await worker.stop()
    expect(await sqlq.rows()).toMatchObject([{ status: 'errored', attempt: '1', max_retries: '5' }])
  })
})

describe('a cancellation', () => {
  it('ends a job that waits at once', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<[]>({ name: 'one' })
    const [{ id }] = [await jobs.enqueue(one, []), await jobs.enqueue(one, [])]
    expect(await jobs.cancel(id)).toBe('cancelled')
    expect((await sqlq.rows()).map(({ status }) => status)).toEqual(['cancelled', 'pending'])
    expect(await jobs.cancel(id)).toBe('finished')
  })

  it.each(['by us', 'by a Go program'])('asked for %s, is heard by the handler with the next ping', async (by) => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const slow = task<[]>({ name: 'slow', maxAttempts: 3 })
    const started = events(jobs, 'started', 1)
    const cancelled = events(jobs, 'cancelled', 1)
    const reasons: unknown[] = []
    const { id } = await jobs.enqueue(slow, [])
    const worker = jobs.work(
      [
        slow.handle(async (_, job) => {
          await new Promise((resolve) => job.signal.addEventListener('abort', resolve))
          reasons.push(job.signal.reason)
          throw new Error('stopped half-way')
        }),
      ],
      { lease: '1s' },
    )
    await started
    if (by === 'by us') expect(await jobs.cancel(id)).toBe('requested')
    else await sqlq.client.query(`update sqlq.jobs set status = 'cancelling' where status = 'running'`)
    await cancelled
    await worker.stop()
    expect(reasons).toEqual([expect.any(CancelledError)])
    expect(await sqlq.rows()).toMatchObject([{ status: 'cancelled', attempt: '1' }])
  })

  it('is overtaken by a success, which sqlq would leave asked for for ever', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<[]>({ name: 'one' }), [])
    const held = await jobs.lease()
    await sqlq.client.query(`update sqlq.jobs set status = 'cancelling'`)
    expect(await held?.complete('done')).toBe(true)
    expect(await sqlq.rows()).toMatchObject([{ status: 'success', result: '"done"' }])
  })

  it('beats a failure, a snooze and a release of whoever had not heard of it', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueueMany([1, 2, 3].map(() => task<[]>({ name: 'one', maxAttempts: 9 }).with([])))
    const [a, b, c] = await jobs.leaseMany({ limit: 3 })
    await sqlq.client.query(`update sqlq.jobs set status = 'cancelling'`)
    expect([await a?.fail(new Error('x')), await b?.snooze('1h'), await c?.release()]).toEqual([true, true, true])
    expect((await sqlq.rows()).map(({ status }) => status)).toEqual(['cancelled', 'cancelled', 'cancelled'])
  })

  it('of a job whose worker is dead is carried out, ten seconds after its lease: a Go worker looks every three', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    const foreign = await ForeignWorker.start(sqlq.url, ['default'], ['one'])
    await foreign.enqueue('default', 'one', 1)
    await foreign.dequeue()
    await foreign.end()
    await sqlq.client.query(`update sqlq.jobs set status = 'cancelling', last_keepalive = '2026-11-21 12:00:00+00'`)
    const T = Date.parse('2026-11-21T12:00:00Z')
    expect((await store.expired(T + 39_999, 9)).jobs).toEqual([])
    expect(await store.expired(T + 39_999, 9)).toMatchObject({ nextAt: T + 40_000 })
    expect((await store.expired(T + 40_000, 9)).jobs).toMatchObject([{ state: 'running', cancel: 'cancelled' }])
    const jobs = await sqlq.jobs()
    const rescued = events(jobs, 'rescued', 1)
    const worker = jobs.work([task<[]>({ name: 'other' }).handle(() => undefined)])
    await rescued
    await worker.stop()
    expect(await sqlq.rows()).toMatchObject([{ status: 'cancelled' }])
  })

  it('of a job that never ran, which sqlq leaves in between for ever, shows as cancelled, and can be retried', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const { id } = await jobs.enqueue(task<[]>({ name: 'one' }), [])
    await sqlq.client.query(`update sqlq.jobs set status = 'cancelling'`)
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', attempt: 0 })
    expect((await jobs.report()).find(({ name }) => name === 'cancelling')).toMatchObject({ level: 'warn' })
    await jobs.retry(id)
    expect(await sqlq.rows()).toMatchObject([{ status: 'pending', completed_at: null }])
  })
})
