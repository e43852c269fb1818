import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it, onTestFinished } from 'vitest'

import { LeaseLostError, type OpenOptions, task, UsageError } from '../../src/index.ts'
import { drivers, newFile, next, openOn } from '../sqlite/kit.ts'
import { type Backlite, newBacklite } from './kit.ts'

const pay = task<{ n: number }>({ name: 'pay', maxAttempts: 3, backoff: '1ms' })

describe.each(Object.keys(drivers))('with a handle of %s', (driver) => {
  it('adds a task with the caller’s commit, at once, and never with a rollback', async () => {
    const { backlite, handle, jobs } = await bank(driver)
    for (const end of ['rollback', 'commit']) {
      handle.exec('begin')
      handle.exec('insert into payment values (1)')
      const { id } = jobs.enqueue(pay, { n: 1 }, { tx: handle })
      expect(await jobs.get(id)).toBeUndefined()
      handle.exec(end)
      expect(backlite.values().map((row) => row['id'])).toEqual(end === 'commit' ? [id] : [])
    }
  })

  it('completes in the handler’s own transaction, whose rollback leaves the task to be run again', async () => {
    const { backlite, handle, jobs, paid } = await bank(driver)
    const completed = next(jobs, 'completed')
    const worker = jobs.work([
      pay.handle(({ n }, job) => {
        handle.exec('begin')
        handle.exec(`insert into payment values (${n * 10 + job.attempt})`)
        job.complete(undefined, { tx: handle })
        handle.exec(job.attempt === 1 ? 'rollback' : 'commit')
      }),
    ])
    await jobs.enqueue(pay, { n: 1 })
    await completed
    await worker.stop()
    expect(paid()).toEqual([12])
    expect(backlite.rows()).toEqual([])
  })

  it('lets nobody complete in a transaction what is no longer his', async () => {
    const { backlite, handle, jobs, paid } = await bank(driver)
    await jobs.enqueue(pay, { n: 1 })
    const held = await jobs.lease()
    backlite.db.exec('delete from backlite_tasks')
    handle.exec('begin')
    handle.exec('insert into payment values (1)')
    expect(() => held?.complete(undefined, { tx: handle })).toThrow(LeaseLostError)
    handle.exec('rollback')
    expect(paid()).toEqual([])
  })
})

it('adds in a transaction of the caller’s beside a dispatcher, too', async () => {
  const backlite = newBacklite()
  const jobs = await backlite.jobs({ dispatcher: 'running' })
  backlite.db.exec('begin')
  jobs.enqueueMany([pay.with({ n: 1 }), pay.with({ n: 2 })], { tx: backlite.db })
  backlite.db.exec('commit')
  expect(backlite.values().map((row) => row['task'])).toEqual(['{"n":1}\n', '{"n":2}\n'])
})

it('refuses a handle of another file, or one without an open transaction', async () => {
  const backlite = newBacklite()
  const jobs = await backlite.jobs()
  const other = new DatabaseSync(newFile())
  onTestFinished(() => other.close())
  other.exec('begin')
  expect(() => jobs.enqueue(pay, { n: 1 }, { tx: other })).toThrow(UsageError)
  expect(() => jobs.enqueue(pay, { n: 1 }, { tx: backlite.db })).toThrow('open transaction')
})

async function bank(driver: string): Promise<{
  readonly backlite: Backlite
  readonly handle: ReturnType<NonNullable<(typeof drivers)[string]>>
  readonly jobs: Awaited<ReturnType<Backlite['jobs']>>
  readonly paid: () => readonly unknown[]
}> {
  // The tables are made through the driver alone: two SQLite libraries must not have one file open.
  const file = newFile()
  const open = drivers[driver]!
  const handle = open(file)
  onTestFinished(() => handle.close())
  const backlite = newBacklite(file, open)
  handle.exec('create table payment (n integer)')
  return {
    backlite,
    handle,
    jobs: await backlite.jobs(openOn[driver] as Omit<OpenOptions, 'clock'>),
    paid: () =>
      handle
        .prepare('select n from payment order by n')
        .all()
        .map((row) => Object.values(row ?? {})[0]),
  }
}
