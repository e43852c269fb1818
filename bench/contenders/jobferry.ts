import { type Jobs, task } from '../../src/index.ts'
import { type BenchJob, batches, inFlight, type Payload, type Session, type Stuck } from '../contender.ts'

/** jobferry through its public interface, on whatever store it was opened. */
export function jobferrySession(jobs: Jobs, keep: boolean): Session {
  const noop = task<Payload>({ name: 'noop', retention: { completed: keep ? '1h' : false } })
  const entries = (list: readonly BenchJob[]): ReturnType<typeof noop.with>[] =>
    list.map(({ payload }) => noop.with(payload))
  const bulk = async (list: readonly BenchJob[], size: number): Promise<void> => {
    for (const batch of batches(list, size)) await jobs.enqueueMany(entries(batch))
  }
  return {
    oneByOne: async (list) => {
      for (const { payload } of list) await jobs.enqueue(noop, payload)
    },
    concurrent: (list, width) => inFlight(list, width, ({ payload }) => jobs.enqueue(noop, payload)),
    bulk,
    fill: (list) => bulk(list, 1_000),
    drain: async (total, concurrency, ran) => {
      let left = total
      const { promise: all, resolve } = Promise.withResolvers<void>()
      const handled = noop.handle(async (payload) => {
        ran(payload)
        left -= 1
        if (left === 0) resolve()
      })
      const worker = jobs.work([handled], { concurrency })
      await all
      await worker.stop() // stores the last settlements
    },
    listen: (picked) => {
      const worker = jobs.work([noop.handle(async ({ n }) => picked(n))])
      return async () => {
        await worker.stop()
      }
    },
    claim: async (limit) => {
      const held = await jobs.leaseMany({ limit, for: '10m' })
      if (held.length !== limit) throw new Error(`${held.length} jobs were claimed, not ${limit}`)
      return async () => {
        const ended = await Promise.all(held.map((job) => job.complete()))
        if (ended.includes(false)) throw new Error('A job that was held could not be completed')
      }
    },
    stick: (stuck, list) => stick(jobs, stuck, list),
    close: () => jobs.close(),
  }
}

const stuckTask = task<Payload>({ name: 'stuck', priority: -1, retention: { completed: false } })
const noopInFront = task<Payload>({ name: 'noop', priority: -1, retention: { completed: false } })

async function stick(jobs: Jobs, stuck: Stuck, list: readonly BenchJob[]): Promise<void> {
  const add = async (make: (payload: Payload) => ReturnType<typeof noopInFront.with>): Promise<void> => {
    for (const batch of batches(list, 1_000)) await jobs.enqueueMany(batch.map(({ payload }) => make(payload)))
  }
  switch (stuck) {
    case 'paused':
      await jobs.pause('paused')
      return await add((payload) => noopInFront.with(payload, { queue: 'paused' }))
    case 'unknown':
      return await add((payload) => stuckTask.with(payload))
    case 'key':
      await add((payload) => noopInFront.with(payload, { concurrencyKey: 'busy' }))
      if ((await jobs.lease({ for: '10m' })) === undefined) throw new Error('There was no job to hold')
      return undefined
    case 'expired':
      await add((payload) => stuckTask.with(payload))
      for (let left = list.length; left > 0;) {
        const held = await jobs.leaseMany({ limit: Math.min(left, 1_000), for: '100ms' })
        if (held.length === 0) throw new Error(`${left} jobs are gone`)
        left -= held.length
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
