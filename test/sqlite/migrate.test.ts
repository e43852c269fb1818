import { DatabaseSync } from 'node:sqlite'

import { expect, it } from 'vitest'

import { StoreError, task } from '../../src/index.ts'
import { schemaVersion } from '../../src/stores/sqlite/migrate.ts'
import { migrations } from '../../src/stores/sqlite/schema.ts'
import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import { newFile, openHandle, openJobs, startChild } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

it('makes its tables once, however often it is opened', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  await jobs.enqueue(hello, { n: 1 })
  const again = await openJobs(file)
  expect(await again.list()).toHaveLength(1)
  const store = new SqliteStore({ file })
  await store.migrate()
  await store.migrate()
  store.close()
  const db = openHandle(file)
  expect(db.prepare('select value from jobferry_meta').all().map(values)).toEqual([[schemaVersion]])
})

it('lets many processes open a new file at the same moment', async () => {
  const file = newFile()
  const children = await Promise.all(Array.from({ length: 8 }, () => startChild()))
  await Promise.all(children.map((child) => child.call('open', file)))
  await Promise.all(children.map((child, n) => child.call('enqueue', n)))
  const jobs = await openJobs(file)
  expect((await jobs.stats())[0]?.counts.pending).toBe(8)
})

it('refuses a file of a newer jobferry, says which and what to do, and leaves it alone', async () => {
  const file = newFile()
  await (await openJobs(file)).close()
  const db = new DatabaseSync(file)
  db.exec("update jobferry_meta set value = 99 where key = 'schema'")
  db.close()
  const error: unknown = await openJobs(file).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(StoreError)
  expect(error).toMatchObject({ retryable: false })
  expect((error as Error).message).toMatch(/99.*Update jobferry/s)
  const jobs = await openJobs(file, { migrate: false })
  expect((await jobs.report()).find(({ name }) => name === 'schema')).toMatchObject({
    level: 'fail',
    message: expect.stringContaining('99'),
  })
})

it('brings a file of the first version up to date, with its jobs, and says so where it may not', async () => {
  const file = newFile()
  const db = new DatabaseSync(file)
  db.exec('create table jobferry_meta (key text primary key, value any) strict, without rowid')
  db.exec(migrations[0]!.replaceAll('$', 'jobferry_'))
  db.exec(`insert into jobferry_meta values ('schema', 1);
    insert into jobferry_queue (id, name) values (1, 'default');
    insert into jobferry_lane (id, queue, task, priority, pending) values (1, 1, 'hello', 0, 1);
    insert into jobferry_job (id, lane, queue, run_at, max_attempts, created_at, payload) values ('old', 1, 1, 1, 3, 1, '{"n":1}')`)
  db.close()
  const careful = await openJobs(file, { migrate: false })
  expect((await careful.report()).find(({ name }) => name === 'schema')).toMatchObject({ level: 'fail' })
  const jobs = await openJobs(file)
  expect((await jobs.report()).find(({ name }) => name === 'schema')).toMatchObject({ level: 'ok' })
  expect(await jobs.workers()).toEqual([])
  expect((await jobs.lease())?.payload).toEqual({ n: 1 })
})

it('keeps two prefixes in one file apart: jobs, keys, settings, logs, counts and bells', async () => {
  const file = newFile()
  const ours = await openJobs(file, { prefix: 'ours_' })
  const theirs = await openJobs(file, { prefix: 'theirs_' })
  const a = await ours.enqueue(hello, { n: 1 }, { unique: 'k', concurrencyKey: 'c' })
  const b = await theirs.enqueue(hello, { n: 2 }, { unique: 'k', concurrencyKey: 'c' })
  expect([a.outcome, b.outcome]).toEqual(['added', 'added'])
  await ours.pause('default')
  expect(await ours.lease()).toBeUndefined()
  const held = await theirs.lease()
  expect(held?.payload).toEqual({ n: 2 })
  held?.log.info('theirs')
  await theirs.logs(b.id)
  await ours.resume('default')
  const mine = await ours.lease()
  expect(mine?.payload).toEqual({ n: 1 })
  await mine?.complete()
  expect(await ours.get(b.id)).toBeUndefined()
  expect(await ours.cancel(b.id)).toBe('missing')
  expect((await ours.stats())[0]?.counts).toMatchObject({ completed: 1, running: 0 })
  expect((await theirs.stats())[0]?.counts).toMatchObject({ completed: 0, running: 1 })
  expect(await ours.prune({})).toBe(1)
  expect((await theirs.logs(b.id)).map(({ message }) => message)).toEqual(['theirs'])
})

it('names everything it makes after the prefix', async () => {
  const file = newFile()
  await openJobs(file, { prefix: 'mine_' })
  const db = openHandle(file)
  const names = db
    .prepare("select name from sqlite_schema where name not like 'sqlite_%'")
    .all()
    .map((row) => String(values(row)[0]))
  expect(names.length).toBeGreaterThan(5)
  expect(names.filter((name) => !name.startsWith('mine_'))).toEqual([])
})

it('finds no fault with its own schema', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  await jobs.enqueue(hello, { n: 1 })
  const db = openHandle(file)
  expect(db.prepare('pragma integrity_check').all().map(values)).toEqual([['ok']])
  const strict = db.prepare("select name, strict from pragma_table_list where name like 'jobferry%'").all()
  expect(strict.filter((row) => values(row)[1] !== 1)).toEqual([])
})

function values(row: unknown): unknown[] {
  return Object.values(row as object)
}
