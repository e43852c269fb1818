import { type ConstructorOptions, PgBoss, type Queue } from 'pg-boss'
import { type BenchJob, batches, type Contender, inFlight, type Payload, type Session } from '../contender.ts'
import { Absent } from '../works.ts'
import { atSchema, postgresSchema } from './postgres-schema.ts'

/** What the two pg-boss contenders differ in. Without `batch` a worker is left as it comes: one job each two seconds. */
interface Settings {
  boss(idle: boolean): Omit<ConstructorOptions, 'connectionString' | 'schema'>
  queue(idle: boolean): Omit<Queue, 'name'>
  readonly batch: number | undefined
}

/** pg-boss. It keeps every finished job (for a week), so its processing always retains. */
export function pgBoss(name: string, settings: Settings): Contender {
  return {
    name,
    finished: ['kept'],
    open: async (place, _durability, _keep, idle) => {
      const { url, schema } = atSchema(place)
      const boss = new PgBoss({ ...settings.boss(idle), connectionString: url, schema })
      boss.on('error', (error) => console.error(error))
      await boss.start()
      await boss.createQueue(queue, settings.queue(idle))
      return session(boss, settings.batch)
    },
    ...postgresSchema('job', "state < 'completed'"),
  }
}

const queue = 'noop'

function session(boss: PgBoss, batch: number | undefined): Session {
  const bulk = async (jobs: readonly BenchJob[], size: number): Promise<void> => {
    for (const some of batches(jobs, size))
      await boss.insert(
        queue,
        some.map(({ payload }) => ({ data: payload })),
      )
  }
  return {
    oneByOne: async (jobs) => {
      for (const { payload } of jobs) await boss.send(queue, payload)
    },
    concurrent: (jobs, width) => inFlight(jobs, width, ({ payload }) => boss.send(queue, payload)),
    bulk,
    fill: (jobs) => bulk(jobs, 1_000),
    drain: async (total, concurrency, ran) => {
      if (batch === undefined)
        throw new Absent('by default a worker fetches one job each two seconds, so its speed is half its concurrency')
      let left = total
      const { promise: all, resolve } = Promise.withResolvers<void>()
      const run = async (payload: Payload): Promise<void> => {
        ran(payload)
        left -= 1
        if (left === 0) resolve()
      }
      await boss.work<Payload>(queue, { batchSize: batch, burstWhenBatchFull: true }, async (jobs) => {
        for (const some of batches(jobs, concurrency)) await Promise.all(some.map(({ data }) => run(data)))
      })
      await all
      await boss.offWork(queue) // stores the last settlements
    },
    listen: async (picked) => {
      await boss.work<Payload>(queue, async (jobs) => {
        for (const { data } of jobs) picked(data.n)
      })
      return () => boss.offWork(queue)
    },
    claim: async (limit) => {
      const held = await boss.fetch(queue, { batchSize: limit })
      if (held.length !== limit) throw new Error(`${held.length} jobs were claimed, not ${limit}`)
      return async () => {
        await boss.complete(
          queue,
          held.map(({ id }) => id),
        )
      }
    },
    stick: async (stuck, jobs) => {
      if (stuck !== 'unknown') throw new Absent(`it has no jobs that are stuck by: ${stuck}`)
      await boss.createQueue('other')
      for (const some of batches(jobs, 1_000))
        await boss.insert(
          'other',
          some.map(({ payload }) => ({ data: payload, priority: 1 })),
        )
    },
    close: () => boss.stop({ graceful: false }),
  }
}
