import { Logger, makeWorkerUtils, run, type Runner, type WorkerSettings, type WorkerUtils } from 'graphile-worker'
import { type BenchJob, batches, type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { Absent } from '../works.ts'
import { atSchema, postgresSchema } from './postgres-schema.ts'

/** Errors only. */
const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message)
})

/** graphile-worker. It removes every finished job, and has no claim by hand. */
export function graphileWorker(name: string, settings: WorkerSettings): Contender {
  return {
    name,
    finished: ['removed'],
    open: async (place) => {
      const { url, schema } = atSchema(place)
      const options = { connectionString: url, schema, logger }
      const utils = await makeWorkerUtils(options)
      await utils.migrate()
      return session(utils, { ...options, ...settings })
    },
    ...postgresSchema('_private_jobs', 'true'),
  }
}

const task = 'noop'

function session(utils: WorkerUtils, settings: WorkerSettings): Session {
  let ended: Promise<void> | undefined
  const anyHeld = async (): Promise<boolean> => {
    const sql = `select from ${settings.schema}._private_jobs where locked_at is not null limit 1`
    return (await utils.withPgClient((client) => client.query(sql))).rowCount === 1
  }
  const bulk = async (jobs: readonly BenchJob[], size: number): Promise<void> => {
    for (const batch of batches(jobs, size))
      await utils.addJobs(batch.map(({ payload }) => ({ identifier: task, payload })))
  }
  const start = (concurrency: number, handle: (payload: Payload) => void): Promise<Runner> =>
    run({
      preset: { worker: { ...settings, concurrentJobs: concurrency } },
      parsedCronItems: [],
      noHandleSignals: true,
      taskList: {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was stored by us
        [task]: async (payload) => handle(payload as Payload),
      },
    })
  return {
    oneByOne: async (jobs) => {
      for (const { payload } of jobs) await utils.addJob(task, payload)
    },
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => utils.addJob(task, payload)),
    bulk,
    fill: (jobs) => bulk(jobs, 1_000),
    drain: async (total, concurrency, ran) => {
      let left = total
      const { promise: all, resolve } = Promise.withResolvers<void>()
      const runner = await start(concurrency, (payload) => {
        ran(payload)
        left -= 1
        if (left === 0) resolve()
      })
      await all
      while (await anyHeld()) continue // its `stop` can return before the last completions are stored
      ended = runner.stop()
    },
    listen: async (picked) => {
      const runner = await start(1, ({ n }) => picked(n))
      return () => runner.stop()
    },
    stick: async (stuck, jobs) => {
      if (stuck !== 'unknown' && stuck !== 'key') throw new Absent(`it has no jobs that are stuck by: ${stuck}`)
      const spec =
        stuck === 'key'
          ? { identifier: task, queueName: 'busy', priority: -1 }
          : { identifier: 'unknown', priority: -1 }
      for (const batch of batches(jobs, 1_000)) await utils.addJobs(batch.map(({ payload }) => ({ ...spec, payload })))
      if (stuck === 'unknown') return
      const sql = `update ${settings.schema}._private_job_queues set locked_at = now(), locked_by = 'another'`
      await utils.withPgClient((client) => client.query(sql))
    },
    close: async () => {
      await ended
      await utils.release()
    },
  }
}
