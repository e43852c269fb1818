import { expect, it } from 'vitest'

import { settle } from '../../src/core/lifecycle.ts'
import { LeaseLostError, task } from '../../src/index.ts'
import { connect } from '../servers/kit.ts'
import { events, newSqlq, type Sqlq } from './kit.ts'

it('adds a job with the caller’s commit, its queue with it, and never with a rollback', async () => {
  const { sqlq, jobs } = await bank()
  const client = await connect(sqlq.url)
  for (const end of ['rollback', 'commit']) {
    await client.query('begin')
    const { id } = await jobs.enqueue(task<number>({ name: 'one', queue: 'new' }), 1, { tx: client })
    expect(await jobs.get(id)).toBeUndefined()
    await client.query(end)
    expect(await jobs.get(id)).toEqual(end === 'commit' ? expect.objectContaining({ id, state: 'pending' }) : undefined)
  }
  expect(await sqlq.rows()).toHaveLength(1)
})

it('keeps effects and end with one commit in job.transaction, and leaves nothing of an attempt that throws', async () => {
  const { sqlq, jobs, paid } = await bank()
  const pay = task<number>({ name: 'pay', backoff: '1ms', maxAttempts: 2 })
  const completed = events(jobs, 'completed', 1)
  const worker = jobs.work([
    pay.handle((n, job) =>
      job.transaction(async (tx) => {
        await tx.query('insert into payment values ($1)', [n * 10 + job.attempt])
        if (job.attempt === 1) throw new Error('card refused')
        return 'paid'
      }),
    ),
  ])
  await jobs.enqueue(pay, 1)
  await completed
  await worker.stop()
  expect(await paid()).toEqual([12])
  expect(await sqlq.rows()).toMatchObject([{ status: 'success', attempt: '2', result: '"paid"' }])
})

it('completes in the handler’s own transaction, whose rollback leaves the job to be run again', async () => {
  const { sqlq, jobs, paid } = await bank()
  const pay = task<number>({ name: 'pay', backoff: '1ms', maxAttempts: 2 })
  const client = await connect(sqlq.url)
  const completed = events(jobs, 'completed', 1)
  const worker = jobs.work([
    pay.handle(async (n, job) => {
      await client.query('begin')
      await client.query('insert into payment values ($1)', [n * 10 + job.attempt])
      await job.complete(undefined, { tx: client })
      await client.query(job.attempt === 1 ? 'rollback' : 'commit')
    }),
  ])
  await jobs.enqueue(pay, 1)
  await completed
  await worker.stop()
  expect(await paid()).toEqual([12])
  expect(await sqlq.rows()).toMatchObject([{ status: 'success', attempt: '2' }])
})

it('lets nobody complete in a transaction what is no longer his: it was reaped, and another runs it', async () => {
  const { sqlq, jobs, paid } = await bank()
  await jobs.enqueue(task<number>({ name: 'pay', maxAttempts: 3 }), 1)
  const held = await jobs.lease()
  await sqlq.client.query(`update sqlq.jobs set last_keepalive = now() - interval '31 seconds'`)
  await sqlq.client.query('select sqlq.reap(null)')
  await sqlq.client.query('select sqlq.dequeue_job(null, null)')
  const before = await sqlq.rows()
  expect(before).toMatchObject([{ status: 'running', attempt: '2' }])
  const client = await connect(sqlq.url)
  await client.query('begin')
  await client.query('insert into payment values (1)')
  await expect(held?.complete(undefined, { tx: client })).rejects.toThrow(LeaseLostError)
  await client.query('rollback')
  expect(await paid()).toEqual([])
  expect(await sqlq.rows()).toEqual(before)
})

it('settles others while a transaction that completes one stays open, and does not wait for it', async () => {
  const { sqlq, jobs } = await bank()
  const one = task<number>({ name: 'one' })
  await jobs.enqueueMany([one.with(1), one.with(2)])
  const [first, second] = await jobs.leaseMany({ limit: 2 })
  const client = await connect(sqlq.url)
  await client.query('begin')
  await first?.complete(undefined, { tx: client })
  expect(await second?.complete()).toBe(true)
  const store = await sqlq.store()
  const now = Date.now()
  await store.claim({ tasks: undefined, limit: 9, lease: 'x', until: now + 30_000, now }) // others go on, too
  await client.query('commit')
  expect((await sqlq.rows()).map(({ status }) => status)).toEqual(['success', 'success'])
})

it('leaves for later the end of a run whose row a transaction has locked, and settles the others of the same exchange', async () => {
  const { sqlq, jobs } = await bank()
  const store = await sqlq.store()
  await jobs.enqueueMany([1, 2].map((n) => task<number>({ name: 'one' }).with(n)))
  const now = Date.now()
  const claim = { tasks: undefined, limit: 2, until: now + 30_000, now }
  const { jobs: running } = await store.claim({ ...claim, lease: 'x' })
  const client = await connect(sqlq.url)
  await client.query('begin')
  await client.query('select from sqlq.jobs where id = $1 for update', [running[0]?.id])
  const writes = running.map((job) => settle(job, { kind: 'succeeded', result: undefined }, store.rules, now, 0))
  const { settled } = await store.claim({ ...claim, lease: 'y', settle: writes })
  expect(settled).toEqual([{ ok: false, current: running[0] }, { ok: true }])
  await client.query('commit')
  expect(await store.apply(writes.slice(0, 1), now)).toEqual([{ ok: true }])
})

it('takes back no job that is being completed in an open transaction, and does not wait for that', async () => {
  const { sqlq, jobs } = await bank()
  await jobs.enqueue(task<number>({ name: 'one', maxAttempts: 3 }), 1)
  const held = await jobs.lease()
  await sqlq.client.query(`update sqlq.jobs set last_keepalive = now() - interval '31 seconds'`)
  const client = await connect(sqlq.url)
  await client.query('begin')
  await held?.complete(undefined, { tx: client })
  const store = await sqlq.store()
  const now = Date.now()
  const { jobs: dead } = await store.expired(now, 9)
  const rescues = dead.map((job) => settle(job, { kind: 'expired' }, store.rules, now, 0))
  expect(await store.apply(rescues, now)).toEqual([{ ok: false, current: dead[0] }])
  await client.query('commit')
  expect(await store.apply(rescues, now)).toMatchObject([{ ok: false, current: { state: 'completed' } }])
})

async function bank(): Promise<{
  readonly sqlq: Sqlq
  readonly jobs: Awaited<ReturnType<Sqlq['jobs']>>
  readonly paid: () => Promise<readonly number[]>
}> {
  const sqlq = await newSqlq()
  await sqlq.client.query('drop table if exists payment; create table payment (n integer)')
  return {
    sqlq,
    jobs: await sqlq.jobs(),
    paid: async () =>
      (await sqlq.client.query<{ n: number }>('select n from payment order by n')).rows.map(({ n }) => n),
  }
}
