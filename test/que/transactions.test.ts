import { describe, expect, it } from 'vitest'

import { LeaseLostError, task } from '../../src/index.ts'
import { connect } from '../servers/kit.ts'
import { events, newQue, type Que, versions } from './kit.ts'

describe.for(versions)('version %i', (version) => {
  it('adds a job with the caller’s commit, and never with a rollback', async () => {
    const { que, jobs } = await bank(version)
    const one = task<[number]>({ name: 'One', queue: que.queue })
    const client = await connect(que.url)
    for (const end of ['rollback', 'commit']) {
      await client.query('begin')
      const { id } = await jobs.enqueue(one, [1], { tx: client })
      expect(await jobs.get(id)).toBeUndefined()
      await client.query(end)
      expect(await jobs.get(id)).toEqual(
        end === 'commit' ? expect.objectContaining({ id, state: 'pending' }) : undefined,
      )
    }
    expect(await que.rows()).toHaveLength(1)
  })

  it('keeps effects and end with one commit in job.transaction, and leaves nothing of an attempt that throws', async () => {
    const { que, jobs, paid } = await bank(version)
    const pay = task<[number]>({ name: 'Pay', queue: que.queue, backoff: '1ms' })
    const completed = events(jobs, 'completed', 1)
    const locked: (readonly string[])[] = []
    const worker = jobs.work([
      pay.handle(([n], job) =>
        job.transaction(async (tx) => {
          await tx.query('insert into payment values ($1)', [n * 10 + job.attempt])
          locked.push(await que.locks())
          if (job.attempt === 1) throw new Error('card refused')
        }),
      ),
    ])
    const { id } = await jobs.enqueue(pay, [1])
    await completed
    await worker.stop()
    expect(await paid()).toEqual([12])
    expect(locked).toEqual([[id], [id]])
    expect(await que.rows()).toEqual([])
    expect(await que.locks()).toEqual([])
  })

  it('completes in the handler’s own transaction, whose rollback leaves the job to be run again', async () => {
    const { que, jobs, paid } = await bank(version)
    const pay = task<[number]>({ name: 'Pay', queue: que.queue, backoff: '1ms' })
    const client = await connect(que.url)
    const completed = events(jobs, 'completed', 1)
    const worker = jobs.work([
      pay.handle(async ([n], job) => {
        await client.query('begin')
        await client.query('insert into payment values ($1)', [n * 10 + job.attempt])
        await job.complete(undefined, { tx: client })
        await client.query(job.attempt === 1 ? 'rollback' : 'commit')
      }),
    ])
    await jobs.enqueue(pay, [1])
    await completed
    await worker.stop()
    expect(await paid()).toEqual([12])
    expect(await que.rows()).toEqual([])
    expect(await que.locks()).toEqual([])
  })

  it('lets nobody complete in a transaction what is no longer his: the lock was lost, and another has done it', async () => {
    const { que, jobs, paid } = await bank(version)
    const pay = task<[number]>({ name: 'Pay', queue: que.queue })
    await jobs.enqueue(pay, [1])
    const held = await jobs.lease()
    await que.client.query(`delete from que_jobs where ${que.id} = $1`, [held?.id])
    const client = await connect(que.url)
    await client.query('begin')
    await client.query('insert into payment values (1)')
    await expect(held?.complete(undefined, { tx: client })).rejects.toThrow(LeaseLostError)
    await client.query('rollback')
    expect(await paid()).toEqual([])
    expect(await held?.release()).toBe(true) // the lock is still ours to let go, though there is no job any more
    expect(await que.locks()).toEqual([])
  })
})

async function bank(version: (typeof versions)[number]): Promise<{
  readonly que: Que
  readonly jobs: Awaited<ReturnType<Que['jobs']>>
  readonly paid: () => Promise<readonly number[]>
}> {
  const que = await newQue(version)
  await que.client.query('create table payment (n integer)')
  return {
    que,
    jobs: await que.jobs(),
    paid: async () =>
      (await que.client.query<{ n: number }>('select n from payment order by n')).rows.map(({ n }) => n),
  }
}
