import { describe, expect, it, onTestFinished } from 'vitest'

import { LeaseLostError, open, task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { drivers, openOn } from '../sqlite/kit.ts'
import { newLiteq } from './kit.ts'

const one = task<number>({ name: 'one', maxAttempts: 3 })

describe.for(Object.keys(drivers))('in a transaction of %s', (driver) => {
  it('adds a job with the caller’s commit, at once, and never with a rollback', async () => {
    const { liteq, jobs, handle } = await opened(driver)
    for (const end of ['rollback', 'commit']) {
      handle.exec('begin')
      const { id } = jobs.enqueue(one, 1, { tx: handle, unique: 'k' })
      expect(jobs.enqueue(one, 1, { tx: handle, unique: 'k' })).toEqual({ id, outcome: 'kept' })
      handle.exec(end)
      expect(liteq.rows()).toHaveLength(end === 'commit' ? 1 : 0)
    }
    expect(liteq.rows()[0]).toMatchObject({
      execute_after: ['integer', 0],
      remaining_attempts: ['integer', 3],
      job: ['text', '1'],
    })
  })

  it('completes with the effects of the handler, or fails with them', async () => {
    const { liteq, jobs, handle } = await opened(driver)
    liteq.db.exec('create table payment (n integer)')
    await jobs.enqueue(one, 7)
    jobs.work([
      one.handle((n, job) => {
        handle.exec('begin immediate')
        handle.prepare('insert into payment values (?)').run(n * 10 + job.attempt)
        job.complete(undefined, { tx: handle })
        handle.exec(job.attempt === 1 ? 'rollback' : 'commit')
      }),
    ])
    await until('it is completed', () => (liteq.values()[0]?.['job_status'] === 'completed' ? true : undefined))
    expect(liteq.db.prepare('select n from payment').all()).toEqual([{ n: 72 }])
    expect(liteq.values()).toMatchObject([{ remaining_attempts: 0, consumer_fetched_at: 0 }])
  })

  it('lets nobody complete what is no longer his', async () => {
    const { liteq, jobs, handle } = await opened(driver)
    await jobs.enqueue(one, 1)
    const held = await jobs.lease()
    liteq.db.exec(`update jobs set job_status = 'queued', remaining_attempts = 2, consumer_fetched_at = 0`)
    handle.exec('begin')
    expect(() => held?.complete(undefined, { tx: handle })).toThrow(LeaseLostError)
    handle.exec('rollback')
    expect(await held?.complete()).toBe(false)
    expect(liteq.values()).toMatchObject([{ job_status: 'queued', remaining_attempts: 2 }])
  })
})

async function opened(driver: string) {
  const liteq = newLiteq('scoped')
  const { driver: make, allowUnsafeSqlite = false } = openOn[driver] ?? {}
  const jobs = await open(`liteq:${liteq.file}`, { logger: false, allowUnsafeSqlite, ...(make && { driver: make }) })
  onTestFinished(() => jobs.close({ grace: 0 }))
  const handle = drivers[driver]!(liteq.file)
  onTestFinished(() => handle.close())
  return { liteq, jobs, handle }
}
