import { Pool } from 'pg'
import { beforeAll, expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { connect, newDatabase, newPgBouncer, newSchema } from '../servers/kit.ts'
import { pgBouncerCommand } from '../servers/pgbouncer.ts'
import { count, next } from '../sqlite/kit.ts'
import { openJobs, openStore, rejection } from './kit.ts'

const pay = task<number>({ name: 'pay', maxAttempts: 3, backoff: '10ms' })
beforeAll(pgBouncerCommand, 180_000) // where it has to be installed first

const options = { notify: false, prepare: false }

it('does all its work behind PgBouncer in transaction mode, without notifications and prepared statements', async () => {
  const url = await newDatabase()
  const outside = await connect(url)
  await outside.query('create table payment (n integer)')
  const pooler = await newPgBouncer(url)
  const [here, there] = [await openJobs(pooler.url, options), await openJobs(pooler.url, options)]
  const howMany = 200
  const errors: unknown[] = []
  for (const jobs of [here, there]) {
    jobs.on('error', ({ error }) => errors.push(error))
    jobs.work(
      [
        pay.handle((n, job) =>
          job.transaction(async (tx) => {
            await tx.query('insert into payment values ($1)', [n])
            if (n % 20 === 0 && job.attempt === 1) throw new Error('once more')
          }),
        ),
      ],
      { poll: '50ms', concurrency: 5 },
    )
  }
  const completed = Promise.withResolvers<void>()
  let done = 0
  for (const jobs of [here, there]) jobs.on('completed', () => ++done === howMany && completed.resolve())
  await Promise.all(
    Array.from({ length: howMany }, (_, n) => (n % 2 === 0 ? here : there).enqueue(pay, n, { unique: `n:${n}` })),
  )
  await completed.promise
  const { rows } = await outside.query('select count(*)::int as all, count(distinct n)::int as each from payment')
  expect(rows).toEqual([{ all: howMany, each: howMany }])
  expect(errors).toEqual([])
  expect((await outside.query('select from pg_prepared_statements')).rows).toEqual([])
})

it('enqueues in a transaction of the caller’s through the pooler', async () => {
  const url = await newDatabase()
  const pooler = await newPgBouncer(url)
  const jobs = await openJobs(pooler.url, options)
  const tx = await connect(pooler.url)
  await tx.query('begin')
  await jobs.enqueue(pay, 1, { tx })
  await tx.query('rollback')
  await tx.query('begin')
  await jobs.enqueue(pay, 2, { tx })
  await tx.query('commit')
  expect((await jobs.list()).map(({ payload }) => payload)).toEqual([2])
})

it('carries on when the pooler loses its connections to the server', async () => {
  const url = await newDatabase()
  const outside = await connect(url)
  const pooler = await newPgBouncer(url)
  const jobs = await openJobs(pooler.url, options)
  jobs.work([pay.handle(() => undefined)], { poll: '50ms' })
  for (let round = 0; round < 5; round++) {
    const completed = count(jobs, 'completed', 10)
    for (let n = 0; n < 10; n++) await jobs.enqueue(pay, n)
    await outside.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    await completed
  }
  const last = next(jobs, 'completed')
  await jobs.enqueue(pay, 1)
  await last
})

it('says what to do where prepared statements do not get through', async () => {
  const { url, schema } = await newSchema()
  const pool = new Pool({ connectionString: url, max: 1 })
  onTestFinished(() => pool.end())
  const store = await openStore(url, { schema, pool })
  await store.queues()
  await pool.query('deallocate all') // as if the next transaction were another connection's
  expect(await rejection(store.queues())).toMatchObject({
    name: 'StoreError',
    message: expect.stringContaining('open with `prepare: false`'),
  })
})
