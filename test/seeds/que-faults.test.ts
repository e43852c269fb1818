import { Pool } from 'pg'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'

import { StateError, StoreError, task, UsageError } from '../../src/index.ts'
import { connect, count, gate, heard, newProxy, next, nothingHeld, openQue, type QueBench, T } from './que-kit.ts'

/** Where que-go fails: section 3.2 of the reference, each point as a reproduction of its fault. */
const mine = task<number | undefined>({ name: 'MyJob', backoff: '1s' })

const fail = (): never => {
  throw new Error('no')
}

describe('what que-go runs again and again', () => {
  it('F1: ends with the last attempt, five where nobody says, and is never run again', async () => {
    const { jobs, clock } = await openQue()
    let runs = 0
    jobs.work([mine.handle(() => (runs++, fail()))])
    const { id } = await jobs.enqueue(mine)
    await clock.advance('1h')
    expect(runs).toBe(5)
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 5 })
  })

  it('F2: lets nobody reschedule a job that runs, and runs it once', async () => {
    const { jobs, clock } = await openQue()
    const { runs, end } = atWork(jobs)
    const { id } = await jobs.enqueue(mine)
    await clock.settle()
    await expect(jobs.edit(id, { runAt: T + 1 })).rejects.toThrow(StateError)
    await expect(jobs.retry(id)).rejects.toThrow(StateError)
    await expect(jobs.delete(id)).rejects.toThrow(StateError)
    end.open()
    await clock.advance('1m')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(runs()).toBe(1)
  })

  it('F2: runs a job once whose row was rescheduled by hand while it ran: the lease counts, not the time', async () => {
    for (const change of ['run_at = run_at + 1000', 'run_at = 0, rev = rev + 1', 'max_attempts = 9, rev = rev + 7']) {
      const { jobs, clock, outside, schema } = await openQue()
      const { runs, end } = atWork(jobs)
      const { id } = await jobs.enqueue(mine)
      await clock.settle()
      await outside.query(`update ${schema}.job set ${change}`)
      end.open()
      await clock.advance('1m')
      expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
      expect(runs()).toBe(1)
    }
  })

  it('F3: fails a run that leaves its transaction aborted, undoes it, and hands out the connection clean', async () => {
    const { jobs, clock, column, outside, schema, sessionsBecome } = await openQue({ transactions: 1 })
    await outside.query(`create table ${schema}.effect (attempt integer)`)
    const completed = heard(jobs, 'completed')
    const retrying = next(jobs, 'retrying')
    let runs = 0
    jobs.work([
      mine.handle((_, job) =>
        job.transaction(async (tx) => {
          runs++
          await tx.query(`insert into ${schema}.effect values ($1)`, [job.attempt])
          if (job.attempt === 1) await tx.query('select 1 / 0').catch(() => undefined)
        }),
      ),
    ])
    const { id } = await jobs.enqueue(mine)
    expect(await retrying).toMatchObject({ error: { message: expect.stringContaining('aborted') }, runAt: T + 1_000 })
    await clock.settle()
    expect([runs, completed.length]).toEqual([1, 0])
    await sessionsBecome(nothingHeld)
    const done = next(jobs, 'completed')
    await clock.advance('1s')
    expect(await done).toMatchObject({ job: { id, attempt: 2 } })
    expect(await column('select attempt from @.effect')).toEqual([2])
  })

  it('F3: fails a run whose own client was left in an aborted transaction, and waits before the next', async () => {
    const { jobs, clock, url } = await openQue()
    const tx = await connect(url)
    let runs = 0
    const retrying = next(jobs, 'retrying')
    jobs.work([
      mine.handle(async (_, job) => {
        runs++
        await tx.query('begin')
        await tx.query('select 1 / 0').catch(() => undefined)
        await job.complete('done', { tx })
      }),
    ])
    const { id } = await jobs.enqueue(mine)
    expect(await retrying).toMatchObject({ job: { id }, error: expect.any(StoreError), runAt: T + 1_000 })
    await clock.settle()
    expect(runs).toBe(1)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 1, failures: [{ name: 'StoreError' }] })
  })

  it('F3: refuses to complete a job in a transaction that its handler has ended on its own', async () => {
    for (const ending of ['rollback', 'commit']) {
      const { jobs, clock } = await openQue()
      const retrying = next(jobs, 'retrying')
      jobs.work([mine.handle((_, job) => job.transaction(async (tx) => void (await tx.query(ending))))])
      const { id } = await jobs.enqueue(mine)
      expect(await retrying).toMatchObject({ job: { id }, error: expect.any(UsageError) })
      await clock.settle()
      expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 1 })
    }
  })

  it('F3: lets a transaction that has completed its job stay open for long: the leases of the others go on', async () => {
    const { jobs, clock, url } = await openQue()
    const tx = await connect(url)
    const [end, open] = [gate(), gate()]
    const [errors, rescued] = [heard(jobs, 'error'), heard(jobs, 'rescued')]
    const told: unknown[] = []
    jobs.work([
      mine.handle(async (n, job) => {
        job.signal.addEventListener('abort', () => told.push(job.signal.reason))
        if (n !== 1) return await end.opened
        await tx.query('begin')
        await job.complete('done', { tx })
        open.open()
        await end.opened
        await tx.query('commit')
        return undefined
      }),
    ])
    await jobs.enqueueMany([1, 2, 3].map((n) => mine.with(n)))
    await open.opened
    await clock.advance('2m')
    const all = count(jobs, 'completed', 3)
    end.open()
    await all
    expect([errors, rescued, told]).toEqual([[], [], []])
    expect((await jobs.list()).map(({ attempt, state }) => [attempt, state])).toEqual(
      [1, 2, 3].map(() => [1, 'completed']),
    )
  })

  it('F3: works on beside a transaction that a handler has left open, says so, and tries again once it is over', async () => {
    const { jobs, clock, url, sessionsBecome } = await openQue()
    const tx = await connect(url)
    const [left, errors] = [gate(), heard(jobs, 'error')]
    jobs.work([
      mine.handle(async (n, job) => {
        if (n !== 1 || job.attempt > 1) return
        await tx.query('begin')
        await job.complete('done', { tx })
        left.open()
      }),
    ])
    const { id } = await jobs.enqueue(mine, 1)
    await left.opened
    await jobs.enqueueMany([2, 3].map((n) => mine.with(n)))
    await clock.advance('2s')
    expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: 2, running: 1, pending: 0 })
    await sessionsBecome(nothingHeld)
    expect(errors).toMatchObject([{ error: { message: expect.stringContaining('still open') } }])
    await tx.query('rollback')
    await clock.advance('5s')
    const failures = [{ attempt: 1, message: expect.stringContaining('not committed') }]
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2, failures })
  })

  it('F4: keeps a failure whose words no database could keep, and waits before the next run', async () => {
    const { jobs, clock } = await openQue()
    let runs = 0
    const words = 'nul \0, half \ud800, é 𝄞'
    jobs.work([
      mine.handle(() => {
        runs++
        throw Object.assign(new Error(words), { name: 'Nul\0Error' })
      }),
    ])
    const { id } = await jobs.enqueue(mine)
    await clock.settle()
    expect(runs).toBe(1)
    expect(await jobs.get(id)).toMatchObject({
      state: 'pending',
      runAt: T + 1_000,
      failures: [{ attempt: 1, name: 'Nul\0Error', message: words }],
    })
  })
})

describe('what que-go does not notice', () => {
  it('F5: tells of a completion only when it is stored, and of a run whose job was lost as that', async () => {
    const { jobs, clock, outside, schema } = await openQue()
    const { end } = atWork(jobs)
    const [completed, lost] = [heard(jobs, 'completed'), heard(jobs, 'lost')]
    const { id } = await jobs.enqueue(mine)
    await clock.settle()
    await outside.query(`update ${schema}.job set lease = 'another', rev = rev + 1`)
    end.open()
    await clock.settle()
    expect(completed).toEqual([])
    expect(lost).toMatchObject([{ job: { id, attempt: 1 } }])
    expect(await jobs.get(id)).toMatchObject({ state: 'running' })
  })

  it('F6: keeps a job through the loss of every connection, and runs it once', async () => {
    const bench = await openQue()
    const { jobs, clock, another } = bench
    const { runs, end } = atWork(jobs)
    const { id } = await jobs.enqueue(mine)
    await clock.settle()
    const elsewhere = await another()
    elsewhere.work([mine.handle(fail)])
    await clock.settle()
    await terminateAll(bench)
    await clock.advance('1m')
    expect(runs()).toBe(1)
    end.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  it('F7: lets handlers use what connections there are, however few, without waiting for each other for ever', async () => {
    const { jobs, column, outside, schema } = await openQue({ connections: 1, transactions: 1 })
    await outside.query(`create table ${schema}.effect (n integer)`)
    const all = count(jobs, 'completed', 30)
    const child = task<number>({ name: 'child', handler: () => undefined })
    jobs.work(
      [
        mine.handle((n = 0, job) =>
          job.transaction(async (tx) => {
            await tx.query(`insert into ${schema}.effect values ($1)`, [n])
            await job.enqueue(child, n)
            await job.enqueue(child, n, { tx })
            expect(await jobs.get(job.id)).toMatchObject({ state: 'running' })
          }),
        ),
        child,
      ],
      { concurrency: 10 },
    )
    await jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => mine.with(n)))
    await all
    expect(await column('select count(*)::integer from @.effect')).toEqual([10])
  })

  it('F8: begins a delayed job at its very millisecond, however rarely it polls', async () => {
    const { jobs, clock } = await openQue()
    const begun: number[] = []
    jobs.work([mine.handle(() => void begun.push(clock.now()))], { poll: '10m', queues: ['mine'] })
    await jobs.enqueueMany([60_000, 90_001].map((delay) => mine.with(1, { delay, queue: 'mine' })))
    await clock.advance('5m')
    expect(begun).toEqual([T + 60_000, T + 90_001])
  })

  it('F9: has nothing to stop before it works, and stops in time though the server is away', async () => {
    const bench = await openQue()
    const proxy = await newProxy(bench.url)
    const { clock } = bench
    const jobs = await bench.another({ url: proxy.url })
    onTestFinished(() => proxy.pass())
    const started = next(jobs, 'started')
    const worker = jobs.work([mine.handle(() => new Promise(() => undefined))])
    expect(await worker.stop()).toBe(true)
    expect(await worker.stop()).toBe(true)
    worker.start()
    await bench.jobs.enqueue(mine)
    await started
    await proxy.refuse()
    await proxy.cut()
    const since = clock.now()
    expect(await clock.during(worker.stop({ grace: '2s' }))).toBe(false)
    expect(worker.state).toBe('idle')
    expect(clock.now() - since).toBeLessThanOrEqual(15_000)
  })
})

describe('what que-go does not give', () => {
  it('F10: keeps a long stack, as many as eight thousand characters', async () => {
    const { jobs, clock } = await openQue()
    const deep = (n: number): never => (n === 0 ? fail() : deep(n - 1))
    jobs.work([
      mine.handle(() => {
        const usual = Error.stackTraceLimit
        Error.stackTraceLimit = 100
        try {
          deep(60)
        } finally {
          Error.stackTraceLimit = usual
        }
      }),
    ])
    const { id } = await jobs.enqueue(mine)
    await clock.settle()
    const [failure] = (await jobs.get(id))!.failures
    expect(failure?.stack?.match(/at deep/g)).toHaveLength(61)
    expect(failure?.stack?.length).toBeGreaterThan(3_000)
  })

  it('F11: takes the transaction of a client of more than one maker', async () => {
    const { jobs, url } = await openQue()
    const pool = new Pool({ connectionString: url })
    onTestFinished(() => pool.end())
    const sql = postgres(url, { max: 1 })
    onTestFinished(() => sql.end())
    const [client, pooled] = [await connect(url), await pool.connect()]
    for (const [n, tx] of [client, pooled].entries()) {
      await tx.query('begin')
      await jobs.enqueue(mine, n, { tx })
      await tx.query('commit')
    }
    pooled.release()
    await sql.begin(async (tx) => void (await jobs.enqueue(mine, 2, { tx })))
    expect((await jobs.list({ order: 'oldest' })).map(({ payload }) => payload)).toEqual([0, 1, 2])
  })

  it('F12: gives an object to its handler as an object, and a list as a list', async () => {
    const { jobs, clock, another } = await openQue()
    const any = task<unknown>({ name: 'any' })
    const seen: unknown[] = []
    const elsewhere = await another()
    elsewhere.work([any.handle((payload) => void seen.push(payload))], { concurrency: 1 })
    const payloads = [{ a: 1, b: 2 }, [{ a: 1 }, 'b'], [], {}, 'a', 0, null, false]
    await jobs.enqueueMany(payloads.map((payload) => any.with(payload)))
    await clock.advance('5s')
    expect(seen).toEqual(payloads)
  })
})

/** A worker whose handler goes on until its gate is opened, and how often it was run. */
function atWork(jobs: QueBench['jobs']) {
  const end = gate()
  let runs = 0
  jobs.work([
    mine.handle(() => {
      runs++
      return end.opened
    }),
  ])
  return { end, runs: () => runs }
}

/** Ends every connection of the bench at the server, as an administrator or a failover does. */
async function terminateAll({ outside, schema }: QueBench): Promise<void> {
  await outside.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [schema])
}
