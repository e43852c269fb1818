import Database from 'better-sqlite3'
import { better, defineQueue, defineWorker } from 'plainjob'
import { batches, type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { sqliteFile } from './sqlite-file.ts'

const day = 24 * 60 * 60 * 1_000
const nothing = (): void => undefined
/** Its default logger writes a line per job to the console. */
const logger = { error: console.error, warn: nothing, info: nothing, debug: nothing }

/**
 * plainjob on better-sqlite3. It sets NORMAL itself, so `relaxed` is its default. It always keeps finished jobs. One worker runs one job at
 * a time; for a concurrency of n it gets n workers. It only polls: once a millisecond here, the least a timer can do (its default is 1 s).
 */
const plainjob: Contender = {
  name: 'plainjob',
  finished: ['kept'],
  open: (file, durability) => {
    const database = new Database(file)
    // A job that waited longer than `timeout` is queued again while it runs: out of the way with it, and with the sweeps.
    const queue = defineQueue({ connection: better(database), logger, timeout: day, maintenanceInterval: day })
    if (durability === 'full') database.pragma('synchronous = full')
    return session(queue)
  },
  ...sqliteFile((file) => new Database(file), 'plainjob_jobs', 'status < 2'),
}
export default plainjob

const type = 'noop'

function session(queue: ReturnType<typeof defineQueue>): Session {
  let ended: Promise<void> | undefined
  const startWorkers = (
    count: number,
    handle: (payload: Payload) => void,
    settled: () => void,
  ): (() => Promise<void>) => {
    const workers = Array.from({ length: count }, () =>
      defineWorker(
        type,
        async ({ data }) => {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was stored by us
          handle(JSON.parse(data) as Payload)
        },
        { queue, logger, pollIntervall: 1, onCompleted: settled, onFailed: (_, error) => console.error(error) },
      ),
    )
    const running = workers.map((worker) => worker.start())
    return async () => {
      await Promise.all(workers.map((worker) => worker.stop()))
      await Promise.all(running)
    }
  }
  return {
    oneByOne: (jobs) => {
      for (const { payload } of jobs) queue.add(type, payload)
    },
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => queue.add(type, payload)),
    bulk: (jobs, size) => {
      for (const batch of batches(jobs, size))
        queue.addMany(
          type,
          batch.map(({ payload }) => payload),
        )
    },
    fill: (jobs) => {
      for (const batch of batches(jobs, 1_000))
        queue.addMany(
          type,
          batch.map(({ payload }) => payload),
        )
    },
    drain: async (total, concurrency, ran) => {
      let left = total
      const { promise: all, resolve } = Promise.withResolvers<void>()
      const stop = startWorkers(concurrency, ran, () => {
        left -= 1
        if (left === 0) resolve()
      })
      await all
      ended = stop() // everything is stored already; it ends after its next poll, and `close` waits for that
    },
    listen: (picked) => startWorkers(1, ({ n }) => picked(n), nothing),
    claim: (limit) => {
      const ids = Array.from({ length: limit }, () => queue.getAndMarkJobAsProcessing(type)?.id ?? Number.NaN)
      if (ids.includes(Number.NaN)) throw new Error(`fewer than ${limit} jobs were claimed`)
      return () => {
        for (const id of ids) queue.markJobAsDone(id)
      }
    },
    close: async () => {
      await ended
      queue.close()
    },
  }
}
