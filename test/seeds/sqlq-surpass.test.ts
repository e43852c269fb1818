import { Pool } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { StoreError, task } from '../../src/index.ts'
import { connect, gate, heard, newProxy, newSchema, next, openPostgresBench, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => work.with(n))

describe('sqlq: where it fails its users', () => {
  it('S47: runs a job of ten minutes once on a lease of thirty seconds, with other workers looking on', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const gates = gate()
    let runs = 0
    const long = work.handle(async () => {
      runs++
      await gates.opened
      return 'done'
    })
    const elsewhere = await another()
    for (const one of [jobs, elsewhere]) one.work([long], { poll: '20s' })
    const { id } = await jobs.enqueue(work, 1)
    await clock.advance('10m')
    gates.open()
    await clock.settle()
    expect(runs).toBe(1)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, result: 'done' })
  })

  it('S48: keeps every error of a job: its attempt, its time, its name, its text, its stack and its cause', async () => {
    const { jobs, clock } = await openPostgresBench()
    jobs.work([
      work.handle((_, job) => {
        throw new TypeError(`attempt ${job.attempt}`, { cause: new Error('the reason') })
      }),
    ])
    const { id } = await jobs.enqueue(work, 1, { maxAttempts: 2, backoff: '1s' })
    await clock.advance('1s')
    await clock.settle()
    const job = await jobs.get(id)
    expect(job).toMatchObject({
      state: 'failed',
      failures: [
        { attempt: 1, at: T, name: 'TypeError', message: 'attempt 1' },
        { attempt: 2, at: T + 1_000, name: 'TypeError', message: 'attempt 2' },
      ],
    })
    expect(job?.failures[1]?.stack).toContain('sqlq-surpass.test.ts')
    expect(job?.failures[1]?.stack).toContain('Caused by: Error: the reason')
  })

  it('S49: forgets what has been kept for its time, with its log, by itself', async () => {
    const { jobs, clock, schema } = await openPostgresBench()
    const retention = { completed: '5m', failed: '10m' } as const
    const handled = work.handle((n, job) => {
      job.log.info('here')
      if (n % 2 === 0) throw new Error('no')
    })
    jobs.work([handled], { poll: '20s' })
    await jobs.enqueueMany(Array.from({ length: 6 }, (_, n) => work.with(n, { retention, maxAttempts: 1 })))
    const left: number[] = []
    for (const minutes of [4, 3, 5]) {
      await clock.advance(`${minutes}m`)
      left.push((await jobs.list()).length)
    }
    expect(left).toEqual([6, 3, 0])
    const client = await connect()
    expect((await client.query(`select from ${schema}.job union all select from ${schema}.log`)).rowCount).toBe(0)
  })

  it('S50: wakes an idle worker of another connection at once, also when a transaction is committed', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    jobs.work([work.handle((n) => n)], { poll: '10m' })
    await clock.settle()
    const elsewhere = await another()
    const first = next(jobs, 'completed')
    const { id } = await elsewhere.enqueue(work, 1)
    expect((await first).job.id).toBe(id)
    const client = await connect()
    await client.query('begin')
    const inTransaction = await elsewhere.enqueue(work, 2, { tx: client })
    const second = next(jobs, 'completed')
    await client.query('commit')
    expect((await second).job.id).toBe(inTransaction.id)
    expect(clock.now()).toBe(T)
  })

  it('S51: refuses the end of a run whose job was taken back, while the next run goes on, and counts only the latter', async () => {
    let away = false
    const { jobs, clock, another } = await openPostgresBench({
      around: (_, go) => {
        if (away) throw new StoreError('cut off', { retryable: true })
        return go()
      },
    })
    const elsewhere = await another()
    const lost = heard(jobs, 'lost')
    const [first, second] = [gate(), gate()]
    jobs.work([
      work.handle(async () => {
        await first.opened
        return 'late'
      }),
    ])
    const { id } = await jobs.enqueue(work, 1, { backoff: 0 })
    await clock.settle()
    away = true
    elsewhere.work([
      work.handle(async () => {
        await second.opened
        return 'in time'
      }),
    ])
    await clock.advance('35s')
    away = false
    expect(await elsewhere.get(id)).toMatchObject({ state: 'running', attempt: 2 })
    first.open()
    await clock.advance('10s')
    expect(lost).toMatchObject([{ job: { id, attempt: 1 } }])
    expect(await elsewhere.get(id)).toMatchObject({ state: 'running', attempt: 2, result: undefined })
    second.open()
    await clock.settle()
    expect(await elsewhere.get(id)).toMatchObject({ state: 'completed', attempt: 2, result: 'in time' })
  })

  it('S55: reads a handful of rows to take one of twenty thousand, and no table from end to end', async () => {
    const { url, schema } = await openPostgresBench()
    const pool = new Pool({ connectionString: url, max: 1 })
    onTestFinished(() => pool.end())
    const { jobs } = await openPostgresBench({ place: { url, schema }, pool })
    await jobs.configure('default', { concurrency: 1_000 })
    for (let round = 0; round < 4; round++) await jobs.enqueueMany(many(5_000))
    const read = async (): Promise<{ readonly rows: number; readonly scans: number }> => {
      await pool.query('select pg_stat_force_next_flush()')
      const { rows } = await pool.query<{ rows: string; scans: string }>(
        `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) as rows, sum(seq_scan) filter (where relname = 'job') as scans
        from pg_stat_user_tables where schemaname = $1`,
        [schema],
      )
      return { rows: Number(rows[0]?.rows), scans: Number(rows[0]?.scans) }
    }
    expect(await jobs.lease()).toMatchObject({ payload: 0 })
    const before = await read()
    for (let n = 1; n <= 10; n++) expect((await jobs.lease())?.payload).toBe(n)
    const after = await read()
    expect(after.scans).toBe(before.scans)
    expect((after.rows - before.rows) / 10).toBeLessThan(20)
  })

  it('S57: stops a run that takes longer than it may, notes it, and frees its hand even if the handler hangs', async () => {
    const { jobs, clock } = await openPostgresBench()
    const told: number[] = []
    jobs.work(
      [
        work.handle((n, job) => {
          if (n === 2) return
          job.signal.addEventListener('abort', () => told.push(clock.now() - T))
          return new Promise(() => undefined)
        }),
      ],
      { concurrency: 1 },
    )
    const { id } = await jobs.enqueue(work, 1, { timeout: '5s', maxAttempts: 1 })
    const behind = await jobs.enqueue(work, 2)
    await clock.advance('5s')
    expect(told).toEqual([5_000])
    await clock.advance('1s')
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', failures: [{ name: 'TimeoutError' }] })
    expect(await jobs.get(behind.id)).toMatchObject({ state: 'completed' })
  })

  it.each(['read committed', 'repeatable read', 'serializable'])(
    'F6: gives no job twice and no queue more than its limit where transactions are %s',
    async (level) => {
      const { url, schema } = await newSchema()
      const own = new URL(url)
      own.searchParams.set('options', `-c default_transaction_isolation=${level.replace(' ', '\\ ')}`)
      const place = { url: own.href, schema }
      const askers = (await Promise.all(Array.from({ length: 5 }, () => openPostgresBench({ place })))).map(
        ({ jobs }) => jobs,
      )
      const [first] = askers
      await first!.configure('default', { concurrency: 2 })
      const tasks = askers.map((_, n) => task<number>({ name: `task ${n}` }))
      for (let round = 0; round < 10; round++) {
        await first!.enqueueMany(tasks.map((one) => one.with(round)))
        const ask = async (n: number, any: boolean) => await askers[n]!.lease(any ? {} : { tasks: [tasks[n]!] })
        const taken = (await Promise.all(askers.map((_, n) => ask(n, round % 2 === 0)))).filter(
          (held) => held !== undefined,
        )
        expect(taken).toHaveLength(2)
        expect(new Set(taken.map(({ id }) => id)).size).toBe(2)
        for (const held of taken) expect(await held.complete()).toBe(true)
      }
    },
  )

  it('F8: asks a server that is down less and less often, and works on by itself once it is back', async () => {
    const { url, schema } = await newSchema()
    const proxy = await newProxy(url)
    let claims = 0
    const { jobs, clock } = await openPostgresBench({
      place: { url: proxy.url, schema },
      around: ({ verb }, go) => {
        if (verb === 'claim') claims++
        return go()
      },
    })
    const ran: number[] = []
    jobs.work([work.handle((n) => void ran.push(n))])
    await jobs.enqueue(work, 1)
    await clock.settle()
    await proxy.refuse()
    await proxy.cut()
    claims = 0
    await clock.advance('1m')
    expect(claims).toBeGreaterThan(10)
    expect(claims).toBeLessThan(25)
    await proxy.pass()
    await jobs.enqueue(work, 2)
    await clock.advance('5s')
    await clock.settle()
    expect(ran).toEqual([1, 2])
  })

  it('F13: adds ten thousand jobs in one call, all or none, and one job of a unique key', async () => {
    const { jobs } = await openPostgresBench()
    await jobs.enqueueMany(many(10_000))
    expect((await jobs.stats())[0]?.counts.pending).toBe(10_000)
    const unique = { unique: { key: 'order:17', onConflict: 'reject' } } as const
    await jobs.enqueue(work, 1, unique)
    await expect(jobs.enqueueMany([...many(5), work.with(2, unique)])).rejects.toThrow('order:17')
    expect((await jobs.stats())[0]?.counts.pending).toBe(10_001)
    expect((await jobs.enqueue(work, 3, { unique: 'order:17' })).outcome).toBe('kept')
  })
})
