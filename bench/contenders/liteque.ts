import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { type DequeuedJob, type Job, migrateDB, Runner, SqliteQueue } from 'liteque'
import { type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { sqliteFile } from './sqlite-file.ts'

/**
 * liteque on better-sqlite3, through drizzle. It sets NORMAL itself, so `relaxed` is its default; it always removes finished jobs, and has
 * no bulk enqueue. It only polls: once a millisecond here, the least a timer can do.
 *
 * As published it works with no better-sqlite3 that works on Node 24: from 11.10 on, `transaction` refuses its asynchronous function; the
 * older ones, compiled here, crash the process (`RemoveEnvironmentCleanupHook`). So it gets the newest, with the `transaction` of the older
 * ones put back. On Node 20 with better-sqlite3 11.5.0 as it is, the same script gave the same figures.
 */
const liteque: Contender = {
  name: 'liteque',
  finished: ['removed'],
  open: (file, durability) => {
    const database = new Database(file)
    // what its buildDBClient sets
    for (const pragma of [
      'journal_mode = wal',
      'synchronous = normal',
      'cache_size = -65536',
      'foreign_keys = on',
      'temp_store = memory',
    ])
      database.pragma(pragma)
    if (durability === 'full') database.pragma('synchronous = full')
    const orm = drizzle(database)
    migrateDB(orm)
    database.transaction = transactionAsItWas(database)
    return session(
      new SqliteQueue<Payload>('bench', orm, { defaultJobArgs: { numRetries: 0 }, keepFailedJobs: true }),
      database,
    )
  },
  ...sqliteFile((file) => new Database(file), 'tasks', 'true'),
}
export default liteque

/** better-sqlite3 up to 11.9 committed as soon as the function returned, promise or not. */
function transactionAsItWas(database: Database.Database): Database.Database['transaction'] {
  const [begin, commit, rollback] = ['begin', 'commit', 'rollback'].map((sql) => database.prepare(sql))
  // oxlint-disable-next-line typescript/no-explicit-any -- the driver's own type
  const transaction = (call: (...args: any[]) => unknown): any => {
    const run = (...args: unknown[]): unknown => {
      begin?.run()
      try {
        const returned = call(...args)
        commit?.run()
        return returned
      } catch (error) {
        rollback?.run()
        throw error
      }
    }
    return Object.assign(run, { default: run, deferred: run, immediate: run, exclusive: run })
  }
  return transaction as Database.Database['transaction']
}

/** Its timers, one per job, are never cleared: long enough to stay out of the way. */
const timeoutSecs = 24 * 60 * 60

function session(queue: SqliteQueue<Payload>, database: Database.Database): Session {
  let settled = (): void => undefined
  let ended: Promise<void> | undefined
  const finalize = queue.finalize.bind(queue)
  queue.finalize = async (...args) => {
    await finalize(...args)
    settled()
  }
  const runner = (concurrency: number, run: (job: DequeuedJob<Payload>) => Promise<void>): Runner<Payload> =>
    new Runner(
      queue,
      { run, onError: async ({ error }) => console.error(error) },
      { concurrency, pollIntervalMs: 1, timeoutSecs },
    )
  const oneByOne = async (jobs: Parameters<Session['oneByOne']>[0]): Promise<void> => {
    for (const { payload } of jobs) await queue.enqueue(payload)
  }
  return {
    oneByOne,
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => queue.enqueue(payload)),
    fill: async (jobs) => {
      database.exec('begin')
      await oneByOne(jobs)
      database.exec('commit')
    },
    drain: async (total, concurrency, ran) => {
      let left = total
      const { promise: all, resolve } = Promise.withResolvers<void>()
      settled = () => {
        left -= 1
        if (left === 0) resolve()
      }
      const running = runner(concurrency, async ({ data }) => ran(data))
      ended = running.run()
      await all
      running.stop() // everything is stored already; it ends after its next poll, and `close` waits for that
    },
    listen: (picked) => {
      const running = runner(1, async ({ data }) => picked(data.n))
      ended = running.run()
      return async () => {
        running.stop()
        await ended
      }
    },
    claim: async (limit) => {
      const taken: (Job | null)[] = []
      for (let i = 0; i < limit; i += 1) taken.push(await queue.attemptDequeue({ timeoutSecs }))
      return async () => {
        for (const job of taken) {
          if (job === null) throw new Error(`fewer than ${limit} jobs were claimed`)
          await finalize(job.id, job.allocationId, 'completed')
        }
      }
    },
    close: async () => {
      await ended
      database.close()
    },
  }
}
