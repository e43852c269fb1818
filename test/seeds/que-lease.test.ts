import { describe, expect, it } from 'vitest'

import { type AsyncTransaction, task, UsageError } from '../../src/index.ts'
import { connect, next, nothingHeld, openQue, T, whileClaiming } from './que-kit.ts'

const mine = task<number | undefined>({ name: 'MyJob' })

describe('que-go: locking by hand', () => {
  it('Q10: gives the whole job under a lease that its row names, and holds neither a lock nor a connection for it', async () => {
    const { jobs, column, sessionsBecome } = await openQue()
    const { id } = await jobs.enqueue(mine, 7, { priority: 3, queue: 'q', maxAttempts: 4 })
    const held = await jobs.lease({ for: '1m' })
    expect(held).toMatchObject({
      id,
      task: 'MyJob',
      queue: 'q',
      priority: 3,
      payload: 7,
      attempt: 1,
      maxAttempts: 4,
      errors: [],
      createdAt: T,
      runAt: T,
      leaseUntil: T + 60_000,
    })
    expect(await column('select lease from @.job where state = 1')).toEqual([held?.lease])
    await sessionsBecome(nothingHeld)
  })

  it('Q11: gives a job that is held to nobody else, through whatever connection', async () => {
    const { jobs, another } = await openQue()
    await jobs.enqueue(mine)
    const both = await Promise.all([jobs.lease(), (await another()).lease()])
    expect(both.filter((held) => held !== undefined)).toHaveLength(1)
    expect(await jobs.lease()).toBeUndefined()
    expect(await (await another()).lease()).toBeUndefined()
  })

  it('Q12: answers that there is none without an error, and every connection is idle again', async () => {
    const { jobs, sessionsBecome } = await openQue()
    expect(await jobs.lease()).toBeUndefined()
    expect(await jobs.leaseMany({ limit: 10 })).toEqual([])
    await sessionsBecome(nothingHeld)
  })

  it('Q13: sees only the queue that is asked for', async () => {
    const { jobs } = await openQue()
    const { id } = await jobs.enqueue(mine, 1, { queue: 'extra' })
    expect(await jobs.lease({ queue: 'default' })).toBeUndefined()
    expect(await jobs.lease({ queue: 'extra' })).toMatchObject({ id })
  })

  it('Q14: takes only what is due, by priority, then by time, then what was added first', async () => {
    const { jobs, clock } = await openQue()
    const options = [
      { priority: 2 },
      { priority: 1, runAt: T - 1 },
      { priority: 1, runAt: T - 2 },
      { priority: 1, runAt: T - 2 },
      { priority: 0, runAt: T + 1 },
    ]
    await jobs.enqueueMany(options.map((one, n) => mine.with(n, one)))
    const payloads = async (): Promise<readonly unknown[]> =>
      (await jobs.leaseMany({ limit: 9 })).map(({ payload }) => payload)
    expect(await payloads()).toEqual([2, 3, 1, 0])
    await clock.advance(1)
    expect(await payloads()).toEqual([4])
  })
})

describe('que-go: the connection of a job', () => {
  it('Q15: gives a handler one connection for its job’s transaction, and no longer than that', async () => {
    const { jobs, sessionsBecome } = await openQue()
    const completed = next(jobs, 'completed')
    let late: AsyncTransaction | undefined
    const pids: unknown[] = []
    jobs.work([
      mine.handle(async (_, job) => {
        await job.transaction(async (tx) => {
          for (const text of ['select pg_backend_pid() as pid', 'select pg_backend_pid() as pid, 2 as time'])
            pids.push(...(await tx.query(text)).rows.map(({ pid }) => pid))
          await sessionsBecome({ busy: 1 })
          late = tx
        })
      }),
    ])
    await jobs.enqueue(mine)
    await completed
    expect(pids).toEqual([pids[0], pids[0]])
    await expect(jobs.enqueue(mine, 1, { tx: late! })).rejects.toThrow('The transaction has ended')
    await sessionsBecome(nothingHeld)
  })

  it('Q16: lets every end of a job be called at once: exactly one counts, and the others say no', async () => {
    const { jobs } = await openQue()
    const { id } = await jobs.enqueue(mine)
    const held = (await jobs.lease())!
    const ends = [held.complete(), held.fail(new Error('no')), held.release(), held.snooze('1m'), held.cancel()]
    const counted = await Promise.all(ends)
    expect(counted.filter(Boolean)).toHaveLength(1)
    const states = ['completed', 'pending', 'pending', 'pending', 'cancelled']
    expect((await jobs.get(id))?.state).toBe(states[counted.indexOf(true)])
  })

  it('Q16: begins one transaction of a run, should it be asked for twice at once', async () => {
    const { jobs } = await openQue()
    const completed = next(jobs, 'completed')
    const refused: unknown[] = []
    jobs.work([
      mine.handle(async (n, job) => {
        const inside = job.transaction(() => n)
        await job.transaction(() => 'again').catch((error: unknown) => refused.push(error))
        await inside
      }),
    ])
    const { id } = await jobs.enqueue(mine, 7)
    await completed
    expect(refused).toEqual([expect.any(UsageError)])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 7 })
  })
})

describe('que-go: the race between finding a job and locking it', () => {
  it('Q17: passes a job by that is being moved in a transaction, and gives the next', async () => {
    const { jobs, url } = await openQue()
    const first = await jobs.enqueue(mine, 1, { unique: 'a' })
    const second = await jobs.enqueue(mine, 2)
    const tx = await connect(url)
    await tx.query('begin')
    await jobs.enqueue(mine, 1, { tx, delay: '1h', unique: { key: 'a', onConflict: 'replace' } })
    expect(await jobs.lease()).toMatchObject({ id: second.id })
    await tx.query('commit')
    expect(await jobs.lease()).toBeUndefined()
    expect(first.id < second.id).toBe(true)
  })

  it('Q17: gives the next when its job is deleted while the claim is under way', async () => {
    const bench = await openQue()
    const { jobs, sessionsBecome } = bench
    const first = await jobs.enqueue(mine, 1)
    const second = await jobs.enqueue(mine, 2)
    const held = await whileClaiming(
      bench,
      () => jobs.lease(),
      () => jobs.delete(first.id),
    )
    expect(held).toMatchObject({ id: second.id })
    expect(await jobs.lease()).toBeUndefined()
    await sessionsBecome(nothingHeld)
  })

  it('Q18: looks past any number of jobs that others are changing, in one round, and leaves no lock behind', async () => {
    const { jobs, another, url, sessionsBecome } = await openQue()
    const change = (payload: number) => mine.with(payload, { unique: { key: `${payload}`, onConflict: 'replace' } })
    await jobs.enqueueMany(Array.from({ length: 31 }, (_, n) => change(n)))
    const tx = await connect(url)
    await tx.query('begin')
    await jobs.enqueueMany(
      Array.from({ length: 30 }, (_, n) => change(n)),
      { tx },
    )
    expect(await jobs.lease()).toMatchObject({ payload: 30 })
    expect(await jobs.lease()).toBeUndefined()
    expect(await (await another()).lease()).toBeUndefined()
    await sessionsBecome(nothingHeld)
    await tx.query('rollback')
    expect(await jobs.lease()).toMatchObject({ payload: 0 })
  })
})
