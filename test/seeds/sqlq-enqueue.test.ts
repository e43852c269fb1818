import { Pool } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { open, task, UsageError } from '../../src/index.ts'
import { connect, openPostgresBench, T } from './postgres-kit.ts'

const work = task<unknown>({ name: 'work' })

describe('sqlq: enqueueing', () => {
  it('S1: makes a queue with its first job, and a job that waits, with all that is known of it', async () => {
    const { jobs } = await openPostgresBench()
    const queues = ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd', 'a', 'b']
    const added = await Promise.all(queues.map((queue, n) => jobs.enqueue(work, n, { queue })))
    for (const [n, { id, outcome }] of added.entries()) {
      expect(outcome).toBe('added')
      expect(await jobs.get(id)).toMatchObject({ id, task: 'work', queue: queues[n], state: 'pending', payload: n })
    }
    const stats = await jobs.stats()
    expect(stats.map(({ queue, counts }) => [queue, counts.pending])).toEqual([
      ['a', 3],
      ['b', 3],
      ['c', 2],
      ['d', 2],
    ])
  })

  it('S2: enqueues in a transaction of the caller’s: with its commit there is a job, with its rollback none', async () => {
    const { jobs } = await openPostgresBench()
    const client = await connect()
    await client.query('begin')
    await jobs.enqueue(work, 'undone', { tx: client })
    await client.query('rollback')
    expect(await jobs.lease()).toBeUndefined()
    await client.query('begin')
    const { id } = await jobs.enqueue(work, 'done', { tx: client })
    expect(await jobs.lease()).toBeUndefined()
    await client.query('commit')
    expect(await jobs.lease()).toMatchObject({ id, payload: 'done' })
  })

  it('S2: takes a pool of the caller’s, and leaves it open', async () => {
    const { url, schema } = await openPostgresBench()
    const pool = new Pool({ connectionString: url })
    onTestFinished(() => pool.end())
    const jobs = await open('postgres:', { pool, schema, logger: false })
    const { id } = await jobs.enqueue(work, 1)
    expect(await jobs.get(id)).toMatchObject({ payload: 1 })
    await jobs.close()
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('S3: keeps what a job asks for, and its task’s policy for the rest', async () => {
    const { jobs, clock } = await openPostgresBench()
    const plain = await jobs.enqueue(work, {})
    const own = await jobs.enqueue(work, {}, { maxAttempts: 7, priority: 3, retention: { completed: '2h' } })
    expect(await jobs.get(plain.id)).toMatchObject({ maxAttempts: 5, priority: 0 })
    expect(await jobs.get(own.id)).toMatchObject({ maxAttempts: 7, priority: 3 })
    for (const held of await jobs.leaseMany({ limit: 2, for: '90s' })) {
      expect(held.leaseUntil).toBe(clock.now() + 90_000) // sqlq's keepalive interval belongs to whoever holds the job
      await held.complete()
    }
    expect(await jobs.get(plain.id)).toMatchObject({ forgetAt: clock.now() + 3_600_000 })
    expect(await jobs.get(own.id)).toMatchObject({ forgetAt: clock.now() + 7_200_000 })
  })

  it('S3: refuses an option that nobody knows, before anything is stored', async () => {
    const { jobs } = await openPostgresBench()
    await expect(jobs.enqueue(work, {}, { maxRetries: 3 } as never)).rejects.toThrow(UsageError)
    expect(await jobs.stats()).toEqual([])
  })

  it('S4: runs a job after a delay, or at a time, to the millisecond', async () => {
    const { jobs, clock } = await openPostgresBench()
    const starts: [unknown, number][] = []
    jobs.work([work.handle((payload) => void starts.push([payload, clock.now() - T]))], { poll: '10m' })
    await jobs.enqueue(work, 'after', { delay: '1.5s' })
    await jobs.enqueue(work, 'at', { runAt: new Date(T + 2_001) })
    await clock.advance('3s')
    expect(starts).toEqual([
      ['after', 1_500],
      ['at', 2_001],
    ])
  })

  it('S5: gives every payload to the handler as it was enqueued', async () => {
    const { jobs, clock } = await openPostgresBench()
    const payloads = [
      100,
      'text',
      '',
      null,
      true,
      [1, [2]],
      { a: [null, 'ü€😀', 1.5e-7] },
      { '\\u0000': 'a\0b' },
      '\ud800',
    ]
    const seen: unknown[] = []
    jobs.work([work.handle((given) => void seen.push(given))])
    await jobs.enqueueMany(payloads.map((payload) => work.with(payload)))
    await clock.settle()
    expect(seen).toEqual(payloads)
  })

  it('S6: shows every fact of a job, at every moment of its life', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, { to: 'ada' }, { queue: 'mail', priority: 5, maxAttempts: 3 })
    const waiting = {
      id,
      task: 'work',
      queue: 'mail',
      state: 'pending',
      priority: 5,
      payload: { to: 'ada' },
      payloadKept: true,
      result: undefined,
      attempt: 0,
      maxAttempts: 3,
      createdAt: T,
      runAt: T,
      startedAt: undefined,
      finishedAt: undefined,
      forgetAt: undefined,
      leaseUntil: undefined,
      failures: [],
      unique: undefined,
      concurrencyKey: undefined,
      cancel: undefined,
      parent: undefined,
    }
    expect(await jobs.get(id)).toEqual(waiting)
    await clock.advance('1s')
    const held = await jobs.lease({ for: '30s' })
    const running = { ...waiting, state: 'running', attempt: 1, startedAt: T + 1_000, leaseUntil: T + 31_000 }
    expect(await jobs.get(id)).toEqual(running)
    await clock.advance('5s')
    await held?.extend('30s') // sqlq's last_keepalive
    expect(await jobs.get(id)).toEqual({ ...running, leaseUntil: T + 36_000 })
    await held?.complete({ sent: true })
    const forgetAt = T + 6_000 + 3_600_000 // sqlq's retention_ttl
    expect(await jobs.get(id)).toEqual({
      ...running,
      state: 'completed',
      result: { sent: true },
      finishedAt: T + 6_000,
      forgetAt,
      leaseUntil: undefined,
    })
  })

  it('S7: lives with columns that it does not know', async () => {
    const { jobs, clock, schema } = await openPostgresBench()
    const client = await connect()
    await client.query(`alter table ${schema}.job add column tenant text not null default 'a'`)
    await client.query(`alter table ${schema}.queue add column owner text`)
    await client.query(`alter table ${schema}.log add column host inet`)
    jobs.work([work.handle((_, job) => job.log.info('here'))])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', payload: 1 })
    expect(await jobs.logs(id)).toMatchObject([{ message: 'here' }])
    expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: 1 })
  })
})
