import { describe, expect, it } from 'vitest'

import { type Jobs, LeaseLostError, type RunningJob, task } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { drivers, type Handle, newFile, next, openHandle, openJobs, openOn, startChild } from './kit.ts'

const pay = task<{ n: number }>({ name: 'pay', backoff: '1ms', maxAttempts: 3 })

describe.each(Object.entries(drivers))('completion in the transaction of a %s handle', (driver, openDriver) => {
  const setUp = async (): Promise<{ jobs: Jobs; db: Handle; file: string }> => {
    const file = newFile()
    const jobs = await openJobs(file, openOn[driver])
    const db = openHandle(file, openDriver)
    db.exec('create table effect (job text, attempt integer)')
    return { jobs, db, file }
  }
  const effects = (db: Handle): unknown[] =>
    db
      .prepare('select job, attempt from effect')
      .all()
      .map((row) => ({ ...(row as object) }))
  const record = (db: Handle, job: RunningJob): void =>
    void db.prepare('insert into effect values (?, ?)').run(job.id, job.attempt)

  it('stores the effect, the end and the result with one commit', async () => {
    const { jobs, db } = await setUp()
    jobs.work([
      pay.handle(({ n }, job) => {
        db.exec('begin immediate')
        record(db, job)
        expect(job.complete({ paid: n }, { tx: db })).toBeUndefined()
        db.exec('commit')
      }),
    ])
    const { id } = await jobs.enqueue(pay, { n: 7 })
    const { job } = await next(jobs, 'completed')
    expect(job.id).toBe(id)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: { paid: 7 }, attempt: 1, failures: [] })
    expect(effects(db)).toEqual([{ job: id, attempt: 1 }])
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 0, running: 0, completed: 1 })
  })

  it('undoes both when the transaction rolls back, and the attempt counts as failed', async () => {
    const { jobs, db } = await setUp()
    jobs.work([
      pay.handle((_, job) => {
        db.exec('begin immediate')
        record(db, job)
        job.complete(undefined, { tx: db })
        if (job.attempt === 1) {
          db.exec('rollback')
          throw new Error('card refused')
        }
        db.exec('commit')
      }),
    ])
    const completed = next(jobs, 'completed')
    const { id } = await jobs.enqueue(pay, { n: 1 })
    await completed
    expect(await jobs.get(id)).toMatchObject({
      state: 'completed',
      attempt: 2,
      failures: [{ message: 'card refused' }],
    })
    expect(effects(db)).toEqual([{ job: id, attempt: 2 }])
    expect((await jobs.stats())[0]?.counts).toEqual({ pending: 0, running: 0, completed: 1, failed: 0, cancelled: 0 })
  })

  it('counts a run as failed that rolled back and returned as if nothing had happened', async () => {
    const { jobs, db } = await setUp()
    jobs.work([
      pay.handle((_, job) => {
        db.exec('begin immediate')
        record(db, job)
        job.complete(undefined, { tx: db })
        db.exec('rollback')
      }),
    ])
    const failed = next(jobs, 'failed')
    const { id } = await jobs.enqueue(pay, { n: 1 }, { maxAttempts: 1 })
    await failed
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', failures: [{ message: /not committed/ }] })
    expect(effects(db)).toEqual([])
  })

  it('lets a job taken by hand end in the transaction, once', async () => {
    const { jobs, db } = await setUp()
    const { id } = await jobs.enqueue(pay, { n: 1 })
    const held = await jobs.lease()
    db.exec('begin immediate')
    db.exec("insert into effect values ('by hand', 1)")
    expect(held!.complete({ paid: 1 }, { tx: db })).toBeUndefined()
    db.exec('commit')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: { paid: 1 } })
    expect(await held!.complete()).toBe(false)
    db.exec('begin immediate')
    expect(() => held!.complete(undefined, { tx: db })).toThrow(LeaseLostError)
    db.exec('rollback')
    expect(effects(db)).toHaveLength(1)
  })

  it('lets a job taken by hand be ended again after a rollback', async () => {
    const { jobs, db } = await setUp()
    const { id } = await jobs.enqueue(pay, { n: 1 })
    const held = await jobs.lease()
    db.exec('begin immediate')
    held!.complete(undefined, { tx: db })
    db.exec('rollback')
    expect(await jobs.get(id)).toMatchObject({ state: 'running' })
    expect(await held!.complete()).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed' })
  })

  it('throws in the transaction when the job is somebody else’s by now, so that the effect is undone', async () => {
    const clock = new ManualClock()
    const file = newFile()
    const jobs = await openJobs(file, { ...openOn[driver], clock })
    const db = openHandle(file, openDriver)
    db.exec('create table effect (job text, attempt integer)')
    const { id } = await jobs.enqueue(pay, { n: 1 })
    const late = await jobs.lease({ for: '1s' })
    jobs.work([task({ name: 'other', handler: () => undefined })]) // takes jobs back from the dead
    await clock.advance('10s')
    const now = await jobs.lease()
    expect(now?.id).toBe(id)
    db.exec('begin immediate')
    db.exec("insert into effect values ('late', 1)")
    expect(() => late!.complete(undefined, { tx: db })).toThrow(LeaseLostError)
    db.exec('rollback')
    expect(effects(db)).toEqual([])
    expect(await now!.complete()).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2 })
  })

  it('removes a job whose retention keeps nothing', async () => {
    const { jobs, db } = await setUp()
    const { id } = await jobs.enqueue(pay, { n: 1 }, { retention: { completed: false } })
    const held = await jobs.lease()
    db.exec('begin immediate')
    held!.complete(undefined, { tx: db })
    db.exec('commit')
    expect(await jobs.get(id)).toBeUndefined()
    expect((await jobs.stats())[0]?.counts).toEqual({ pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 })
  })

  it('refuses a handle without an open transaction, and the job goes on', async () => {
    const { jobs, db } = await setUp()
    await jobs.enqueue(pay, { n: 1 })
    const held = await jobs.lease()
    expect(() => held!.complete(undefined, { tx: db })).toThrow('open transaction')
    expect(await held!.complete()).toBe(true)
  })

  it('enqueues the next job and completes this one with the same commit', async () => {
    const { jobs, db } = await setUp()
    const receipt = task<{ n: number }>({ name: 'receipt' })
    jobs.work([
      pay.handle(({ n }, job) => {
        db.exec('begin immediate')
        job.jobs.enqueue(receipt, { n }, { tx: db })
        job.complete(undefined, { tx: db })
        db.exec('commit')
      }),
    ])
    await jobs.enqueue(pay, { n: 3 })
    await next(jobs, 'completed')
    expect((await jobs.list({ task: 'receipt' })).map(({ payload }) => payload)).toEqual([{ n: 3 }])
  })
})

it('keeps the effects of a killed process and its completions together', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const db = openHandle(file)
  db.exec('create table effect (n integer)')
  await jobs.enqueueMany(Array.from({ length: 2_000 }, (_, n) => pay.with({ n })))
  const child = await startChild()
  await child.call('open', file)
  const some = child.told('paid')
  void child.call('pay', file).catch(() => undefined)
  await some
  await child.end('SIGKILL')
  const effects = db.prepare('select n from effect').all()
  const completed = await jobs.list({ state: 'completed', limit: 1_000 })
  expect(effects.length).toBeGreaterThan(0)
  expect(completed).toHaveLength(effects.length)
})
