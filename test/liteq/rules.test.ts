import { describe, expect, it } from 'vitest'

import {
  ConflictError,
  open,
  snooze,
  StoreError,
  task,
  UnrecoverableError,
  UnsupportedError,
  UsageError,
} from '../../src/index.ts'
import { cancel } from '../../src/core/lifecycle.ts'
import { LiteqStore } from '../../src/stores/liteq/index.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { until } from '../servers/until.ts'
import { newFile, openJobs } from '../sqlite/kit.ts'
import { ForeignProgram } from './foreign.ts'
import { connect, newLiteq, S, T } from './kit.ts'
import { flavours, scope } from './schema.ts'

describe.for(flavours)('liteq (%s)', (flavour) => {
  it('gives a job one attempt, as liteq does, or as many as its task or its enqueue says, and they go with it', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const told: unknown[] = []
    jobs.on('enqueued', ({ queue }) => void told.push(queue))
    await jobs.enqueue(task<number>({ name: 'plain' }), 1)
    expect(told).toEqual(['plain'])
    const thrice = task<number>({ name: 'thrice', maxAttempts: 3 })
    await jobs.enqueue(thrice, 1)
    await jobs.enqueue(thrice, 1, { maxAttempts: 7 })
    new ForeignProgram(liteq.db, flavour).queueJob({ queue: 'thrice', job: '1', remainingAttempts: 9 })
    expect(liteq.values().map((row) => row['remaining_attempts'])).toEqual([1, 3, 7, 9])
    expect((await jobs.leaseMany({ tasks: [thrice], limit: 9 })).map(({ maxAttempts }) => maxAttempts)).toEqual([
      3, 7, 9,
    ])
    await jobs.edit('1', { maxAttempts: 4 })
    expect(liteq.values()[0]).toMatchObject({ remaining_attempts: 4 })
  })

  it('runs a job again at once after a failure, as liteq does, or after the backoff of its task, in whole seconds and never early', async () => {
    const clock = new ManualClock({ now: T + 300 })
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs({ clock })
    const plain = task<number>({ name: 'plain', maxAttempts: 2 })
    const slow = task<number>({ name: 'slow', maxAttempts: 2, backoff: '90500ms' })
    await jobs.enqueueMany([plain.with(1), slow.with(1)])
    for (const held of await clock.during(jobs.leaseMany({ limit: 2 })))
      await clock.during(held.fail(new TypeError('no')))
    expect(liteq.rows().map((row) => [row['execute_after'], row['remaining_attempts'], row['errors']])).toEqual([
      [
        ['integer', 0],
        ['integer', 1],
        ['blob', '["TypeError: no"]'],
      ],
      [
        ['integer', S + 91],
        ['integer', 1],
        ['blob', '["TypeError: no"]'],
      ],
    ])
    expect((await jobs.get('1'))?.failures).toMatchObject([{ attempt: 1, name: 'TypeError', message: 'no' }])
    expect(
      (await clock.during(jobs.leaseMany({ limit: 2 }))).map(({ task: name, attempt }) => [name, attempt]),
    ).toEqual([['plain', 2]])
  })

  it('keeps what has failed for good and what has succeeded, as liteq does, and removes what its task does not want kept', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const plain = task<number>({ name: 'plain', maxAttempts: 5 })
    const gone = task<number>({ name: 'gone', retention: { completed: false } })
    await jobs.enqueueMany([plain.with(1), plain.with(2), gone.with(3), plain.with(4)])
    const [first, second, third, fourth] = await jobs.leaseMany({ limit: 4 })
    await first?.complete({ any: 'result' })
    await second?.fail(new UnrecoverableError('never'))
    await third?.complete() // in turn: gone was third to be added, and is third to be taken
    await fourth?.cancel('not wanted')
    expect(liteq.values()).toMatchObject([
      { id: 1, job_status: 'completed', remaining_attempts: 0, consumer_fetched_at: 0, errors: '[]' },
      { id: 2, job_status: 'failed', remaining_attempts: 0, finished_at: 0, errors: '["UnrecoverableError: never"]' },
    ])
    await jobs.retry('2')
    expect(liteq.values()[1]).toMatchObject({
      job_status: 'queued',
      remaining_attempts: 1,
      errors: '["UnrecoverableError: never"]',
    })
    expect((await jobs.lease())?.attempt).toBe(2)
    expect(await jobs.prune({ state: 'completed' })).toBe(1)
  })

  it('runs a delayed job in its second, and puts off what snoozes, the attempt not used', async () => {
    const clock = new ManualClock({ now: T })
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs({ clock })
    const later = task<number>({ name: 'later' })
    await jobs.enqueue(later, 1, { delay: '1500ms' })
    const ran: number[] = []
    jobs.work([later.handle(() => (ran.push(clock.now()), ran.length === 1 ? snooze('1h') : undefined))])
    await clock.advance(1_999)
    expect(ran).toEqual([])
    await clock.advance(1)
    expect(ran).toEqual([T + 2_000])
    expect(liteq.values()).toMatchObject([
      { job_status: 'queued', execute_after: S + 3_602, remaining_attempts: 1, errors: '[]' },
    ])
    await clock.advance(3_600_000)
    expect(ran).toEqual([T + 2_000, T + 3_602_000])
  })

  it('takes what nobody renews any more back from a worker of ours, without a timeout given, and leaves what Go programs have', async () => {
    const liteq = newLiteq(flavour)
    const [dead, other] = [liteq.store(), liteq.store()]
    const go = new ForeignProgram(connect(liteq.file), flavour, () => S)
    for (const queue of ['ours', 'theirs']) go.queueJob({ queue, job: '1', remainingAttempts: 2 })
    go.grab('theirs', 1)
    await dead.claim({ tasks: undefined, limit: 9, lease: 'x', until: T + 30_000, now: T })
    expect(await other.expired(T + 30_999, 9)).toEqual({ jobs: [], nextAt: T + 31_000 })
    const { jobs } = await other.expired(T + 31_000, 9)
    expect(jobs.map(({ queue }) => queue)).toEqual(['ours'])
    expect((await other.get(['2']))[0]?.leaseUntil).toBeGreaterThan(1e15)
  })

  it('honours a lease of any length, in each process whatever timeout it was given', async () => {
    const liteq = newLiteq(flavour)
    const [store, other] = [liteq.store(), liteq.store({ visibilityTimeout: '5s' })]
    new ForeignProgram(liteq.db, flavour, () => S).queueJob({ queue: 'a', job: '1' })
    await store.claim({ tasks: undefined, limit: 9, lease: 'x', until: T + 600_000, now: T })
    expect(await other.expired(T + 600_999, 9)).toEqual({ jobs: [], nextAt: T + 601_000 })
    expect((await other.expired(T + 601_000, 9)).jobs).toHaveLength(1)
  })

  it('drops the second of a key while the first waits, replaces it, or refuses; and counts Go’s keys as its own', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const sync = task<string>({ name: 'sync' })
    const go = new ForeignProgram(connect(liteq.file), flavour)
    expect(await jobs.enqueue(sync, 'a', { unique: 'k' })).toEqual({ id: '1', outcome: 'added' })
    expect(await jobs.enqueue(sync, 'b', { unique: 'k' })).toEqual({ id: '1', outcome: 'kept' })
    go.queueJob({ queue: 'sync', job: '"c"', key: 'k' })
    const replace = { key: 'k', onConflict: 'replace' } as const
    expect(await jobs.enqueue(sync, 'd', { unique: replace, delay: '1h', maxAttempts: 4 })).toEqual({
      id: '1',
      outcome: 'replaced',
    })
    expect(liteq.values()).toMatchObject([{ job: '"d"', remaining_attempts: 4 }])
    expect(Number(liteq.values()[0]?.['execute_after'])).toBeGreaterThan(Date.now() / 1_000 + 3_590)
    await jobs.enqueue(sync, 'e', { unique: replace })
    expect(liteq.values()).toMatchObject([{ job: '"e"', remaining_attempts: 1, execute_after: 0 }])
    await expect(jobs.enqueue(sync, 'f', { unique: { key: 'k', onConflict: 'reject' } })).rejects.toThrow(ConflictError)
    go.queueJob({ queue: 'sync', job: '"g"', key: 'k', duplicate: 'replace' })
    const [held] = [await jobs.lease()]
    expect(held?.payload).toBe('g')
    expect(await jobs.enqueue(sync, 'h', { unique: 'k' })).toEqual({ id: '2', outcome: 'added' })
    expect((await jobs.list({ uniqueKey: 'k' })).map(({ id, unique }) => [id, unique])).toEqual([
      ['2', { key: 'k', until: 'claimed', held: true }],
      ['1', { key: 'k', until: 'claimed', held: false }],
    ])
  })

  it('tells the ids that the table gave, of one key in one call as well', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const sync = task<string>({ name: 'sync' })
    const [keep, replace] = [{ key: 'a' }, { key: 'b', onConflict: 'replace' }] as const
    const entries = [keep, replace, keep, replace].map((unique, n) => sync.with(`${n}`, { unique }))
    await jobs.enqueue(sync, 'before')
    expect(await jobs.enqueueMany([...entries, sync.with('after')])).toEqual([
      { id: '2', outcome: 'added' },
      { id: '3', outcome: 'added' },
      { id: '2', outcome: 'kept' },
      { id: '3', outcome: 'replaced' },
      { id: '4', outcome: 'added' },
    ])
    expect(liteq.values().map((row) => row['job'])).toEqual(['"before"', '"0"', '"3"', '"after"'])
  })

  it('refuses before any I/O, by name, what no column can keep, and nothing else of the same moment', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const one = task<unknown>({ name: 'one' })
    const fine = jobs.enqueue(one, 'fine')
    const refused = await Promise.allSettled([
      jobs.enqueue(one, 1, { priority: 3 }),
      jobs.enqueue(one, 1, { concurrencyKey: 'key' }),
      jobs.enqueue(one, 1, { retention: { completed: '1h' } }),
      jobs.enqueue(one, 1, { backoff: '1h' }),
      jobs.pause('one'),
      jobs.configure('one', { concurrency: 1 }),
      jobs.logs('1'),
      jobs.cancel('1'),
      jobs.edit('1', { priority: 9 }),
    ])
    expect(
      refused.map((result) =>
        result.status === 'rejected' && result.reason instanceof UnsupportedError ? result.reason.capability : result,
      ),
    ).toEqual(['priority', 'concurrency', 'policy', 'policy', 'pause', 'limits', 'logs', 'cancel', 'priority'])
    await fine
    expect(liteq.values().map((row) => row['job'])).toEqual(['"fine"'])
  })

  it('refuses jobs that its format cannot hold, with the reason, and nothing else of the same moment', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const fine = jobs.enqueue(task<number>({ name: 'one' }), 1)
    const refused = await Promise.allSettled([
      jobs.enqueue(task<number>({ name: 'one', queue: 'other' }), 1),
      jobs.enqueue(task<number>({ name: 'one' }), 1, { queue: 'other' }),
      jobs.enqueue(task<Uint8Array>({ name: 'one' }), new Uint8Array(2)),
      jobs.enqueue(task<number>({ name: 'one' }), 1, { unique: { key: 'k', until: 'settled' } }),
      jobs.enqueue(task<number>({ name: 'one' }), 1, { unique: { key: 'k', until: '1h' } }),
    ])
    const reasons = refused.map((result) =>
      result.status === 'rejected' && result.reason instanceof UsageError ? result.reason.message : '',
    )
    expect(reasons.map((reason) => /names no task|is bytes|held longer/.exec(reason)?.[0])).toEqual([
      'names no task',
      'names no task',
      'is bytes',
      'held longer',
      'held longer',
    ])
    await fine
    expect(liteq.rows()).toHaveLength(1)
  })

  it('asks nobody to stop, whoever calls', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    await jobs.enqueue(task<number>({ name: 'one' }), 1)
    const store = liteq.store()
    const request = { tasks: undefined, limit: 1, lease: 'mine', until: Date.now() + 9_000, now: Date.now() }
    const [running] = (await store.claim(request)).jobs
    const before = liteq.rows()
    expect(() => store.apply([cancel(running!, 'stop', store.rules.retention, T)!], T)).toThrow(UnsupportedError)
    expect(liteq.rows()).toEqual(before)
  })

  it('works the queue without a name by the task default, and any by hand', async () => {
    const liteq = newLiteq(flavour)
    const jobs = await liteq.jobs()
    const go = new ForeignProgram(connect(liteq.file), flavour)
    go.queueJob({ queue: '', job: '1' })
    go.queueJob({ queue: 'default', job: '2' })
    go.queueJob({ queue: '', job: '3' })
    const taken = await jobs.leaseMany({ tasks: [task<number>({ name: 'default' })], limit: 9 })
    expect(taken.map(({ queue, payload }) => [queue, payload])).toEqual([
      ['', 1],
      ['default', 2],
      ['', 3],
    ])
    await jobs.enqueue(task<number>({ name: 'default', queue: '' }), 4)
    expect((await jobs.lease({ queue: '' }))?.payload).toBe(4)
  })

  it('reads what no program should have written, and takes none of it for more than it is', async () => {
    const liteq = newLiteq(flavour)
    const insert = liteq.db.prepare(
      `insert into jobs (id, queue, job, execute_after, remaining_attempts, errors, created_at, updated_at) values (?, 'odd', ?, ?, ?, ?, ?, ?)`,
    )
    insert.run(2n ** 62n, 'not JSON', 2n ** 62n, 1, '[]', S, S)
    insert.run(1, '{"a":1}', -5, 2n ** 62n, 'not a list', S, S)
    insert.run(2, Buffer.from('"bytes"'), 0, 3, Buffer.from('[1,{"a":2},"x"]'), S, S)
    insert.run(3, '1', 0, 3, 'null', 2n ** 60n, S)
    const jobs = await liteq.jobs()
    expect(
      (await jobs.list({ order: 'oldest' })).map(({ id, payload, failures }) => [id, payload, failures.length]),
    ).toEqual([
      ['1', { a: 1 }, 1],
      ['2', 'bytes', 3],
      ['3', 1, 0],
      [String(2n ** 62n), 'not JSON', 0],
    ])
    for (const held of await jobs.leaseMany({ limit: 9 })) await held.fail(new Error('no'))
    const types = liteq.db
      .prepare('select distinct typeof(remaining_attempts) as a, typeof(execute_after) as b from jobs')
      .all()
    expect(types).toEqual([{ a: 'integer', b: 'integer' }])
    expect(
      liteq.db.prepare('select cast(errors as text) as errors, execute_after from jobs where id = 1').get(),
    ).toEqual({
      errors: '["not a list","no"]',
      execute_after: -5,
    })
  })
})

describe('a key of a job that is to wait again while another of the key waits', () => {
  it('is let go in v0.1, whose index allows one, so that no attempt is lost', async () => {
    const liteq = newLiteq('raw')
    const jobs = await liteq.jobs()
    const sync = task<string>({ name: 'sync', maxAttempts: 3 })
    await jobs.enqueue(sync, 'a', { unique: 'k' })
    const held = await jobs.lease()
    await jobs.enqueue(sync, 'b', { unique: 'k' })
    await held?.fail(new Error('no'))
    expect(liteq.values()).toMatchObject([
      { job: '"a"', job_status: 'queued', deduping_key: '', remaining_attempts: 2 },
      { job: '"b"', job_status: 'queued', deduping_key: 'k' },
    ])
  })

  it('makes it fail from commit ed648f2 on, as there one of a key runs at a time', async () => {
    const liteq = newLiteq('scoped')
    const jobs = await liteq.jobs()
    const sync = task<string>({ name: 'sync', maxAttempts: 3 })
    for (const end of ['fail', 'release'] as const) {
      await jobs.enqueue(sync, 'a', { unique: end })
      const held = await jobs.lease()
      await jobs.enqueue(sync, 'b', { unique: end, delay: '1h' })
      await held?.[end](new Error('no'))
    }
    expect(liteq.values().filter((row) => row['job'] === '"a"')).toMatchObject([
      { job_status: 'failed', deduping_key: '4:sync:fail', remaining_attempts: 2, errors: '["no"]' },
      {
        job_status: 'failed',
        deduping_key: '4:sync:release',
        remaining_attempts: 3,
        errors: '["gave way to a job with the same key that waits"]',
      },
    ])
  })

  it('is let go by an operator’s retry in both', async () => {
    for (const flavour of flavours) {
      const liteq = newLiteq(flavour)
      const jobs = await liteq.jobs()
      const sync = task<string>({ name: 'sync' })
      await jobs.enqueue(sync, 'a', { unique: 'k' })
      await (await jobs.lease())?.fail(new Error('no'))
      await jobs.enqueue(sync, 'b', { unique: 'k' })
      await jobs.retry('1')
      expect(liteq.values()).toMatchObject([{ job_status: 'queued', deduping_key: '' }, { job_status: 'queued' }])
    }
  })
})

it('never gives another queue’s job a payload of ours, though keys of v0.1 hold for the whole table', async () => {
  const liteq = newLiteq('raw')
  const jobs = await liteq.jobs()
  const [a, b] = [task<string>({ name: 'a' }), task<string>({ name: 'b' })]
  await jobs.enqueue(a, 'of a', { unique: 'k' })
  expect(await jobs.enqueue(b, 'of b', { unique: 'k' })).toEqual({ id: '1', outcome: 'kept' })
  await expect(jobs.enqueue(b, 'of b', { unique: { key: 'k', onConflict: 'replace' } })).rejects.toThrow(ConflictError)
  expect(liteq.values()).toMatchObject([{ queue: 'a', job: '"of a"' }])
})

it('follows a file that a newer liteq brings up to date while we have it open', async () => {
  const liteq = newLiteq('raw')
  const jobs = await liteq.jobs()
  const sync = task<string>({ name: 'sync' })
  await jobs.enqueue(sync, 'before', { unique: 'k' })
  connect(liteq.file).exec(scope)
  await jobs.enqueue(sync, 'after', { unique: 'k' })
  expect(liteq.values().map((row) => row['deduping_key'])).toEqual(['k', '4:sync:k'])
  expect((await jobs.list({ uniqueKey: 'k' })).map(({ payload }) => payload)).toEqual(['after', 'before'])
})

describe('payloads', () => {
  it('are text to the letter where the store is opened so', async () => {
    const liteq = newLiteq('scoped')
    const jobs = await liteq.jobs({ payload: 'text' })
    const one = task<unknown>({ name: 'one' })
    for (const text of ['plain', '{"a": 1}\n', '"quoted"', '']) await jobs.enqueue(one, text)
    expect(liteq.values().map((row) => row['job'])).toEqual(['plain', '{"a": 1}\n', '"quoted"', ''])
    expect((await jobs.leaseMany({ limit: 9 })).map(({ payload }) => payload)).toEqual([
      'plain',
      '{"a": 1}\n',
      '"quoted"',
      '',
    ])
    for (const bad of [5, { a: 1 }, null, 'nul \0', 'half \ud800'])
      await expect(jobs.enqueue(one, bad)).rejects.toThrow(UsageError)
    expect(liteq.rows()).toHaveLength(4)
  })

  it('are JSON otherwise, and text that is none comes as that text', async () => {
    const liteq = newLiteq('scoped')
    const go = new ForeignProgram(liteq.db, 'scoped')
    for (const job of ['{"a": [1, 2]}\n', 'plain', '', '17']) go.queueJob({ queue: 'one', job })
    const jobs = await liteq.jobs()
    await jobs.enqueue(task({ name: 'one' }), undefined)
    expect((await jobs.leaseMany({ limit: 9 })).map(({ payload }) => payload)).toEqual([
      { a: [1, 2] },
      'plain',
      undefined,
      17,
      undefined,
    ])
    expect(liteq.values().at(-1)).toMatchObject({ job: '' })
  })
})

describe('opening', () => {
  it.each([
    ['liteq:', 'Expected the path of a file after liteq:'],
    ['liteq::memory:', 'no Go program can reach a database in memory'],
    ['liteq:app.db?visibilitytimeout=1s', 'Did you mean "visibilityTimeout"?'],
    ['liteq:app.db?visibilityTimeout=1s&visibilityTimeout=2s', 'more than once'],
    ['liteq:app.db?visibilityTimeout=10ms', 'at least 1000 ms'],
    ['liteq:app.db?visibilityTimeout=soon', 'Expected `visibilityTimeout` to be a duration'],
    ['liteq:app.db?payload=xml', "Expected `payload` to be 'json' or 'text'"],
  ])('refuses %s before it looks for a file', async (url, words) => {
    const refused = open(url, { logger: false })
    await expect(refused).rejects.toThrow(words)
    await expect(refused).rejects.toBeInstanceOf(UsageError)
  })

  it('refuses options that nobody knows, and those that contradict the URL', () => {
    expect(() => new LiteqStore({ file: 'app.db', visibilitytimeout: '1s' } as never)).toThrow(
      'Did you mean "visibilityTimeout"?',
    )
    expect(() => LiteqStore.open('liteq:app.db?payload=json', { payload: 'text' })).toThrow('Say it once')
  })

  it('makes no file and no table, and refuses a table that it does not know', async () => {
    const file = newFile()
    await expect(open(`liteq:${file}`, { logger: false })).rejects.toThrow('There is no file')
    const db = connect(file)
    await expect(open(`liteq:${file}`, { logger: false })).rejects.toThrow('has no table jobs')
    db.exec('create table jobs (id integer primary key, queue text, payload text)')
    const refused = open(`liteq:${file}`, { logger: false })
    await expect(refused).rejects.toThrow(/lacks the column job, .*the index dedupe/)
    await expect(refused).rejects.toBeInstanceOf(StoreError)
    expect(db.prepare('select count(*) as n from sqlite_schema').get()).toEqual({ n: 1 })
  })

  it('says in a report what is in force, and whom nobody would take back', async () => {
    const liteq = newLiteq('scoped')
    const go = new ForeignProgram(liteq.db, 'scoped')
    go.queueJob({ queue: 'a', job: '1' })
    go.grab('a', 1)
    go.queueJob({ queue: 'a', job: '1', remainingAttempts: -1 })
    const findings = (await (await liteq.jobs()).report()).map(({ name, level }) => [name, level])
    expect(findings).toEqual([
      ['sqlite', 'ok'],
      ['liteq', 'ok'],
      ['journal', 'ok'],
      ['disk', 'ok'],
      ['visibility-timeout', 'warn'],
      ['attempts', 'warn'],
    ])
  })
})

it('hears of a job of another program at once', async () => {
  const liteq = newLiteq('scoped')
  const jobs = await liteq.jobs()
  const ran: unknown[] = []
  jobs.work([task<string>({ name: 'mail' }).handle((payload) => void ran.push(payload))], { poll: '1h' })
  await until('it works', () => (ran.length === 0 ? true : undefined))
  const go = new ForeignProgram(connect(liteq.file), 'scoped')
  for (const n of [1, 2, 3]) {
    go.queueJob({ queue: 'mail', job: `"${n}"` })
    await until(`job ${n} has run`, () => (ran.length === n ? true : undefined), { withinMs: 5_000 })
  }
  expect(ran).toEqual(['1', '2', '3'])
})

it.for(flavours)(
  'moves what waits into a file of jobferry, due or not, and nothing that runs (%s)',
  async (flavour) => {
    const liteq = newLiteq(flavour)
    const go = new ForeignProgram(liteq.db, flavour)
    for (let n = 0; n < 700; n++)
      go.queueJob({
        queue: n % 2 === 0 ? 'mail' : '',
        job: `{"n":${n}}`,
        executeAfter: n % 3 === 0 ? 4e9 : 0,
        remainingAttempts: 3,
      })
    go.queueJob({ queue: 'key', job: 'text', key: 'k' })
    go.grab('mail', 2)
    const [from, to] = [await liteq.jobs(), await openJobs(newFile())]
    expect(await to.adopt(from, { source: 'liteq' })).toEqual({ moved: 699, left: 0 })
    expect(liteq.values().map((row) => row['job_status'])).toEqual(['fetched', 'fetched'])
    expect((await to.stats()).map(({ queue, counts }) => [queue, counts.pending])).toEqual([
      ['default', 350],
      ['key', 1],
      ['mail', 348],
    ])
    const [keyed] = await to.list({ queue: 'key' })
    expect(keyed).toMatchObject({ payload: 'text', task: 'key', unique: { key: 'k', held: true }, maxAttempts: 1 })
    expect(await to.list({ queue: 'mail', limit: 1 })).toMatchObject([{ task: 'mail', maxAttempts: 3 }])
  },
)
