import { DatabaseSync } from 'node:sqlite'

import BetterSqlite3 from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'

import { ConflictError, type Jobs, PayloadError, type StandardSchema, task, UsageError } from '../../src/index.ts'
import { drivers, type Handle, newFile, next, openHandle, openJobs, openOn, startChild } from './kit.ts'

const order = task<{ n: number }>({ name: 'order' })
const ship = task<{ n: number }>({ name: 'ship', queue: 'shipping' })

describe.each(Object.entries(drivers))('enqueue in the transaction of a %s handle', (driver, openDriver) => {
  const setUp = async (): Promise<{ jobs: Jobs; db: Handle; file: string }> => {
    const file = newFile()
    const jobs = await openJobs(file, openOn[driver])
    const db = openHandle(file, openDriver)
    db.exec('create table effect (n integer)')
    return { jobs, db, file }
  }
  const effects = (db: Handle): number => db.prepare('select n from effect').all().length

  it('answers at once, and the job is there once the transaction has committed', async () => {
    const { jobs, db } = await setUp()
    db.exec('begin')
    db.exec('insert into effect values (1)')
    const enqueued = jobs.enqueue(order, { n: 1 }, { tx: db })
    expect(enqueued).toEqual({ id: expect.any(String), outcome: 'added' })
    expect(await jobs.get(enqueued.id)).toBeUndefined()
    db.exec('commit')
    expect(await jobs.get(enqueued.id)).toMatchObject({ state: 'pending', payload: { n: 1 }, queue: 'default' })
    expect(effects(db)).toBe(1)
  })

  it('leaves no job when the transaction rolls back, and counts none', async () => {
    const { jobs, db } = await setUp()
    db.exec('begin')
    const { id } = jobs.enqueue(order, { n: 1 }, { tx: db })
    db.exec('rollback')
    expect(await jobs.get(id)).toBeUndefined()
    expect(await jobs.stats()).toEqual([])
    db.exec('begin')
    jobs.enqueue(order, { n: 2 }, { tx: db })
    db.exec('commit')
    expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.pending])).toEqual([['default', 1]])
  })

  it('wakes a worker of the same process after the commit, with nothing to notify', async () => {
    const { jobs, db } = await setUp()
    jobs.work([order.handle(() => undefined)], { poll: '10m' })
    await jobs.enqueue(order, { n: 0 })
    await next(jobs, 'completed') // from now on it sleeps
    db.exec('begin')
    const { id } = jobs.enqueue(order, { n: 1 }, { tx: db })
    const completed = next(jobs, 'completed')
    db.exec('commit')
    expect((await completed).job.id).toBe(id)
  })

  it('wakes a worker of another process after the commit, with nothing to notify', async () => {
    const { jobs, db, file } = await setUp()
    const child = await startChild()
    await child.call('open', file)
    await child.call('work', { poll: '600s' })
    const ran = child.told('ran')
    db.exec('begin')
    jobs.enqueue(task<{ n: number }>({ name: 'hello' }), { n: 7 }, { tx: db })
    db.exec('commit')
    expect(await ran).toBe(7)
  })

  it('refuses a handle without an open transaction', async () => {
    const { jobs, db } = await setUp()
    expect(() => jobs.enqueue(order, { n: 1 }, { tx: db })).toThrow(UsageError)
    expect(() => jobs.enqueue(order, { n: 1 }, { tx: db })).toThrow('open transaction')
    expect(await jobs.stats()).toEqual([])
  })

  it('refuses a handle on another file, or on none', async () => {
    const { jobs } = await setUp()
    const other = newFile()
    for (const [path, says] of [
      [other, other],
      [':memory:', 'memory'],
    ] as const) {
      const stranger = openHandle(path, openDriver)
      stranger.exec('create table effect (n integer)')
      stranger.exec('begin')
      expect(() => jobs.enqueue(order, { n: 1 }, { tx: stranger })).toThrow(UsageError)
      expect(() => jobs.enqueue(order, { n: 1 }, { tx: stranger })).toThrow(says)
      stranger.exec('commit')
      expect(stranger.prepare("select name from sqlite_schema where name like 'jobferry%'").all()).toEqual([])
    }
  })

  it('adds many, of mixed tasks and queues, with the one commit', async () => {
    const { jobs, db } = await setUp()
    db.exec('begin')
    const enqueued = jobs.enqueueMany([order.with({ n: 1 }), ship.with({ n: 2 }), order.with({ n: 3 })], { tx: db })
    expect(enqueued.map(({ outcome }) => outcome)).toEqual(['added', 'added', 'added'])
    expect(await jobs.list()).toEqual([])
    db.exec('commit')
    const listed = await jobs.list({ order: 'oldest' })
    expect(listed.map(({ id, queue, payload }) => ({ id, queue, payload }))).toEqual([
      { id: enqueued[0]!.id, queue: 'default', payload: { n: 1 } },
      { id: enqueued[1]!.id, queue: 'shipping', payload: { n: 2 } },
      { id: enqueued[2]!.id, queue: 'default', payload: { n: 3 } },
    ])
  })

  it('adds none of many when one is refused, and leaves the transaction as it was', async () => {
    const { jobs, db } = await setUp()
    db.exec('begin')
    db.exec('insert into effect values (1)')
    const first = jobs.enqueue(order, { n: 1 }, { tx: db, unique: 'a' })
    const bad = [order.with({ n: 2 }), order.with({ n: 3 }, { unique: { key: 'a', onConflict: 'reject' } })]
    expect(() => jobs.enqueueMany(bad, { tx: db })).toThrow(ConflictError)
    expect(() => jobs.enqueueMany([order.with({ n: 4 }), order.with({ n: Number.NaN })], { tx: db })).toThrow(
      PayloadError,
    )
    db.exec('commit')
    expect((await jobs.list()).map(({ id }) => id)).toEqual([first.id])
    expect(effects(db)).toBe(1)
  })

  it('keeps, replaces and rejects by unique key as it does outside', async () => {
    const { jobs, db } = await setUp()
    const { id } = await jobs.enqueue(order, { n: 1 }, { unique: 'a' })
    db.exec('begin')
    expect(jobs.enqueue(order, { n: 2 }, { tx: db, unique: 'a' })).toEqual({ id, outcome: 'kept' })
    expect(jobs.enqueue(order, { n: 3 }, { tx: db, unique: { key: 'a', onConflict: 'replace' } })).toEqual({
      id,
      outcome: 'replaced',
    })
    expect(() => jobs.enqueue(order, { n: 4 }, { tx: db, unique: { key: 'a', onConflict: 'reject' } })).toThrow(
      ConflictError,
    )
    expect(jobs.enqueue(order, { n: 5 }, { tx: db, unique: 'b' }).outcome).toBe('added')
    db.exec('commit')
    expect((await jobs.list({ order: 'oldest' })).map(({ payload }) => payload)).toEqual([{ n: 3 }, { n: 5 }])
  })

  it('brings back the replaced job when the transaction rolls back', async () => {
    const { jobs, db } = await setUp()
    const { id } = await jobs.enqueue(order, { n: 1 }, { unique: 'a' })
    db.exec('begin')
    jobs.enqueue(order, { n: 2 }, { tx: db, unique: { key: 'a', onConflict: 'replace' } })
    db.exec('rollback')
    expect(await jobs.get(id)).toMatchObject({ payload: { n: 1 } })
  })

  it('keeps exact counts through commits, rollbacks and jobs added alone in between', async () => {
    const { jobs, db } = await setUp()
    for (let n = 0; n < 6; n++) {
      await jobs.enqueue(order, { n })
      db.exec('begin')
      jobs.enqueueMany([order.with({ n }), ship.with({ n })], { tx: db })
      db.exec(n % 2 === 0 ? 'commit' : 'rollback')
      await jobs.enqueue(ship, { n })
    }
    expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.pending])).toEqual([
      ['default', 9],
      ['shipping', 9],
    ])
    expect(await jobs.list({ limit: 100 })).toHaveLength(18)
  })

  it('stores every kind of payload as it is', async () => {
    const { jobs, db } = await setUp()
    const any = task<unknown>({ name: 'any' })
    const payloads = [
      undefined,
      null,
      '',
      'é𝄞\u0000"\\',
      2 ** 53 - 1,
      -0.1,
      [1, [2]],
      { a: { b: null } },
      new Uint8Array([0, 255, 10]),
      new Uint8Array(),
    ]
    db.exec('begin')
    const enqueued = jobs.enqueueMany(
      payloads.map((payload) => any.with(payload)),
      { tx: db },
    )
    db.exec('commit')
    const stored = await Promise.all(enqueued.map(async ({ id }) => (await jobs.get(id))?.payload))
    expect(stored).toEqual(payloads)
  })

  it('waits, without blocking, with what it does itself while the caller keeps its transaction open', async () => {
    const { jobs, db } = await setUp()
    db.exec('begin immediate')
    jobs.enqueue(order, { n: 1 }, { tx: db })
    let done = false
    const outside = jobs.enqueue(order, { n: 2 }, { unique: 'a' }).then(() => (done = true))
    await jobs.stats() // reading waits for nobody
    expect(done).toBe(false)
    db.exec('commit')
    await outside
    expect((await jobs.stats())[0]?.counts.pending).toBe(2)
  })
})

it('refuses an asynchronous validator inside a transaction', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const db = openHandle(file)
  const slow: StandardSchema<{ n: number }> = {
    '~standard': { version: 1, vendor: 'test', validate: async (value) => ({ value: value as { n: number } }) },
  }
  const checked = task({ name: 'checked', payload: slow })
  db.exec('begin')
  expect(() => jobs.enqueue(checked, { n: 1 }, { tx: db })).toThrow(/asynchronous/)
  db.exec('commit')
  expect(await jobs.list()).toEqual([])
  await expect(jobs.enqueue(checked, { n: 1 })).resolves.toMatchObject({ outcome: 'added' })
})

it('refuses a `tx` that is none, rather than enqueueing without one', async () => {
  const jobs = await openJobs(newFile())
  for (const tx of [undefined, null, 1, 'begin'] as never[]) {
    expect(() => jobs.enqueue(order, { n: 1 }, { tx })).toThrow(UsageError)
  }
  expect(await jobs.list()).toEqual([])
})

it('accepts a handle that was opened by another path to the same file', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const db = openHandle(file.replace(/jobs\.db$/, './x/../jobs.db').replace('/x/..', ''))
  db.exec('begin')
  expect(jobs.enqueue(order, { n: 1 }, { tx: db }).outcome).toBe('added')
  db.exec('commit')
})

it('is part of a better-sqlite3 transaction function, and rolls back with it', async () => {
  const file = newFile()
  const jobs = await openJobs(file, openOn['better-sqlite3'])
  const db = new BetterSqlite3(file)
  onTestFinished(() => void db.close())
  const sell = db.transaction(() => void jobs.enqueue(order, { n: 1 }, { tx: db }))
  const sellAndFail = db.transaction(() => {
    jobs.enqueue(order, { n: 2 }, { tx: db })
    throw new Error('no stock')
  })
  sell()
  expect(sellAndFail).toThrow('no stock')
  expect((await jobs.list()).map(({ payload }) => payload)).toEqual([{ n: 1 }])
})

it('refuses a handle of another SQLite library than its own: the two would not see each other’s locks', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const child = await startChild() // not in this process, where opening the handle would already do the harm
  await child.call('open', file)
  expect(await child.call('enqueueWithBetterSqlite3', file)).toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining('driver'),
  })
  expect(await jobs.list()).toEqual([])
})

it('takes its own connection as the caller’s too, where they share one', async () => {
  const file = newFile()
  let handle: DatabaseSync | undefined
  const jobs = await openJobs(file, { driver: (path) => (handle = new DatabaseSync(path)) })
  const db = handle!
  await jobs.enqueue(order, { n: 0 })
  await (await jobs.lease())?.complete()
  db.exec('begin')
  jobs.enqueue(order, { n: 1 }, { tx: db })
  jobs.enqueue(ship, { n: 2 }, { tx: db })
  db.exec('commit')
  const first = await jobs.lease({ queue: 'default' })
  const second = await jobs.lease({ queue: 'shipping' })
  expect([first?.payload, second?.payload]).toEqual([{ n: 1 }, { n: 2 }])
  expect(await first?.complete()).toBe(true)
  db.exec('begin')
  jobs.enqueue(order, { n: 3 }, { tx: db })
  db.exec('rollback')
  expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.pending, counts.running])).toEqual([
    ['default', 0, 0],
    ['shipping', 0, 1],
  ])
  jobs.work([order.handle(() => undefined)], { poll: '10m' })
  await jobs.enqueue(order, { n: 4 })
  await next(jobs, 'completed') // from now on it sleeps
  const completed = next(jobs, 'completed')
  db.exec('begin')
  jobs.enqueue(order, { n: 5 }, { tx: db })
  db.exec('commit')
  await completed
})
