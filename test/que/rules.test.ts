import { describe, expect, it } from 'vitest'

import { UnrecoverableError, UnsupportedError, UsageError, snooze, task } from '../../src/index.ts'
import { microseconds } from './fixture.ts'
import { events, newQue, versions } from './kit.ts'

describe.for(versions)('version %i', (version) => {
  it('waits as Que does after a failure, unless the task says otherwise', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const boom = (): never => {
      throw new Error('boom')
    }
    const plain = task<[]>({ name: 'Plain', queue: que.queue })
    const own = task<[]>({ name: 'Own', queue: que.queue, backoff: '1h' })
    const retrying = events(jobs, 'retrying', 2)
    const worker = jobs.work([plain.handle(boom), own.handle(boom)])
    await jobs.enqueue(plain, [])
    await jobs.enqueue(own, [])
    const told = new Map((await retrying).map(({ job, runAt }) => [job.task, runAt]))
    await worker.stop()
    const rows = new Map((await que.rows()).map((row) => [row['job_class'], row]))
    const now = Date.now()
    for (const [name, ms] of [
      ['Plain', 4_000],
      ['Own', 3_600_000],
    ] as const) {
      const runAt = Number(microseconds(rows.get(name)?.['run_at']) / 1_000n)
      expect(runAt).toBe(told.get(name))
      expect(Math.abs(runAt - now - ms)).toBeLessThan(2_000)
    }
  })

  it('gives a job as many attempts as Que does, or as its task says', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const plain = task<[]>({ name: 'Plain', queue: que.queue })
    const twice = task<[]>({ name: 'Twice', queue: que.queue, maxAttempts: 2, backoff: '1ms' })
    await jobs.enqueue(plain, [])
    expect((await jobs.lease({ tasks: [plain] }))?.maxAttempts).toBe(version === 3 ? Number.MAX_SAFE_INTEGER : 16)
    const failed = events(jobs, 'failed', 1)
    const { id } = await jobs.enqueue(twice, [])
    const worker = jobs.work([
      twice.handle(() => {
        throw new Error('boom')
      }),
    ])
    expect((await failed)[0]?.job.attempt).toBe(2)
    await worker.stop()
    // Version 3 has no end but success: there it waits, as after any other failure.
    expect(await jobs.get(id)).toMatchObject({ attempt: 2, state: version === 3 ? 'pending' : 'failed' })
  })

  it('keeps what can never succeed: expired, or in version 3 waiting with Que’s backoff', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const failed = events(jobs, 'failed', 1)
    const hopeless = task<[]>({ name: 'Hopeless', queue: que.queue })
    const { id } = await jobs.enqueue(hopeless, [])
    const worker = jobs.work([
      hopeless.handle(() => {
        throw new UnrecoverableError('never')
      }),
    ])
    await failed
    await worker.stop()
    const job = await jobs.get(id)
    expect(job?.failures).toMatchObject([{ attempt: 1, name: 'UnrecoverableError' }])
    if (version === 3) {
      expect(job?.state).toBe('pending')
      expect(Math.abs((job?.runAt ?? 0) - Date.now() - 4_000)).toBeLessThan(2_000)
      return
    }
    expect(job?.state).toBe('failed')
    await jobs.retry(id)
    expect(await que.rows()).toMatchObject([{ expired_at: null, error_count: '1' }])
    expect((await jobs.lease())?.attempt).toBe(2)
  })

  it('puts off what snoozes, without an error', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const later = task<[]>({ name: 'Later', queue: que.queue })
    const snoozed = events(jobs, 'snoozed', 1)
    await jobs.enqueue(later, [])
    const worker = jobs.work([later.handle(() => snooze('2h'))])
    const [event] = await snoozed
    await worker.stop()
    const [row = {}] = await que.rows()
    expect(row).toMatchObject({ error_count: '0' })
    expect(Number(microseconds(row['run_at']) / 1_000n)).toBe(event?.runAt)
  })

  it('refuses before any I/O, by name, what no column can keep, and nothing else of the same moment', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<unknown>({ name: 'One', queue: que.queue })
    const fine = jobs.enqueue(one, ['fine'])
    const refused = await Promise.allSettled([
      jobs.enqueue(one, [], { unique: 'key' }),
      jobs.enqueue(one, [], { concurrencyKey: 'key' }),
      jobs.enqueue(one, [], { maxAttempts: 3 }),
      jobs.enqueue(one, [], { retention: { completed: '1h' } }),
      jobs.pause(que.queue),
      jobs.configure(que.queue, { concurrency: 1 }),
      jobs.logs('1'),
      jobs.cancel('1'),
      jobs.edit('1', { maxAttempts: 9 }),
    ])
    expect(
      refused.map((result) =>
        result.status === 'rejected' && result.reason instanceof UnsupportedError ? result.reason.capability : result,
      ),
    ).toEqual(['dedupe', 'concurrency', 'policy', 'policy', 'pause', 'limits', 'logs', 'cancel', 'policy'])
    await fine
    expect((await que.rows()).map(({ args }) => args)).toEqual(['["fine"]'])
  })

  it('refuses a payload that stands for no arguments, and spoils no other enqueue of the same moment', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const one = task<unknown>({ name: 'One', queue: que.queue })
    const bad = [
      { to: 'ada' },
      'text',
      5,
      null,
      new Uint8Array(2),
      { args: 5 },
      { args: [], kwargs: [] },
      { args: [], other: 1 },
    ]
    const notInJsonb = version === 3 ? [] : [['nul \0'], [{ deep: ['half \ud800'] }], [String.raw`\u0000` + '\0']]
    const all = await Promise.allSettled([
      ...[...bad, ...notInJsonb].map((payload) => jobs.enqueue(one, payload)),
      jobs.enqueue(one, [String.raw`\u0000 \ud800`]),
      jobs.enqueue(one, undefined),
    ])
    expect(all.map((result) => (result.status === 'rejected' ? result.reason instanceof UsageError : 'added'))).toEqual(
      [...[...bad, ...notInJsonb].map(() => true), 'added', 'added'],
    )
    expect((await que.rows()).map(({ args }) => args)).toEqual([String.raw`["\\u0000 \\ud800"]`, '[]'])
  })

  it('refuses to edit a waiting job into one that its format cannot hold', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const { id } = await jobs.enqueue(task<[]>({ name: 'One', queue: que.queue }), [])
    await expect(jobs.edit(id, { payload: { to: 'ada' } })).rejects.toThrow(UsageError)
    await jobs.edit(id, { payload: ['eve'] })
    expect(await que.rows()).toMatchObject([{ args: '["eve"]' }])
  })

  it('refuses a log line, which no table would keep, inside the handler that asks for one', async () => {
    const que = await newQue(version)
    const jobs = await que.jobs()
    const chatty = task<[]>({ name: 'Chatty', queue: que.queue })
    const retrying = events(jobs, 'retrying', 1)
    await jobs.enqueue(chatty, [])
    jobs.work([chatty.handle((_, job) => job.log.info('hello'))])
    expect((await retrying)[0]?.error).toEqual(new UnsupportedError('logs', 'que'))
  })
})

describe('keyword arguments', () => {
  it.for([6, 7] as const)(
    'have a column of their own in version %i, and come back as they were given',
    async (version) => {
      const que = await newQue(version)
      const jobs = await que.jobs()
      const one = task<unknown>({ name: 'One' })
      const payload = { args: ['kw', 1], kwargs: { name: 'Zoë' } }
      const { id } = await jobs.enqueue(one, payload)
      expect(await que.rows()).toMatchObject([
        { args: '["kw", 1]', kwargs: '{"name": "Zoë"}', job_schema_version: '2' },
      ])
      expect((await jobs.get(id))?.payload).toEqual(payload)
      expect((await jobs.lease())?.payload).toEqual(payload)
    },
  )

  it.for([3, 4, 5] as const)(
    'have none in version %i: they are refused, with a word where Ruby looks for them',
    async (version) => {
      const jobs = await (await newQue(version)).jobs()
      const refused = jobs.enqueue(task<unknown>({ name: 'One' }), { args: [], kwargs: { a: 1 } })
      await expect(refused).rejects.toThrow(/as the last of the list/)
    },
  )
})

describe('job_schema_version', () => {
  it('is Ruby’s own, so that each of two Ruby versions sees its jobs, and ours takes no other', async () => {
    const que = await newQue(7)
    const jobs = await que.jobs()
    for (const n of [1, 2, 9_000])
      await que.client.query(`insert into que_jobs (job_class, job_schema_version) values ('One', $1)`, [n])
    const taken = await jobs.leaseMany({ limit: 9 })
    expect(taken.map(({ id }) => id)).toEqual(['2'])
    const lane = await que.jobs({ jobSchemaVersion: 9_000 })
    await lane.enqueue(task<[]>({ name: 'One' }), [])
    expect((await lane.leaseMany({ limit: 9 })).map(({ id }) => id)).toEqual(['3', '4'])
    expect((await jobs.report()).find(({ name }) => name === 'schema-version')).toMatchObject({ level: 'warn' })
  })
})

describe('que-go alone', () => {
  it('may be given any JSON, where Ruby would take an object apart', async () => {
    const que = await newQue(3)
    const jobs = await que.jobs({ args: 'any' })
    const one = task<unknown>({ name: 'One', queue: '' })
    await jobs.enqueue(one, { arg1: 0, arg2: 'a string' })
    expect(await que.rows()).toMatchObject([{ args: '{"arg1":0,"arg2":"a string"}' }])
    expect((await jobs.lease())?.payload).toEqual({ arg1: 0, arg2: 'a string' })
  })
})
