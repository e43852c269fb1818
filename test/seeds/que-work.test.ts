import { Pool } from 'pg'
import { describe, expect, inject, it, onTestFinished } from 'vitest'

import { task, UsageError } from '../../src/index.ts'
import { count, gate, heard, next, nothingHeld, openQue, T } from './que-kit.ts'

/** As que-go's: gone when it is done. */
const mine = task<number | undefined>({ name: 'MyJob', retention: { completed: false }, backoff: '4s' })
const long = { poll: '10m' } as const

describe('que-go: one job after the other', () => {
  it('Q24: says whether there was a job to work', async () => {
    const { jobs } = await openQue()
    const workOne = async (work: (payload: unknown) => unknown): Promise<boolean> => {
      const held = await jobs.lease()
      if (held === undefined) return false
      return await held.complete(work(held.payload))
    }
    const worked: unknown[] = []
    expect(await workOne((payload) => worked.push(payload))).toBe(false)
    await jobs.enqueue(mine, 7)
    expect(await workOne((payload) => worked.push(payload))).toBe(true)
    expect(await workOne((payload) => worked.push(payload))).toBe(false)
    expect(worked).toEqual([7])
  })

  it('Q25: removes a job whose handler has returned, and tells of it by its id and its task', async () => {
    const { jobs, column } = await openQue()
    const completed = next(jobs, 'completed')
    jobs.work([mine.handle(() => undefined)])
    const { id } = await jobs.enqueue(mine, 1)
    expect(await completed).toMatchObject({ type: 'completed', job: { id, task: 'MyJob', attempt: 1 }, ranMs: 0 })
    expect(await column('select count(*)::integer from @.job')).toEqual([0])
  })

  it('Q26: notes what a handler has thrown, once, and keeps the job for another attempt', async () => {
    const { jobs, clock, sessionsBecome } = await openQue()
    let runs = 0
    const retrying = next(jobs, 'retrying')
    jobs.work([
      mine.handle(() => {
        runs++
        throw new Error('the error msg')
      }),
    ])
    const { id } = await jobs.enqueue(mine, 1)
    expect(await retrying).toMatchObject({ job: { id }, runAt: T + 4_000 })
    await clock.settle()
    expect(runs).toBe(1)
    const failures = [{ attempt: 1, at: T, name: 'Error', message: 'the error msg' }]
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 1, failures })
    await sessionsBecome(nothingHeld)
  })

  it('Q27: notes a fault in a handler with a stack that names the handler and the worker, and goes on', async () => {
    const { jobs, clock } = await openQue()
    const handled = mine.handle(async (n) => {
      if (n === 2) return await Promise.reject('the panic msg')
      await Promise.resolve()
      return (undefined as never as { readonly of: number }).of
    })
    const other = task({ name: 'other', handler: () => 'worked' })
    jobs.work([handled, other])
    const [fault, thrown, after] = await jobs.enqueueMany([mine.with(1), mine.with(2), other.with()])
    await clock.settle()
    const [failure] = (await jobs.get(fault!.id))!.failures
    expect(failure).toMatchObject({ name: 'TypeError', message: expect.stringContaining(`reading 'of'`) })
    expect(failure?.stack).toContain('que-work.test.ts')
    expect(failure?.stack).toContain('runner.ts')
    expect((await jobs.get(thrown!.id))?.failures).toMatchObject([{ name: 'string', message: 'the panic msg' }])
    expect(await jobs.get(after!.id)).toMatchObject({ state: 'completed', result: 'worked' })
  })

  it('Q28: leaves a job alone whose task it does not know: no failure, no attempt, no connection', async () => {
    const { jobs, clock, sessionsBecome } = await openQue()
    const errors = heard(jobs, 'error')
    const { id } = await jobs.enqueue(mine, 1)
    jobs.work([task({ name: 'other', handler: () => undefined })])
    await clock.advance('10m')
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0, failures: [], runAt: T })
    expect(errors).toEqual([])
    await sessionsBecome(nothingHeld)
  })
})

describe('que-go: workers', () => {
  it('Q29: works until it is told to stop, waits for what runs, and can be told again', async () => {
    const { jobs, clock } = await openQue()
    const [started, end] = [next(jobs, 'started'), gate()]
    const worker = jobs.work([mine.handle(() => end.opened)])
    const { id } = await jobs.enqueue(mine, 1)
    await started
    let stopped = false
    const stopping = Promise.all([worker.stop(), worker.stop()]).finally(() => (stopped = true))
    await clock.advance('10s')
    expect([stopped, worker.state]).toEqual([false, 'stopping'])
    end.open()
    expect(await clock.during(stopping)).toEqual([true, true])
    expect(await worker.stop()).toBe(true)
    expect(await jobs.get(id)).toBeUndefined()
    await jobs.enqueue(mine, 2)
    await clock.advance('1h')
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 0 })
  })

  it('Q30: looks as often as it is told, five seconds by default, in the queues that it is told', async () => {
    for (const [options, everyMs] of [
      [{}, 5_000],
      [{ poll: '1.5s' }, 1_500],
      [{ poll: 250, queues: ['mine'] }, 250],
    ] as const) {
      const { jobs, clock } = await openQue()
      jobs.work([mine.handle(() => undefined)], { ...options, listen: false })
      await clock.settle()
      await jobs.enqueueMany([mine.with(1, { queue: 'mine' }), mine.with(2, { queue: 'another' })])
      await clock.advance(everyMs - 1)
      expect(await jobs.list()).toHaveLength(2)
      await clock.advance(1)
      expect((await jobs.list()).map(({ queue }) => queue)).toEqual('queues' in options ? ['another'] : [])
    }
  })

  it('Q30: refuses a time or a queue that makes no sense, rather than to go by something else', async () => {
    const { jobs } = await openQue()
    for (const options of [{ poll: 'soon' }, { poll: 0 }, { poll: 1.5e300 }, { queues: [1] }, { interval: 5 }])
      expect(() => jobs.work([mine.handle(() => undefined)], options as object)).toThrow(UsageError)
  })

  it('Q31: runs as many at a time as it has hands, and closing stops all workers side by side', async () => {
    const { jobs, clock } = await openQue()
    const end = gate()
    const workers = [4, 3].map((concurrency) => jobs.work([mine.handle(() => end.opened)], { concurrency }))
    await jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => mine.with(n)))
    await clock.settle()
    expect(workers.map(({ running }) => running)).toEqual([4, 3])
    const closing = jobs.close({ grace: '1m' })
    await clock.settle()
    expect(workers.map(({ state }) => state)).toEqual(['stopping', 'stopping'])
    end.open()
    await clock.during(closing)
    expect(workers.map(({ state }) => state)).toEqual(['idle', 'idle'])
  })

  it('Q31: can be closed before anything has been worked', async () => {
    const { jobs } = await openQue()
    await jobs.close()
    await jobs.close()
  })

  it('Q32: looks again at once as long as there is work, and lets no time pass', async () => {
    const { jobs, clock } = await openQue()
    jobs.work([mine.handle(() => undefined)], { concurrency: 1, ...long })
    await clock.settle()
    const all = count(jobs, 'completed', 50)
    await jobs.enqueueMany(Array.from({ length: 50 }, (_, n) => mine.with(n)))
    await all
    expect(clock.now()).toBe(T)
  })
})

describe('que-go: the pool of connections', () => {
  it('Q33: prepares its statements by itself on every connection, or on none where that is not wanted', async () => {
    for (const prepare of [true, false]) {
      const pool = new Pool({ connectionString: inject('postgres').url, max: 1 })
      onTestFinished(() => pool.end())
      const { jobs, schema } = await openQue({ pool, prepare })
      await jobs.enqueue(mine, 1)
      await (await jobs.lease())?.complete()
      const { rows } = await pool.query<{ name: string }>('select name from pg_prepared_statements')
      expect(rows.length > 0).toBe(prepare)
      expect(rows.every(({ name }) => name.startsWith(`${schema}.`))).toBe(true)
    }
  })

  it('Q34: needs one connection for any number of workers, whose handlers use it too', async () => {
    const { jobs, clock, sessionsBecome } = await openQue({ connections: 1, notify: false })
    let enqueued = 0
    const handled = mine.handle(async (n = 0, job) => {
      if (n >= 100) return
      await job.enqueue(mine, n + 100)
      if ((await jobs.get(job.id))?.state === 'running') enqueued++
    })
    for (let n = 0; n < 5; n++) jobs.work([handled], { concurrency: 20 })
    const all = count(jobs, 'completed', 200)
    await jobs.enqueueMany(Array.from({ length: 100 }, (_, n) => mine.with(n)))
    await all
    await clock.settle()
    expect(enqueued).toBe(100)
    await sessionsBecome({ open: 1, ...nothingHeld })
  })

  it('Q35: works many jobs of an empty handler in few exchanges, each once', async () => {
    let claims = 0
    const { jobs, clock, column } = await openQue({
      around: ({ verb }, go) => {
        if (verb === 'claim') claims++
        return go()
      },
    })
    const seen = new Set<unknown>()
    await jobs.enqueueMany(Array.from({ length: 1_000 }, (_, n) => mine.with(n)))
    const all = count(jobs, 'completed', 1_000)
    jobs.work([mine.handle((n) => void seen.add(n))], { concurrency: 100 })
    await all
    await clock.settle()
    expect(seen.size).toBe(1_000)
    expect(claims).toBeLessThan(40)
    expect(await column('select count(*)::integer from @.job')).toEqual([0])
  })
})
