import { DatabaseSync } from 'node:sqlite'
import { type Jobs, open, task } from '../../src/index.ts'
import { type BenchJob, batches, type Contender, inFlight, type Payload } from '../contender.ts'
import { sqliteFile } from './sqlite-file.ts'

/** jobferry, through its public interface. */
const ours: Contender = {
  name: 'ours',
  finished: ['removed', 'kept'],
  open: async (file, durability, keep) =>
    session(await open(`sqlite:${file}`, durability === 'default' ? {} : { durability }), keep),
  ...sqliteFile((file) => new DatabaseSync(file), 'jobferry_job', 'state < 2'),
}
export default ours

function session(jobs: Jobs, keep: boolean): Awaited<ReturnType<Contender['open']>> {
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
    close: () => jobs.close(),
  }
}
