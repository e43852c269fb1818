import { type JobsOptions, Queue, Worker } from 'bullmq'
import { type BenchJob, batches, type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { redisDatabase } from './redis-database.ts'

/** What the two BullMQ contenders differ in. */
interface Settings {
  jobs(keep: boolean): JobsOptions
  readonly finished: Contender['finished']
}

const queueName = 'bench'
const jobName = 'noop'
const token = 'bench'

/** BullMQ. */
export function bullmq(name: string, settings: Settings): Contender {
  return {
    name,
    finished: settings.finished,
    open: async (url, _durability, keep) => {
      const queue = new Queue<Payload>(queueName, { connection: { url }, defaultJobOptions: settings.jobs(keep) })
      queue.on('error', (error) => console.error(error))
      await queue.waitUntilReady()
      return session(url, queue)
    },
    ...redisDatabase(async (client) => {
      const of = (kind: string): string => `bull:${queueName}:${kind}`
      const waiting = (await client.llen(of('wait'))) + (await client.llen(of('active')))
      const later = (await client.zcard(of('delayed'))) + (await client.zcard(of('prioritized')))
      const ended = (await client.zcard(of('completed'))) + (await client.zcard(of('failed')))
      return { stored: waiting + later + ended, unfinished: waiting + later }
    }),
  }
}

function session(url: string, queue: Queue<Payload>): Session {
  const closing: Promise<void>[] = []
  let byHand: Worker<Payload> | undefined
  const start = (handle: ((payload: Payload) => void) | null, concurrency: number): Worker<Payload> => {
    const run = handle === null ? null : async ({ data }: { readonly data: Payload }) => handle(data)
    const options = { connection: { url }, concurrency, autorun: run !== null }
    const worker = new Worker<Payload>(queueName, run, options)
    worker.on('error', (error) => console.error(error))
    return worker
  }
  const bulk = async (jobs: readonly BenchJob[], size: number): Promise<void> => {
    for (const batch of batches(jobs, size))
      await queue.addBulk(batch.map(({ payload }) => ({ name: jobName, data: payload })))
  }
  return {
    oneByOne: async (jobs) => {
      for (const { payload } of jobs) await queue.add(jobName, payload)
    },
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => queue.add(jobName, payload)),
    bulk,
    fill: (jobs) => bulk(jobs, 1_000),
    drain: async (total, concurrency, ran) => {
      let settled = 0
      const { promise: all, resolve } = Promise.withResolvers<void>()
      const worker = start(ran, concurrency)
      worker.on('completed', () => {
        settled += 1
        if (settled === total) resolve()
      })
      await all
      closing.push(worker.close(true))
    },
    listen: async (picked) => {
      const worker = start(({ n }) => picked(n), 1)
      await worker.waitUntilReady()
      return () => worker.close(true)
    },
    claim: async (limit) => {
      byHand ??= start(null, 1)
      const worker = byHand
      const held = await Promise.all(Array.from({ length: limit }, () => worker.getNextJob(token, { block: false })))
      const jobs = held.flatMap((job) => job ?? [])
      if (jobs.length !== limit) throw new Error(`${jobs.length} jobs were claimed, not ${limit}`)
      return async () => {
        await Promise.all(jobs.map((job) => job.moveToCompleted(undefined, token, false)))
      }
    },
    close: async () => {
      await Promise.all([...closing, ...(byHand === undefined ? [] : [byHand.close(true)])])
      await queue.close()
    },
  }
}
