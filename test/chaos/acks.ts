import { type Cancellation } from '../../src/index.ts'
import { readLog } from './log.ts'
import { files, slots } from './plan.ts'

/** A line of a producer's file: what it was told, written down after it was told. */
export type Ack =
  | { readonly enqueued: readonly string[] }
  | { readonly cancelled: string; readonly answer: Cancellation }
  | { readonly batch: number }

export interface Acks {
  /** The ids of all acknowledged jobs. */
  readonly enqueued: ReadonlySet<string>
  readonly cancellations: ReadonlyMap<string, Cancellation>
}

export function readAcks(dir: string): Acks {
  const enqueued = new Set<string>()
  const cancellations = new Map<string, Cancellation>()
  for (let slot = 0; slot < slots.producer; slot++) {
    for (const ack of readLog(files.acks(dir, slot)) as readonly Ack[]) {
      if ('enqueued' in ack) for (const id of ack.enqueued) enqueued.add(id)
      if ('cancelled' in ack) cancellations.set(ack.cancelled, ack.answer)
    }
  }
  return { enqueued, cancellations }
}
