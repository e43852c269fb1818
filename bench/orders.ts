import type { Durability, Stuck } from './contender.ts'
import type { RateWork } from './works.ts'

/** What the bench asks of a contender's process. Each order is answered with numbers: milliseconds unless said otherwise. */
export type Order =
  /** One round of a work on a fresh store: how long its timed part took. */
  | {
      readonly kind: 'rate'
      readonly work: RateWork
      readonly place: string
      readonly durability: Durability
      readonly jobs: number
    }
  /** Opens the store that the following orders are about. */
  | {
      readonly kind: 'open'
      readonly place: string
      readonly durability: Durability
      readonly keep: boolean
      readonly idle: boolean
    }
  | { readonly kind: 'close' }
  /** Stores so many jobs, not timed: how long it took all the same. */
  | { readonly kind: 'fill'; readonly jobs: number }
  /** Runs so many waiting jobs: how long it took. */
  | { readonly kind: 'drain'; readonly jobs: number }
  /** Claims `limit` jobs so many times, replacing them after each: how long each claim took. Once at least; after `withinMs` not again. */
  | { readonly kind: 'claims'; readonly times: number; readonly limit: number; readonly withinMs: number }
  /** Gives the planner of the opened store its statistics. */
  | { readonly kind: 'learn' }
  /** The same claims, made by so many workers side by side, each with an opened store of its own in the same place. */
  | {
      readonly kind: 'contend'
      readonly place: string
      readonly durability: Durability
      readonly workers: number
      readonly times: number
      readonly limit: number
      readonly withinMs: number
    }
  /** Runs `jobs` on a fresh store with `count` before them that cannot run: how long that took. */
  | {
      readonly kind: 'stuck'
      readonly stuck: Stuck | undefined
      readonly place: string
      readonly durability: Durability
      readonly count: number
      readonly jobs: number
    }
  /** From enqueue to the start of the handler in one process, so many times; after `withinMs` not again. */
  | { readonly kind: 'pickups'; readonly times: number; readonly withinMs: number }
  /** Starts a worker that tells when it picks a job up, see `Picked`. */
  | { readonly kind: 'listen' }
  | { readonly kind: 'unlisten' }
  /** Enqueues job number `n`: the instant just before, see `instant`. */
  | { readonly kind: 'enqueue'; readonly n: number }
  /** Runs so many jobs, `each` at a time: megabytes of heap and of resident memory after each lot, alternating. */
  | { readonly kind: 'memory'; readonly jobs: number; readonly each: number }

export type Answer =
  | { readonly ok: true; readonly numbers: readonly number[] }
  /** The contender has no such verb: nothing is wrong. */
  | { readonly ok: false; readonly absent: boolean; readonly why: string }

/** A handler has begun with job number `picked` at this instant, see `instant`. */
export interface Picked {
  readonly picked: number
  readonly at: number
}

/** By the machine's monotonic clock, which its processes share: unlike the wall clock it is never set while we look. */
export function instant(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
