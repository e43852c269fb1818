import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { type Jobs, LeaseLostError, open, task } from '../../src/index.ts'
import { connect, newProxy, newSchema } from '../servers/kit.ts'
import { next } from '../sqlite/kit.ts'

const pay = task<number>({ name: 'pay', backoff: '10ms', maxAttempts: 3 })

interface Bank {
  readonly url: string
  readonly schema: string
  readonly jobs: Jobs
  /** A connection of nobody's, which sees what is committed. */
  readonly outside: Client
  paid(): Promise<readonly number[]>
  another(url?: string): Promise<Jobs>
}

async function openBank(): Promise<Bank> {
  const { url, schema } = await newSchema()
  const outside = await connect()
  await outside.query(`create table ${schema}.payment (n integer)`)
  const another = async (from = url): Promise<Jobs> => {
    const jobs = await open(from, { schema, logger: false })
    onTestFinished(() => jobs.close({ grace: 0 }))
    return jobs
  }
  return {
    url,
    schema,
    jobs: await another(),
    outside,
    paid: async () => {
      const { rows } = await outside.query<{ n: number }>(`select n from ${schema}.payment order by n`)
      return rows.map(({ n }) => n)
    },
    another,
  }
}

describe('job.transaction on PostgreSQL', () => {
  it('keeps the effects and the end with one commit, and leaves nothing of an attempt that throws', async () => {
    const { jobs, schema, paid } = await openBank()
    const completed = next(jobs, 'completed')
    jobs.work([
      pay.handle((n, job) =>
        job.transaction(async (tx) => {
          await tx.query(`insert into ${schema}.payment values ($1)`, [n * 10 + job.attempt])
          await jobs.enqueue(pay, 9, { tx, delay: '1h' })
          expect(await paid()).toEqual([])
          if (job.attempt === 1) throw new Error('card refused')
          return { paid: n }
        }),
      ),
    ])
    const { id } = await jobs.enqueue(pay, 1)
    await completed
    expect(await paid()).toEqual([12])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2, result: { paid: 1 } })
    expect((await jobs.list({ state: 'pending' })).map(({ payload }) => payload)).toEqual([9])
  })

  it('is tried again when its connection is killed in the middle', async () => {
    const { jobs, schema, paid, outside } = await openBank()
    const completed = next(jobs, 'completed')
    jobs.work([
      pay.handle((n, job) =>
        job.transaction(async (tx) => {
          await tx.query(`insert into ${schema}.payment values ($1)`, [n * 10 + job.attempt])
          const { rows } = await tx.query('select pg_backend_pid() as pid')
          if (job.attempt === 1) await outside.query('select pg_terminate_backend($1)', [rows[0]!['pid']])
        }),
      ),
    ])
    const { id } = await jobs.enqueue(pay, 1)
    await completed
    expect(await paid()).toEqual([12])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2, failures: [{ name: 'StoreError' }] })
  })

  it('counts as completed, once, when only the answer to its commit is lost', async () => {
    const bank = await openBank()
    const { schema, paid } = bank
    const proxy = await newProxy(bank.url)
    const jobs = await bank.another(proxy.url)
    const completed = next(jobs, 'completed')
    const thrown: unknown[] = []
    jobs.work([
      pay.handle(async (n, job) => {
        const inside = job.transaction(async (tx) => {
          await tx.query(`insert into ${schema}.payment values ($1)`, [n * 10 + job.attempt])
          await proxy.loseReply((request) => request.toString('latin1').includes('commit'))
        })
        await inside.catch((error: unknown) => {
          thrown.push(error)
          throw error
        })
      }),
    ])
    const { id } = await jobs.enqueue(pay, 1)
    await completed
    expect(thrown).toMatchObject([{ name: 'StoreError' }])
    expect(await paid()).toEqual([11])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, failures: [] })
  })

  it('commits nothing for a run whose job somebody else has by then', async () => {
    const { jobs, schema, paid, outside } = await openBank()
    const lost = next(jobs, 'lost')
    const thrown: unknown[] = []
    jobs.work([
      pay.handle(async (n, job) => {
        const inside = job.transaction(async (tx) => {
          await tx.query(`insert into ${schema}.payment values ($1)`, [n * 10 + job.attempt])
          if (job.attempt > 1) return
          await outside.query(`update ${schema}.job set lease = 'another', rev = rev + 1 where id = $1`, [job.id])
        })
        await inside.catch((error: unknown) => thrown.push(error))
      }),
    ])
    await jobs.enqueue(pay, 1)
    await lost
    expect(thrown).toEqual([expect.any(LeaseLostError)])
    expect(await paid()).toEqual([])
  })

  it('lets more runs begin one at a time than there are connections', async () => {
    const { jobs, schema, paid } = await openBank()
    const all = Promise.withResolvers<void>()
    let completed = 0
    jobs.on('completed', () => ++completed === 40 && all.resolve())
    jobs.work(
      [
        pay.handle((n, job) =>
          job.transaction(async (tx) => void (await tx.query(`insert into ${schema}.payment values ($1)`, [n]))),
        ),
      ],
      { concurrency: 40 },
    )
    await jobs.enqueueMany(Array.from({ length: 40 }, (_, n) => pay.with(n)))
    await all.promise
    expect(await paid()).toEqual(Array.from({ length: 40 }, (_, n) => n))
  })
})
