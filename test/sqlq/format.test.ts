import { describe, expect, it, onTestFinished } from 'vitest'

import { remove } from '../../src/core/lifecycle.ts'
import { open, StoreError, task, UnsupportedError, UsageError } from '../../src/index.ts'
import { connect, newDatabase } from '../servers/kit.ts'
import { millis } from './fixture.ts'
import { ForeignWorker } from './foreign.ts'
import { events, newSqlq } from './kit.ts'
import { sqlqSchema } from './schema.ts'

describe('what the format cannot do', () => {
  it('is refused before any I/O, by name, and nothing else of the same moment', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<unknown>({ name: 'one' })
    const fine = jobs.enqueue(one, 'fine')
    const refused = await Promise.allSettled([
      jobs.enqueue(one, 1, { unique: 'key' }),
      jobs.enqueue(one, 1, { concurrencyKey: 'key' }),
      jobs.pause('default'),
      jobs.resume('default'),
      jobs.enqueue(one, 1, { backoff: '5s' }),
      jobs.enqueue(one, 1, { timeout: '5s' }),
      jobs.enqueue(one, 1, { retention: { completed: '1h' } }),
      jobs.enqueue(one, new Uint8Array(2)),
      jobs.enqueue(one, { deep: ['nul \0'] }),
      jobs.enqueue(one, 'half \ud800'),
      jobs.enqueue(one, 1, { runAt: 8e15 }),
    ])
    const reasons = refused.map((result): unknown => (result.status === 'rejected' ? result.reason : 'added'))
    expect(
      reasons.slice(0, 4).map((reason) => (reason instanceof UnsupportedError ? reason.capability : reason)),
    ).toEqual(['dedupe', 'concurrency', 'pause', 'pause'])
    for (const reason of reasons.slice(4)) expect(reason).toBeInstanceOf(UsageError)
    for (const reason of reasons.slice(4, 7)) expect(String(reason)).toContain('"policy"')
    await fine
    expect((await sqlq.rows()).map(({ parameters }) => parameters)).toEqual(['"fine"'])
  })

  it('is not refused where it only looks so', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<string>({ name: 'one' }), String.raw`\u0000 \ud800`)
    expect((await jobs.lease({ wait: '5s' }))?.payload).toBe(String.raw`\u0000 \ud800`)
  })

  it('is refused of an edit, too', async () => {
    const jobs = await (await newSqlq()).jobs()
    const { id } = await jobs.enqueue(task<unknown>({ name: 'one' }), 1)
    await expect(jobs.edit(id, { payload: 'nul \0' })).rejects.toThrow(UsageError)
    await jobs.edit(id, { payload: 2, maxAttempts: 7, priority: -3 })
    expect(await jobs.get(id)).toMatchObject({ payload: 2, maxAttempts: 7, priority: -3 })
  })
})

describe('opening', () => {
  it('refuses unknown options, with a word of what is meant, and bad values', async () => {
    const url = 'sqlq:postgres://nowhere:1/db'
    await expect(open(url, { keepalive: '5s' } as object)).rejects.toThrow('Did you mean "keepAlive"?')
    await expect(open(url, { keepAlive: 'soon' as never })).rejects.toThrow(UsageError)
    await expect(open(url, { keepAlive: '50ms' })).rejects.toThrow('keepAlive')
    await expect(open(`${url}?schema=other`)).rejects.toThrow('schema')
    await expect(open('sqlite::memory:', { keepAlive: '5s' } as object)).rejects.toThrow(
      '`keepAlive` is an option of sqlq:, not of sqlite:',
    )
  })

  it('makes nothing: without sqlq’s tables, or with those of another version, it says so and leaves all as it is', async () => {
    const url = await newDatabase()
    const client = await connect(url)
    const opened = async (): Promise<string> => await open(`sqlq:${url}`).then(() => 'opened', String)
    expect(await opened()).toContain('schema.Apply')
    expect((await client.query(`select from pg_namespace where nspname = 'sqlq'`)).rowCount).toBe(0)
    await client.query(sqlqSchema)
    await client.query(`insert into sqlq_migrations (name, version) values ('v18.sql', 18)`)
    expect(await opened()).toContain('version 18')
    await client.query('truncate sqlq_migrations')
    expect(await opened()).toContain('version none')
    await expect(open(`sqlq:${url}`)).rejects.toThrow(StoreError)
  })
})

it('needs no more rights than its page says', async () => {
  const sqlq = await newSqlq()
  const role = `role_${new URL(sqlq.url).pathname.slice(1)}`
  await sqlq.client.query(`
    create role ${role} login;
    grant usage on schema sqlq to ${role};
    grant usage on sequence sqlq.job_log_ordering to ${role};
    grant select, insert, update, delete on sqlq.jobs to ${role};
    grant select, insert, update on sqlq.queues to ${role};
    grant select, insert on sqlq.job_logs to ${role};
    grant select on sqlq_migrations to ${role}`)
  onTestFinished(async () => void (await sqlq.client.query(`drop owned by ${role}; drop role ${role}`)))
  const jobs = await open(`sqlq:${Object.assign(new URL(sqlq.url), { username: role }).href}`, { logger: false })
  const one = task<number>({ name: 'one', maxAttempts: 2, backoff: 0 })
  await jobs.configure('default', { concurrency: 5 })
  const { id } = await jobs.enqueue(one, 1, { retention: { completed: '1h', failed: '1h', cancelled: '1h' } })
  const completed = events(jobs, 'completed', 1)
  const worker = jobs.work([
    one.handle((n, job) => {
      job.log.info('hello')
      if (job.attempt === 1) throw new Error('once')
    }),
  ])
  await completed
  await worker.stop()
  expect(await jobs.get(id)).toMatchObject({ state: 'completed', failures: [{ message: 'once' }] })
  await jobs.report()
  await jobs.stats()
  await sqlq.client.query(`update sqlq.jobs set completed_at = now() - interval '2 hours'`)
  expect(await jobs.prune()).toBe(1)
  await jobs.close()
  expect(await sqlq.rows()).toEqual([])
})

describe('a row', () => {
  it('has numbers beyond 2^53, and other JSON, whole for whoever reads it next', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    await sqlq.client.query(`insert into sqlq.queues (name) values ('q')`)
    const json = '{"big": 9007199254740993, "price": 1.50}'
    await sqlq.client.query(`insert into sqlq.jobs (queue, typename, parameters) values ('q', 'one', $1)`, [json])
    const [job] = await store.list({ limit: 1 })
    expect(job?.payload).toBe(json)
    const after = { ...job!, priority: 2, rev: job!.rev + 1 }
    expect(await store.apply([{ before: job!, after }], Date.now())).toEqual([{ ok: true }])
    expect(await sqlq.rows()).toMatchObject([{ parameters: json, priority: '2' }])
  })

  it('has a result as JSON, with the replacement character for what jsonb does not take', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const { id } = await jobs.enqueue(task<[]>({ name: 'one' }), [])
    expect(await (await jobs.lease({ wait: '5s' }))?.complete({ text: 'nul \0 and half \ud800' })).toBe(true)
    expect((await jobs.get(id))?.result).toEqual({ text: 'nul \ufffd and half \ufffd' })
  })

  it('without parameters is a job without payload, and null is a payload', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<unknown>({ name: 'one' })
    await jobs.enqueue(one, undefined)
    await jobs.enqueue(one, null)
    expect((await sqlq.rows()).map(({ parameters }) => parameters)).toEqual([null, 'null'])
    expect((await jobs.leaseMany({ limit: 9 })).map(({ payload }) => payload)).toEqual([undefined, null])
  })

  it('that a Go program would trip over is left alone, and told of', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<[]>({ name: 'one' }), [])
    await sqlq.client.query('update sqlq.jobs set run_after = null')
    expect(await jobs.lease()).toBeUndefined()
    expect(await jobs.list({ state: 'pending' })).toHaveLength(1)
    expect((await jobs.report()).find(({ name }) => name === 'nulls')).toMatchObject({ level: 'warn' })
  })

  it('never has a null that a Go program would trip over, whatever we do with it', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<unknown>({ name: 'one', maxAttempts: 5, backoff: 0 })
    const { id } = await jobs.enqueue(one, undefined, { runAt: 5 })
    for (const act of ['fail', 'release', 'snooze', 'complete'] as const) {
      const held = await jobs.lease({ wait: '5s' })
      if (act === 'snooze') await held?.snooze(0)
      else await held?.[act]('x')
    }
    await jobs.retry(id)
    await jobs.cancel(id)
    for (const row of await sqlq.rows())
      for (const name of [
        'attempt',
        'max_retries',
        'run_after',
        'last_queued_at',
        'keepalive_interval',
        'retention_ttl',
      ])
        expect([name, row[name]]).toEqual([name, expect.any(String)])
  })
})

describe('retention', () => {
  it('is the row’s own, which sqlq enforces nowhere, or its task’s; otherwise jobs are kept', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    const jobs = await sqlq.jobs()
    const week = { completed: '7d', failed: '7d', cancelled: '7d' } as const
    const [plain, short] = [task<[]>({ name: 'plain' }), task<[]>({ name: 'short', retention: { completed: '1h' } })]
    await jobs.enqueue(plain, [])
    await jobs.enqueue(plain, [], { retention: week })
    await jobs.enqueue(short, [])
    await jobs.enqueue(short, [], { retention: week })
    for (const held of await jobs.leaseMany({ limit: 9 })) await held.complete()
    expect((await sqlq.rows()).map((row) => Number(row['retention_ttl']) / 1e6)).toEqual([
      0,
      7 * 86_400_000,
      3_600_000,
      7 * 86_400_000,
    ])
    const ended = millis((await sqlq.rows())[0]?.['completed_at'])
    expect(await store.prune(ended + 3_500_000, 9)).toBe(0)
    expect(await store.prune(ended + 3_700_000, 9)).toBe(1)
    expect(await store.prune(ended + 8 * 86_400_000, 1)).toBe(1)
    expect(await store.prune(ended + 8 * 86_400_000, 9)).toBe(1)
    expect((await sqlq.rows()).map(({ typename }) => typename)).toEqual(['plain'])
  })

  it('of nothing takes the row away with its end, if its task asks for that', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    await jobs.enqueue(task<[]>({ name: 'gone', retention: { completed: false } }), [])
    expect(await (await jobs.lease({ wait: '5s' }))?.complete()).toBe(true)
    expect(await sqlq.rows()).toEqual([])
  })

  it('forgets by age when asked to, in pages, each of which goes on behind a job that is gone', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<number>({ name: 'one' })
    await jobs.enqueueMany(Array.from({ length: 1_100 }, (_, n) => one.with(n)))
    await sqlq.client.query(`update sqlq.jobs set status = 'success', completed_at = now() - interval '40 days'`)
    expect(await jobs.prune({ olderThan: '30d' })).toBe(1_100)
    expect(await sqlq.rows()).toEqual([])
  })
})

describe('moving away', () => {
  it('pages over all that wait, due or not, the oldest first, while they are taken away', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    const jobs = await sqlq.jobs()
    const one = task<number>({ name: 'one' })
    await jobs.enqueueMany(
      Array.from({ length: 25 }, (_, n) => one.with(n, n % 3 === 0 ? { delay: '1h', priority: n } : {})),
    )
    await jobs.leaseMany({ limit: 2 })
    const seen: unknown[] = []
    for (let after: string | undefined; ;) {
      const page = await store.list({ state: 'pending', order: 'oldest', after, limit: 4 })
      seen.push(...page.map(({ payload }) => Number(payload)))
      expect((await store.apply(page.map(remove), Date.now())).every(({ ok }) => ok)).toBe(true)
      after = page.at(-1)?.id
      if (after === undefined) break
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => n).filter((n) => n !== 1 && n !== 2))
    expect(await sqlq.rows()).toMatchObject([{ status: 'running' }, { status: 'running' }])
  })

  it('takes a job away only if nobody has it, nor has had it since: neither we nor a Go worker', async () => {
    const sqlq = await newSqlq()
    const store = await sqlq.store()
    const foreign = await ForeignWorker.start(sqlq.url, ['q'], ['one'])
    for (const n of [1, 2, 3, 4]) await foreign.enqueue('q', 'one', n)
    const seen = await store.list({ state: 'pending', order: 'oldest', limit: 9 })
    const now = Date.now()
    await store.claim({ tasks: undefined, limit: 1, lease: 'ours', until: now + 30_000, now: now + 1 })
    const theirs = await foreign.dequeue()
    const failed = await foreign.dequeue()
    await foreign.fail({ ...failed!, maxRetries: 9 }) // waits again, but has moved
    const results = await store.apply(seen.map(remove), now)
    const left = (await sqlq.rows()).map(({ id }) => id)
    expect(left).toHaveLength(3)
    expect(results.map(({ ok }) => ok)).toEqual(seen.map(({ id }) => !left.includes(id)))
    expect(left).toContain(theirs?.id)
    expect(left).toContain(failed?.id)
    await foreign.end()
  })
})

describe('a job’s log', () => {
  it('has lines of four levels, with their data, in order and page by page, and none of jobs that are gone', async () => {
    const sqlq = await newSqlq()
    const jobs = await sqlq.jobs()
    const one = task<[]>({ name: 'one' })
    const { id } = await jobs.enqueue(one, [])
    const held = await jobs.lease({ wait: '5s' })
    held?.log.debug('first')
    held?.log.info('second', { n: 1 })
    held?.log.warn('third\nwith a break')
    held?.log.error('')
    const store = await sqlq.store()
    const gone = { jobId: '00000000-0000-4000-8000-000000000000', attempt: 1, at: 5, data: undefined } as const
    await store.log([{ ...gone, level: 'info', message: 'to nobody' }])
    const lines = await jobs.logs(id)
    expect(lines.map(({ seq, level, message, attempt }) => [seq, level, message, attempt])).toEqual([
      [1, 'debug', 'first', 1],
      [2, 'info', 'second {"n":1}', 1],
      [3, 'warn', 'third\nwith a break', 1],
      [4, 'error', '', 1],
    ])
    expect((await jobs.logs(id, { after: 2, limit: 1 })).map(({ seq }) => seq)).toEqual([3])
    expect(await sqlq.logs()).toHaveLength(4)
  })
})
