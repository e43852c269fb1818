import { describe, expect, it } from 'vitest'

import { type HeldJob, LeaseLostError, task } from '../../src/index.ts'
import { connect, next, nothingHeld, openQue, type QueBench, T } from './que-kit.ts'

/** As que-go's: gone when it is done. */
const mine = task<number | undefined>({ name: 'MyJob', retention: { completed: false } })
/** A job, taken by hand. */
async function take({ jobs }: QueBench): Promise<HeldJob> {
  await jobs.enqueue(mine, 1)
  return (await jobs.lease())!
}

describe('que-go: deleting and letting go', () => {
  it('Q19: removes the row of a job that is done, and a second end changes nothing', async () => {
    const bench = await openQue()
    const held = await take(bench)
    expect(await held.complete()).toBe(true)
    expect(await bench.column('select count(*)::integer from @.job')).toEqual([0])
    expect(await held.complete()).toBe(false)
  })

  it('Q19: deletes a job that waits, once, and says whether there was one', async () => {
    const { jobs } = await openQue()
    const { id } = await jobs.enqueue(mine)
    expect([await jobs.delete(id), await jobs.delete(id)]).toEqual([true, false])
    expect(await jobs.lease()).toBeUndefined()
  })

  it('Q20: lets a job go, its attempt not used up, so that another can take it at once; letting go twice harms nobody', async () => {
    const bench = await openQue()
    const held = await take(bench)
    expect(await held.release()).toBe(true)
    expect(await held.release()).toBe(false)
    const second = await (await bench.another()).lease()
    expect(second).toMatchObject({ id: held.id, attempt: 1 })
    expect(await held.release()).toBe(false)
    expect(await bench.jobs.get(held.id)).toMatchObject({ state: 'running', leaseUntil: second?.leaseUntil })
    await bench.sessionsBecome(nothingHeld)
  })

  it('Q20: lets go by itself of what was not ended when its block is left', async () => {
    const bench = await openQue()
    const { id } = await bench.jobs.enqueue(mine)
    {
      await using held = await bench.jobs.lease()
      expect(held).toMatchObject({ id })
    }
    expect(await bench.jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('Q21: removes a job with the commit of the caller’s transaction, and keeps it with a rollback', async () => {
    const bench = await openQue()
    const held = await take(bench)
    const tx = await connect(bench.url)
    await tx.query('begin')
    await held.complete(undefined, { tx })
    expect((await tx.query(`select from ${bench.schema}.job`)).rowCount).toBe(0)
    await tx.query('rollback')
    expect(await bench.jobs.get(held.id)).toMatchObject({ id: held.id, state: 'running' })
    await tx.query('begin')
    await held.complete(undefined, { tx })
    await tx.query('commit')
    expect(await bench.jobs.get(held.id)).toBeUndefined()
    await tx.query('begin')
    await expect(held.complete(undefined, { tx })).rejects.toThrow(LeaseLostError)
    await tx.query('rollback')
  })

  it('Q21: removes a job with the commit of its own transaction, and keeps it when that throws', async () => {
    const { jobs, column, outside, schema } = await openQue()
    await outside.query(`create table ${schema}.effect (attempt integer)`)
    const retrying = next(jobs, 'retrying')
    const again = task<number | undefined>({ name: 'MyJob', retention: { completed: false }, backoff: 0 })
    const completed = next(jobs, 'completed')
    jobs.work([
      again.handle((_, job) =>
        job.transaction(async (tx) => {
          await tx.query(`insert into ${schema}.effect values ($1)`, [job.attempt])
          if (job.attempt === 1) throw new Error('changed my mind')
        }),
      ),
    ])
    const { id } = await jobs.enqueue(again)
    expect(await retrying).toMatchObject({ job: { id } })
    expect(await completed).toMatchObject({ job: { id, attempt: 2 } })
    expect(await column('select attempt from @.effect')).toEqual([2])
    expect(await jobs.get(id)).toBeUndefined()
  })
})

describe('que-go: failing', () => {
  it('Q22: counts a failure, keeps its words, lines and all, and lets the job and every connection go', async () => {
    const bench = await openQue()
    const held = await take(bench)
    await bench.clock.advance(1_000)
    expect(await held.fail(new Error('world\nended'))).toBe(true)
    expect(await bench.jobs.get(held.id)).toMatchObject({
      state: 'pending',
      attempt: 1,
      leaseUntil: undefined,
      failures: [{ attempt: 1, at: T + 1_000, name: 'Error', message: 'world\nended' }],
    })
    await bench.sessionsBecome(nothingHeld)
  })

  it('Q23: waits as long after each failure as it is told: by their own rule 4, 19, 84, 259 and 628 s', async () => {
    const { jobs, clock } = await openQue()
    const theirs = task({ name: 'MyJob', maxAttempts: 6, backoff: (attempt) => (attempt ** 4 + 3) * 1_000 })
    const { id } = await jobs.enqueue(theirs)
    const waits: number[] = []
    for (let n = 0; n < 5; n++) {
      await (await jobs.lease())!.fail(new Error('no'))
      const { runAt } = (await jobs.get(id))!
      waits.push((runAt - clock.now()) / 1_000)
      await clock.advance(runAt - clock.now() - 1)
      expect(await jobs.lease()).toBeUndefined()
      await clock.advance(1)
    }
    expect(waits).toEqual([4, 19, 84, 259, 628])
  })
})
