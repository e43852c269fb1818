import { describe, expect, it } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { aClaim, addOne, ids, run, succeed, T } from '../../src/testing/contract/builders.ts'
import { connect, newDatabase, newSchema } from '../servers/kit.ts'
import { count, next } from '../sqlite/kit.ts'
import { openJobs, openStore, rejection } from './kit.ts'

const step = task<number>({ name: 'step', maxAttempts: 2, retention: { completed: '1h' } })

/** The URL of a database with settings of its own for everybody. */
async function newDatabaseWith(settings: Readonly<Record<string, string>>): Promise<string> {
  const url = await newDatabase()
  const client = await connect(url)
  const name = new URL(url).pathname.slice(1)
  for (const [setting, value] of Object.entries(settings))
    await client.query(`alter database ${name} set ${setting} = '${value}'`)
  return url
}

describe.for(['serializable', 'repeatable read', 'read committed'])(
  'in a database whose transactions are %s by default',
  (isolation) => {
    const settings = { default_transaction_isolation: isolation }

    it('four workers do all there is to do, once, and no error comes out', async () => {
      const url = await newDatabaseWith(settings)
      const workers = await Promise.all(Array.from({ length: 4 }, () => openJobs(url)))
      const [jobs] = workers as [Jobs, ...Jobs[]]
      const errors: unknown[] = []
      const runs = new Map<string, number>()
      const howMany = 400
      const done = Promise.withResolvers<void>()
      for (const one of workers) {
        one.on('error', ({ error }) => errors.push(error))
        one.on('lost', (event) => errors.push(event))
        one.work(
          [
            step.handle((_, job) => {
              runs.set(job.id, (runs.get(job.id) ?? 0) + 1)
              if (runs.size === howMany) done.resolve()
            }),
          ],
          { concurrency: 5, poll: '50ms' },
        )
      }
      await Promise.all(
        Array.from({ length: howMany }, (_, n) =>
          workers[n % 4]!.enqueue(step, n, {
            unique: `n:${n}`,
            ...(n % 4 === 0 ? { concurrencyKey: `key:${n % 3}` } : {}),
            queue: `q${n % 2}`,
          }),
        ),
      )
      await done.promise
      expect([...runs.values()].every((times) => times === 1)).toBe(true)
      expect(errors).toEqual([])
      expect((await jobs.stats()).length).toBe(2)
    })

    it('a limit over all workers holds', async () => {
      const url = await newDatabaseWith(settings)
      const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(url, { schema: 'jobferry' })))
      const [store] = stores
      await store!.configure('main', { concurrency: 3 })
      for (let n = 0; n < 40; n++) await addOne(store!, { task: `task-${n % 4}` })
      for (let round = 0; round < 8; round++) {
        // Each takes another task: they meet at no row, only at the count.
        const tasks = stores.map((_, n) => new Map([[`task-${n}`, 3]]))
        const claims = await Promise.all(stores.map((one, n) => one.claim(aClaim({ tasks: tasks[n], limit: 3 }))))
        const running = await store!.list({ state: 'running', limit: 100 })
        expect(running).toHaveLength(3)
        await store!.apply(
          claims.flatMap(({ jobs }) => jobs.map((job) => succeed(job))),
          T,
        )
      }
    })

    it('several processes make the tables at once', async () => {
      const url = await newDatabaseWith(settings)
      const opened = await Promise.all(Array.from({ length: 6 }, () => open(url, { logger: false })))
      await opened[0]!.enqueue(step, 1)
      for (const jobs of opened) {
        expect(await jobs.list()).toHaveLength(1)
        await jobs.close()
      }
    })
  },
)

it('a deadlock with somebody else’s transaction costs nothing but a second attempt', async () => {
  const url = await newDatabaseWith({ deadlock_timeout: '50ms' })
  const store = await openStore(url)
  const other = await connect(url)
  for (let round = 0; round < 3; round++) {
    const jobs = [await run(store), await run(store)]
    const [first, last] = ids(jobs).toSorted()
    await other.query('begin')
    await other.query('select from jobferry.job where id = $1 for update', [last])
    const settling = store.apply(
      jobs.map((job) => succeed(job)),
      T,
    ) // holds the first, and waits for the last
    const crossing = other.query('select from jobferry.job where id = $1 for update', [first]).then(
      () => 'it waited',
      (error: { code: string }) => error.code,
    )
    const how = await crossing
    await other.query('rollback')
    expect(await settling).toEqual([{ ok: true }, { ok: true }])
    expect(['40P01', 'it waited']).toContain(how)
  }
})

it('statements that are ended for their time, or for a lock, lose no job', async () => {
  const url = await newDatabaseWith({ statement_timeout: '100ms', lock_timeout: '20ms' })
  const jobs = await openJobs(url)
  const other = await connect(url)
  await other.query('set statement_timeout = 0')
  const errors: { readonly retryable: boolean }[] = []
  jobs.on('error', ({ error }) => errors.push(error as never))
  const runs = new Map<string, number>()
  const acknowledged = await jobs.enqueueMany(Array.from({ length: 50 }, (_, n) => step.with(n)))
  const completed = count(jobs, 'completed', acknowledged.length)
  await other.query('begin; lock table jobferry.tally in access exclusive mode')
  const trouble = next(jobs, 'error')
  jobs.work([step.handle((_, job) => void runs.set(job.id, (runs.get(job.id) ?? 0) + 1))], { concurrency: 5 })
  expect(await rejection(jobs.enqueue(step, 1))).toMatchObject({ name: 'StoreError', retryable: true })
  await trouble
  await other.query('rollback')
  await completed
  expect(acknowledged.map(({ id }) => runs.get(id))).toEqual(acknowledged.map(() => 1))
  expect(errors.filter(({ retryable }) => !retryable)).toEqual([])
})

it('what has to be tidied up meanwhile fails no enqueue, no claim and no settlement', async () => {
  const { url, schema } = await newSchema()
  const store = await openStore(url, { schema })
  const outside = await connect(url)
  await outside.query(
    `create or replace function ${schema}.sum_up() returns void language plpgsql as 'begin raise exception ''no''; end'`,
  )
  for (let n = 0; n < 600; n++) await addOne(store)
  const { jobs } = await store.claim(aClaim({ limit: 600 }))
  expect(jobs).toHaveLength(600)
  for (const job of jobs.slice(0, 550)) expect(await store.apply([succeed(job)], T)).toEqual([{ ok: true }])
  expect((await store.queues())[0]?.counts).toMatchObject({ running: 50, completed: 550 })
})
