import { existsSync } from 'node:fs'

import Libsql from 'libsql'
import { describe, expect, it } from 'vitest'

import { open, StoreError, task, UnsupportedError, UsageError } from '../../src/index.ts'
import { BackliteStore } from '../../src/stores/backlite/index.ts'
import { newFile, next } from '../sqlite/kit.ts'
import { newCopy } from './fixture.ts'
import { save } from './foreign.ts'
import { connect, newBacklite } from './kit.ts'

const mail = task<{ To: string }>({ name: 'mail' })

describe('beside a dispatcher that may be running', () => {
  it('adds and looks, and prunes what has expired', async () => {
    const { jobs, rows } = await besideDispatcher()
    const { id } = await jobs.enqueue(mail, { To: 'ada' })
    expect(await jobs.get(id)).toMatchObject({ task: 'mail', queue: 'mail', payload: { To: 'ada' }, state: 'pending' })
    expect(await jobs.prune()).toBe(0)
    expect(rows()).toHaveLength(1)
  })

  it('works nothing, takes nothing by hand and changes nothing that waits, and says why', async () => {
    const { jobs, rows } = await besideDispatcher()
    const { id } = await jobs.enqueue(mail, { To: 'ada' })
    const before = rows()
    expect(() => jobs.work([mail.handle(() => undefined)])).toThrow(UsageError)
    for (const refused of [
      async () => jobs.work([mail.handle(() => undefined)]),
      async () => await jobs.lease(),
      async () => await jobs.edit(id, { payload: { To: 'eve' } }),
      async () => await jobs.retry(id),
      async () => await jobs.delete(id),
    ])
      await expect(refused()).rejects.toThrow(/a dispatcher of backlite may be running .* dispatcher: 'stopped'/)
    expect(rows()).toEqual(before)
  })

  it('gives what has finished another chance, and removes it: no dispatcher touches it any more', async () => {
    const backlite = newCopy()
    const jobs = await backlite.jobs({ dispatcher: 'running' })
    const [failed, other] = await jobs.list({ state: 'failed', task: 'keep-all' })
    expect(other).toBeUndefined()
    await jobs.retry(failed?.id ?? '')
    const row = backlite.values().find(({ id }) => id === failed?.id)
    expect(row).toMatchObject({ attempts: 3, wait_until: null, claimed_at: null, queue: 'keep-all' })
    const [completed] = await jobs.list({ state: 'completed', limit: 1 })
    expect(await jobs.delete(completed?.id ?? '')).toBe(true)
    expect(backlite.rows('backlite_tasks_completed')).toHaveLength(13)
  })

  async function besideDispatcher(): Promise<{
    readonly jobs: Awaited<ReturnType<ReturnType<typeof newBacklite>['jobs']>>
    readonly rows: () => readonly object[]
  }> {
    const backlite = newBacklite()
    return { jobs: await backlite.jobs({ dispatcher: 'running' }), rows: backlite.rows }
  }
})

describe('the rules of a queue', () => {
  it('are those of Go’s zero values, where neither job nor task has said otherwise: one attempt, and no success is kept', async () => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    const failed = next(jobs, 'failed')
    const bad = task<{ n: number }>({ name: 'bad' })
    const good = task<{ n: number }>({ name: 'good' })
    const worker = jobs.work([
      bad.handle(() => {
        throw new Error('boom')
      }),
      good.handle(() => 'dropped'),
    ])
    const { id } = await jobs.enqueue(bad, { n: 1 })
    const done = next(jobs, 'completed')
    await jobs.enqueue(good, { n: 1 })
    await Promise.all([failed, done])
    await worker.stop()
    expect(backlite.rows()).toEqual([])
    const week = 7 * 86_400_000
    const [row, none] = backlite.values('backlite_tasks_completed')
    expect(row).toMatchObject({ id, attempts: 1, succeeded: 0, error: 'boom', task: '{"n":1}\n' })
    expect(Math.abs(Number(row?.['expires_at']) - Date.now() - week)).toBeLessThan(5_000)
    expect(none).toBeUndefined()
  })

  it('are the task’s, where it has some', async () => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    const retention = { completed: '1h', failed: 'forever', payload: 'failed' } as const
    const twice = task<{ n: number }>({ name: 'twice', maxAttempts: 2, backoff: '1ms', retention })
    const ended = [next(jobs, 'failed'), next(jobs, 'completed')]
    const worker = jobs.work([
      twice.handle(({ n }, job) => {
        if (n > 1 || job.attempt === 1) throw new Error(`attempt ${job.attempt}`)
      }),
    ])
    await jobs.enqueue(twice, { n: 1 })
    await jobs.enqueue(twice, { n: 2 })
    await Promise.all(ended)
    await worker.stop()
    const rows = backlite.values('backlite_tasks_completed')
    expect(rows).toMatchObject([
      { attempts: 2, succeeded: 1, error: null, task: null },
      { attempts: 2, succeeded: 0, error: 'attempt 2', task: '{"n":2}\n', expires_at: null },
    ])
    expect(rows[0]?.['expires_at']).toBeTypeOf('number')
  })

  it('say that a queue is a task: a task has its own without naming it, and no other', async () => {
    const jobs = await newBacklite().jobs()
    const { id } = await jobs.enqueue(mail, { To: 'ada' })
    expect(await jobs.get(id)).toMatchObject({ task: 'mail', queue: 'mail' })
    await jobs.enqueue(task<{ To: string }>({ name: 'mail', queue: 'mail' }), { To: 'ada' })
    await expect(jobs.enqueue(mail, { To: 'ada' }, { queue: 'other' })).rejects.toThrow(
      'its queue is "other" and its task "mail"',
    )
  })
})

describe('what no column can keep', () => {
  it('is refused by name, before anything is written', async () => {
    const backlite = newBacklite()
    const jobs = await backlite.jobs()
    const payload = { To: 'ada' }
    const { id } = await jobs.enqueue(mail, payload)
    const before = backlite.rows()
    const refused = await Promise.allSettled([
      jobs.enqueue(mail, payload, { unique: 'key' }),
      jobs.enqueue(mail, payload, { concurrencyKey: 'key' }),
      jobs.enqueue(mail, payload, { priority: 1 }),
      jobs.enqueue(task<{ To: string }>({ name: 'mail', priority: 3 }), payload),
      jobs.enqueue(mail, payload, { maxAttempts: 3 }),
      jobs.enqueue(mail, payload, { retention: { completed: '1h' } }),
      jobs.pause('mail'),
      jobs.configure('mail', { concurrency: 1 }),
      jobs.logs(id),
      jobs.cancel(id),
      jobs.edit(id, { maxAttempts: 9 }),
      jobs.edit(id, { priority: 9 }),
    ])
    expect(
      refused.map((result) =>
        result.status === 'rejected' && result.reason instanceof UnsupportedError ? result.reason.capability : result,
      ),
    ).toEqual([
      'dedupe',
      'concurrency',
      'priority',
      'priority',
      'policy',
      'policy',
      'pause',
      'limits',
      'logs',
      'cancel',
      'policy',
      'priority',
    ])
    await expect(jobs.enqueue(task<Uint8Array>({ name: 'mail' }), new Uint8Array(2))).rejects.toThrow(/bytes/)
    await expect(jobs.edit(id, { payload: new Uint8Array(2) })).rejects.toThrow(/bytes/)
    expect(backlite.rows()).toEqual(before)
  })

  it('is refused inside the handler that asks for it', async () => {
    const jobs = await newBacklite().jobs()
    const failed = next(jobs, 'failed')
    await jobs.enqueue(mail, { To: 'ada' })
    jobs.work([mail.handle((_, job) => job.log.info('hello'))])
    expect((await failed).error).toEqual(new UnsupportedError('logs', 'backlite'))
  })
})

describe('opening', () => {
  it.each([
    ['backlite:', {}, 'Expected the path of a file after backlite:'],
    ['backlite::memory:', {}, 'no Go program can reach a database in memory'],
    ['backlite:app.db?dispatcher=off', {}, "Expected `dispatcher` to be 'running' or 'stopped', got \"off\""],
    ['backlite:app.db?dispather=stopped', {}, 'Unknown option "dispather" in the URL. Did you mean "dispatcher"?'],
    ['backlite:app.db?dispatcher=stopped', { dispatcher: 'running' }, 'Say it once'],
    ['backlite:app.db?releaseAfter=1m&releaseAfter=2m', {}, 'more than once'],
    ['backlite:app.db', { dispather: 'stopped' }, 'Unknown option "dispather" in open(). Did you mean "dispatcher"?'],
    ['backlite:app.db', { releaseAfter: '5ms' }, '`releaseAfter`'],
    ['backlite:app.db', { prefix: 'x_' }, '`prefix` is an option of'],
    ['backlit:app.db', {}, 'Did you mean "backlite"?'],
  ])('refuses %s with %j before it touches a file', async (url, options, words) => {
    const opening = open(url, { logger: false, ...options } as object)
    await expect(opening).rejects.toThrow(UsageError)
    await expect(opening).rejects.toThrow(words)
    expect(existsSync('app.db')).toBe(false)
  })

  it('reads its options from the URL', () => {
    const store = BackliteStore.open('backlite:///var/app.db?dispatcher=stopped&releaseAfter=1m&busyTimeout=2s')
    expect(store.settings).toMatchObject({
      file: '/var/app.db',
      dispatcher: 'stopped',
      releaseMs: 60_000,
      busyMs: 2_000,
    })
  })

  it('makes the very tables that backlite makes, where there are none, and leaves those that are there', async () => {
    const file = newFile()
    const jobs = await open(`backlite:${file}`, { logger: false })
    await jobs.close()
    const schema = (of: string): readonly object[] =>
      connect(of).prepare('select type, name, tbl_name, sql from sqlite_schema order by name').all()
    const original = newCopy()
    expect(schema(file)).toEqual(schema(original.file))
    expect(connect(file).prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
    const before = [original.rows(), original.rows('backlite_tasks_completed')]
    await original.store().migrate()
    expect([original.rows(), original.rows('backlite_tasks_completed')]).toEqual(before)
  })

  it('leaves the journal mode of a file that is there as it is', async () => {
    const file = newFile()
    const db = connect(file)
    db.exec('create table app (n integer)')
    const jobs = await open(`backlite:${file}`, { logger: false })
    expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'delete' })
    await jobs.enqueue(mail, { To: 'ada' })
    expect((await jobs.report()).find(({ name }) => name === 'journal')).toMatchObject({ level: 'warn' })
    await jobs.close()
  })

  it('says in a report when the SQLite of the driver can corrupt the file', async () => {
    const unsafe = { driver: (file: string) => new Libsql(file), allowUnsafeSqlite: true }
    const jobs = await open(`backlite:${newFile()}`, { logger: false, ...unsafe })
    expect(await jobs.report()).toMatchObject([
      { name: 'sqlite', level: 'fail', message: expect.stringContaining('WAL-reset') },
      { name: 'disk', level: 'ok' },
      { name: 'backlite', level: 'ok' },
      { name: 'journal' },
      { name: 'dispatcher' },
      { name: 'release' },
    ])
    await jobs.close()
  })

  it.each([
    ['create table backlite_tasks (id text primary key)', /the table backlite_tasks_completed|has no column/],
    ['create table backlite_tasks_completed (id text primary key)', /backlite_tasks/],
  ])('refuses tables that it does not know: %s', async (sql, words) => {
    const file = newFile()
    const db = connect(file)
    db.exec(sql)
    for (const migrate of [true, false]) {
      const opening = open(`backlite:${file}`, { logger: false, migrate })
      await expect(opening).rejects.toThrow(StoreError)
      await expect(opening).rejects.toThrow(words)
    }
    expect(db.prepare("select count(*) as n from sqlite_schema where type = 'table'").get()).toEqual({ n: 1 })
  })

  it('takes a column of somebody else’s, unless every row needs a value for it', async () => {
    const backlite = newBacklite()
    backlite.db.exec('alter table backlite_tasks add column note text')
    const jobs = await backlite.jobs()
    await jobs.enqueue(mail, { To: 'ada' })
    expect(await jobs.lease()).toMatchObject({ payload: { To: 'ada' } })
    backlite.db.exec("alter table backlite_tasks add column must text not null default 'x'")
    await backlite.store().migrate()
    const other = newBacklite()
    other.db.exec('drop table backlite_tasks')
    other.db
      .exec(`create table backlite_tasks (id text primary key, created_at integer not null, queue text not null, task blob not null,
      wait_until integer, claimed_at integer, last_executed_at integer, attempts integer not null default 0, must text not null) strict`)
    await expect((async () => await other.store().migrate())()).rejects.toThrow(
      'would need a value for its column "must text"',
    )
  })

  it('makes no file where it is not to make tables, and says at the first use that there are none', async () => {
    const file = newFile()
    await expect(open(`backlite:${file}`, { migrate: false, logger: false })).rejects.toThrow(
      `There is no file ${file}`,
    )
    expect(existsSync(file)).toBe(false)
    connect(file).exec('create table app (n integer)')
    const jobs = await open(`backlite:${file}`, { migrate: false, logger: false })
    await expect(jobs.enqueue(mail, { To: 'ada' })).rejects.toThrow('has no tables of backlite')
    await jobs.close()
  })
})

describe('bells', () => {
  it('ring for what a Go program adds, at once, also where it has closed the file in the meantime', async () => {
    const backlite = newBacklite()
    backlite.db.close()
    expect(existsSync(`${backlite.file}-wal`)).toBe(false)
    const jobs = await backlite.jobs({ migrate: false })
    const done = next(jobs, 'completed')
    jobs.work([mail.handle(() => undefined)], { poll: '10m' })
    save(connect(backlite.file), [{ queue: 'mail', task: { To: '<ada>' } }])
    expect((await done).job.task).toBe('mail')
  })
})
