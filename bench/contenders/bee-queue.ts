import BeeQueue, { type QueueSettings } from 'bee-queue'
import { type BenchJob, batches, type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { redisDatabase } from './redis-database.ts'

/** What the two bee-queue contenders differ in. */
interface Settings {
  readonly producer: QueueSettings
  readonly worker: (keep: boolean) => QueueSettings
  readonly finished: Contender['finished']
}

const queueName = 'bench'

/** bee-queue. It has no claim by hand. */
export function beeQueue(name: string, { producer, worker, finished }: Settings): Contender {
  return {
    name,
    finished,
    open: async (url, _durability, keep) => {
      const start = async (settings: QueueSettings): Promise<BeeQueue<Payload>> => {
        const queue = new BeeQueue<Payload>(queueName, { ...settings, redis: { url } })
        queue.on('error', (error) => console.error(error))
        return await queue.ready()
      }
      return session(await start(producer), () => start(worker(keep)))
    },
    ...redisDatabase(async (client) => {
      const of = (kind: string): string => `bq:${queueName}:${kind}`
      const waiting = (await client.llen(of('waiting'))) + (await client.llen(of('active')))
      return { stored: await client.hlen(of('jobs')), unfinished: waiting + (await client.zcard(of('delayed'))) }
    }),
  }
}

function session(queue: BeeQueue<Payload>, start: () => Promise<BeeQueue<Payload>>): Session {
  const workers: BeeQueue<Payload>[] = []
  const bulk = async (jobs: readonly BenchJob[], size: number): Promise<void> => {
    for (const batch of batches(jobs, size)) {
      const failed = await queue.saveAll(batch.map(({ payload }) => queue.createJob(payload)))
      for (const error of failed.values()) throw error
    }
  }
  return {
    oneByOne: async (jobs) => {
      for (const { payload } of jobs) await queue.createJob(payload).save()
    },
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => queue.createJob(payload).save()),
    bulk,
    fill: (jobs) => bulk(jobs, 1_000),
    drain: async (total, concurrency, ran) => {
      const worker = await start()
      workers.push(worker)
      let settled = 0
      const { promise: all, resolve } = Promise.withResolvers<void>()
      worker.on('succeeded', () => {
        settled += 1
        if (settled === total) resolve()
      })
      worker.process(concurrency, async ({ data }) => ran(data))
      await all
    },
    listen: async (picked) => {
      const worker = await start()
      worker.process(1, async ({ data }) => picked(data.n))
      return () => worker.close(5_000)
    },
    close: async () => {
      await Promise.all([queue, ...workers].map((one) => one.close(5_000)))
    },
  }
}
