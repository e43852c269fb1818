// A producer process of the kill test: enqueues batches one after the other, as many as it is allowed to, and writes down what was acknowledged.
import type { Enqueued, Entry } from '../../src/index.ts'
import type { Ack } from './acks.ts'
import { during } from './failpoints.ts'
import { contends, entryOf, kindOf, type Payload } from './kinds.ts'
import { Log, readLog } from './log.ts'
import { batchesOf, batchSize, files, slots } from './plan.ts'
import { insistently } from './insistently.ts'
import { begin } from './process.ts'

const { part, jobs, application } = await begin()
const { plan, slot, who } = part

const file = files.acks(plan.dir, slot)
const last = (readLog(file) as readonly Ack[]).reduce(
  (most, ack) => Math.max(most, 'batch' in ack ? ack.batch : -1),
  -1,
)
const acks = new Log(file)
let allowed = 0
let onAllowed = (): void => undefined
process.on('message', ({ upTo }: { upTo: number }) => {
  allowed = upTo
  onAllowed()
})

process.send?.({ batches: last + 1 })
let unwanted: readonly string[] = []
for (let batch = last + 1; batch < batchesOf(plan); batch++) {
  await untilAllowed(batch)
  await cancelAll(unwanted)
  unwanted = await enqueueBatch(batch)
  acks.write({ batch })
  process.send?.({ batches: batch + 1 })
}
await cancelAll(unwanted)
await jobs.close()
process.exit(0)

async function untilAllowed(batch: number): Promise<void> {
  if (batch < allowed) return
  await new Promise<void>((resolve) => (onAllowed = resolve))
  await untilAllowed(batch)
}

/** Returns the ids of those to be cancelled. */
async function enqueueBatch(batch: number): Promise<readonly string[]> {
  const first = (batch * slots.producer + slot) * batchSize
  const kinds = Array.from({ length: batchSize }, (_, i) => kindOf(first + i, plan))
  const of = batch % 3 === 1 ? 0 : kinds.filter((kind) => !contends(kind)).length
  let tries = 0
  const enqueued = await insistently(async () => {
    // What has failed may have been added all the same: it must not be taken for a part of what is tried now.
    const label = `${who} ${batch}/${tries++}`
    return await enqueue(
      kinds.map((kind, i) => ({ n: first + i, kind, batch: label, of })),
      batch,
    )
  })
  return enqueued.flatMap(({ id }, i) => (kinds[i] === 'unwanted' ? [id] : []))
}

/** In turn all in one call, each in one of its own, and in a transaction of the application's. */
async function enqueue(payloads: readonly Payload[], batch: number): Promise<readonly Enqueued[]> {
  const entries = payloads.map(entryOf)
  if (batch % 3 === 2 || plan.bug === 'acknowledged first')
    return await during('insert', () => enqueueInTransaction(entries))
  if (batch % 3 === 0) return acknowledged(await jobs.enqueueMany(entries))
  return (await Promise.all(entries.map(async (entry) => acknowledged(await jobs.enqueueMany([entry]))))).flat()
}

async function enqueueInTransaction(entries: readonly Entry[]): Promise<readonly Enqueued[]> {
  const early = plan.bug === 'acknowledged first'
  return acknowledged(await application.enqueue(entries, (enqueued) => void (early && acknowledged(enqueued))))
}

/** From now on they must not be lost. */
function acknowledged(enqueued: readonly Enqueued[]): readonly Enqueued[] {
  acks.write({ enqueued: enqueued.map(({ id }) => id) })
  return enqueued
}

async function cancelAll(ids: readonly string[]): Promise<void> {
  for (const id of ids) acks.write({ cancelled: id, answer: await insistently(() => jobs.cancel(id, 'unwanted')) })
}
