import { DatabaseSync } from 'node:sqlite'

import BetterSqlite3 from 'better-sqlite3'
import Libsql from 'libsql'
import pino from 'pino'
import { describe, expectTypeOf, it } from 'vitest'

import {
  type Cancellation,
  type Enqueued,
  type Failure,
  type HeldJob,
  type JobEvent,
  type JobInfo,
  type Jobs,
  type Middleware,
  open,
  type OpenOptions,
  pinoLogger,
  type QueueStats,
  snooze,
  type Store,
  task,
} from '../../src/index.ts'

declare const jobs: Jobs
declare const held: HeldJob

/** The handles of other clients, as far as they tell themselves from each other. None of them is installed here. */
interface Clients {
  readonly pg: { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>; release(): void }
  readonly postgresJs: {
    <T>(strings: TemplateStringsArray, ...values: readonly unknown[]): Promise<T[]>
    unsafe<T>(query: string, values?: (string | number)[]): Promise<T[]>
    savepoint<T>(run: () => Promise<T>): Promise<T>
  }
  readonly drizzle: { execute<T>(query: string | { getSQL(): object }): Promise<T>; rollback(): never }
  readonly kysely: { executeQuery(query: { sql: string }): Promise<{ rows: unknown[] }>; readonly isTransaction: true }
  readonly knex: { (table: string): object; raw<T>(sql: string, binding: string): Promise<T>; commit(): Promise<void> }
  readonly prisma: { $queryRawUnsafe<T>(query: string, ...values: unknown[]): Promise<T> }
}

const tick = task({ name: 'tick' })
const add = task<{ n: number }>({ name: 'add' })

describe('an enqueue in the caller’s transaction', () => {
  it('answers at once, with handles of each driver', () => {
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: new DatabaseSync(':memory:') })).toEqualTypeOf<Enqueued>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: new BetterSqlite3(':memory:') })).toEqualTypeOf<Enqueued>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: new Libsql(':memory:') })).toEqualTypeOf<Enqueued>()
    const tx = new DatabaseSync(':memory:')
    expectTypeOf(jobs.enqueueMany([tick.with()], { tx })).toEqualTypeOf<readonly Enqueued[]>()
    expectTypeOf(jobs.enqueue(tick, undefined, { tx, delay: '1m' })).toEqualTypeOf<Enqueued>()
  })

  it('answers with a promise, with handles of asynchronous clients', () => {
    const handles = {} as Clients
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.pg })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.postgresJs })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.drizzle })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.kysely })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.knex })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { tx: handles.prisma })).toEqualTypeOf<Promise<Enqueued>>()
    const tx = handles.pg
    expectTypeOf(jobs.enqueueMany([tick.with()], { tx })).toEqualTypeOf<Promise<readonly Enqueued[]>>()
    expectTypeOf(jobs.enqueue(tick, undefined, { tx, delay: '1m' })).toEqualTypeOf<Promise<Enqueued>>()
    expectTypeOf(jobs.enqueue(add, { n: 1 }, { delay: '1m' })).toEqualTypeOf<Promise<Enqueued>>()
  })

  it('is as strict about the payload, and about the handle', () => {
    const tx = new DatabaseSync(':memory:')
    // @ts-expect-error -- text is no number
    jobs.enqueue(add, { n: '1' }, { tx })
    // @ts-expect-error -- the payload is missing
    jobs.enqueue(add, { tx })
    // @ts-expect-error -- a path is no handle
    void jobs.enqueue(add, { n: 1 }, { tx: 'app.db' })
    // @ts-expect-error -- a missing handle is not the same as none
    void jobs.enqueue(add, { n: 1 }, { tx: undefined })
    // @ts-expect-error -- an object that can do nothing is no handle
    void jobs.enqueue(add, { n: 1 }, { tx: {} })
  })

  it('completes at once too, in a handler and by hand', () => {
    add.handle((_, job) => {
      expectTypeOf(job.complete({ ok: true }, { tx: new DatabaseSync(':memory:') })).toEqualTypeOf<void>()
      expectTypeOf(job.enqueue(add, { n: 1 }, { tx: new DatabaseSync(':memory:') })).toEqualTypeOf<Enqueued>()
    })
    expectTypeOf(held.complete(1, { tx: new BetterSqlite3(':memory:') })).toEqualTypeOf<void>()
  })

  it('completes with a promise on an asynchronous one', () => {
    const { pg, postgresJs } = {} as Clients
    add.handle(async (_, job) => {
      expectTypeOf(job.complete({ ok: true }, { tx: pg })).toEqualTypeOf<Promise<void>>()
      expectTypeOf(job.enqueue(add, { n: 1 }, { tx: postgresJs })).toEqualTypeOf<Promise<Enqueued>>()
    })
    expectTypeOf(held.complete(1, { tx: postgresJs })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(held.complete(1)).toEqualTypeOf<Promise<boolean>>()
  })
})

describe('a run in a transaction of the store’s own making', () => {
  it('gives what its function returns, and the function a connection to ask', () => {
    add.handle(async ({ n }, job) => {
      const paid = job.transaction(async (tx) => {
        const { rows } = await tx.query('select total from orders where id = $1', [n])
        expectTypeOf(rows).toEqualTypeOf<Readonly<Record<string, unknown>>[]>()
        expectTypeOf(await jobs.enqueue(tick, undefined, { tx })).toEqualTypeOf<Enqueued>()
        return rows.length
      })
      expectTypeOf(paid).toEqualTypeOf<Promise<number>>()
      // @ts-expect-error -- there is no commit to call
      await job.transaction((tx) => tx.commit())
    })
  })
})

describe('events', () => {
  it('are told apart by their name', () => {
    jobs.on('completed', (event) => {
      expectTypeOf(event.ranMs).toEqualTypeOf<number>()
      expectTypeOf(event.job.attempt).toEqualTypeOf<number>()
    })
    jobs.on('retrying', (event) => {
      expectTypeOf(event.error).toEqualTypeOf<unknown>()
      expectTypeOf(event.runAt).toEqualTypeOf<number>()
    })
    jobs.on('enqueued', (event) => expectTypeOf(event.outcome).toEqualTypeOf<'added' | 'kept' | 'replaced'>())
    jobs.on('pruned', (event) => expectTypeOf(event.count).toEqualTypeOf<number>())
    jobs.on('*', (event) => {
      expectTypeOf(event).toEqualTypeOf<JobEvent>()
      if (event.type === 'error') expectTypeOf(event.during).toEqualTypeOf<string>()
    })
    expectTypeOf(jobs.on('failed', () => undefined)).toEqualTypeOf<() => void>()
  })

  it('have no other names and facts', () => {
    // @ts-expect-error -- no such event
    jobs.on('complete', () => undefined)
    // @ts-expect-error -- a completed job has no error
    jobs.on('completed', (event) => event.error)
  })
})

describe('middleware', () => {
  it('gets the job and the rest of the run, and may answer in its place', () => {
    const time: Middleware = async (job, next) => {
      expectTypeOf(job.id).toEqualTypeOf<string>()
      expectTypeOf(next).toEqualTypeOf<() => Promise<unknown>>()
      return await next()
    }
    expectTypeOf(jobs.use(time)).toEqualTypeOf<Jobs>()
    jobs.use(() => snooze('5m')).use((_, next) => next())
    // @ts-expect-error -- it wants something that nobody gives
    jobs.use((_job, _next, _more) => undefined)
  })
})

describe('looking and steering', () => {
  it('answers with what it says', async () => {
    expectTypeOf(await jobs.get('id')).toEqualTypeOf<JobInfo | undefined>()
    expectTypeOf(await jobs.list({ state: 'failed', limit: 10 })).toEqualTypeOf<readonly JobInfo[]>()
    expectTypeOf(await jobs.stats()).toEqualTypeOf<readonly QueueStats[]>()
    expectTypeOf(await jobs.cancel('id')).toEqualTypeOf<Cancellation>()
    expectTypeOf(await jobs.wait('id', { timeout: '5s' })).toEqualTypeOf<JobInfo | undefined>()
    expectTypeOf(await jobs.lease({ queue: 'a', tasks: [add, 'other'], for: '1m' })).toEqualTypeOf<
      HeldJob | undefined
    >()
    expectTypeOf<JobInfo['payload']>().toEqualTypeOf<unknown>()
    expectTypeOf<JobInfo['failures']>().toEqualTypeOf<readonly Failure[]>()
    for await (const one of jobs.leases()) expectTypeOf(one).toEqualTypeOf<HeldJob>()
  })

  it('refuses words that nobody knows', () => {
    // @ts-expect-error -- no such state
    void jobs.list({ state: 'done' })
    // @ts-expect-error -- no such filter
    void jobs.list({ quue: 'a' })
    // @ts-expect-error -- a running job cannot be pruned
    void jobs.prune({ state: 'running' })
    // @ts-expect-error -- no such option
    void jobs.edit('id', { state: 'pending' })
  })

  it('shows nothing that could be changed by hand', () => {
    const info = {} as JobInfo
    // @ts-expect-error -- what was read is read-only
    info.state = 'failed'
    // @ts-expect-error -- the token of a lease is nobody’s business
    void info.lease
  })
})

describe('opening', () => {
  it('takes URLs, drivers and loggers', () => {
    expectTypeOf(open('sqlite:app.db')).toEqualTypeOf<Promise<Jobs>>()
    void open(['sqlite:a.db', 'sqlite:b.db'], { shardBy: (queue, count) => queue.length % count })
    void open('sqlite:app.db', { driver: (file) => new BetterSqlite3(file), logger: console })
    void open('sqlite:app.db', { driver: (file) => new Libsql(file), allowUnsafeSqlite: true, logger: false })
    void open('sqlite:app.db', { logger: pinoLogger(pino()), durability: { enqueue: 'full', settle: 'relaxed' } })
    // @ts-expect-error -- no such word
    void open('sqlite:app.db', { durability: 'normal' })
    // @ts-expect-error -- no such option
    void open('sqlite:app.db', { busyTimout: '5s' })
  })

  it('takes the options that go with the URL, and no others', () => {
    void open('postgres://host/db', { schema: 'jobs', connections: 5, logger: false })
    void open('postgresql://host/db', { durability: 'relaxed', migrate: false })
    void open('memory:', { logger: false })
    void open(['postgres://a/db', 'postgres://b/db'], { schema: 'jobs', shardBy: () => 0 })
    void open({} as Store, { logger: false })
    void open('backlite:app.db', { dispatcher: 'stopped', releaseAfter: '1m', busyTimeout: '5s' })
    // @ts-expect-error -- no such word
    void open('backlite:app.db', { dispatcher: 'off' })
    // @ts-expect-error -- of backlite alone
    void open('sqlite:app.db', { dispatcher: 'stopped' })
    // @ts-expect-error -- of SQLite alone
    void open('postgres://host/db', { busyTimeout: '5s' })
    // @ts-expect-error -- of PostgreSQL alone
    void open('sqlite:app.db', { schema: 'jobs' })
    // @ts-expect-error -- there is nothing to wait for
    void open('memory:', { busyTimeout: '5s' })
    // @ts-expect-error -- of PostgreSQL alone
    void open(['sqlite:a.db', 'sqlite:b.db'], { schema: 'jobs' })
    // @ts-expect-error -- a store of one’s own has been opened already
    void open({} as Store, { busyTimeout: '5s' })
  })

  it('takes the options of every store for a URL that is not known yet', () => {
    const url = String(process.env['JOBFERRY_URL'])
    const options: OpenOptions = { busyTimeout: '5s', schema: 'jobs', durability: 'full' }
    void open(url, options)
    void open([url, url], options)
    void open('sqlite:app.db', options)
    // @ts-expect-error -- of no store
    void open(url, { busyTimout: '5s' })
  })

  it('is closed at the end of its scope', () => {
    expectTypeOf<Jobs>().toExtend<AsyncDisposable>()
    expectTypeOf<HeldJob>().toExtend<AsyncDisposable>()
    expectTypeOf(jobs.work([tick.handle(() => 1)])).toExtend<AsyncDisposable>()
  })
})
