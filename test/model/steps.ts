import * as fc from 'fast-check'

import type { QueueSettings } from '../../src/store.ts'

/** One thing that somebody does to the store. Plain data, so that a script can be shrunk, printed and played again. */
export type Step =
  | { readonly do: 'insert'; readonly batches: readonly BatchOf[] }
  | {
      readonly do: 'claim'
      readonly limit: number
      /** The most of each task, by its number; `undefined` for any task. */
      readonly most: readonly number[] | undefined
      readonly queue: number | undefined
      readonly forMs: number
      readonly settle: readonly WriteOf[]
    }
  | { readonly do: 'apply'; readonly writes: readonly WriteOf[] }
  | { readonly do: 'renew'; readonly of: readonly Which[]; readonly forMs: number }
  | { readonly do: 'rescue'; readonly limit: number }
  | { readonly do: 'prune'; readonly limit: number }
  | { readonly do: 'configure'; readonly queue: number; readonly settings: Partial<QueueSettings> }
  | { readonly do: 'log'; readonly of: readonly Which[] }
  | {
      readonly do: 'list'
      readonly queue: number | undefined
      readonly key: number | undefined
      readonly limit: number
    }
  /** Somebody reads a row and keeps it, to decide on it later, perhaps too late. */
  | { readonly do: 'look'; readonly at: number }
  | { readonly do: 'tick'; readonly ms: number }

/** A step, and which of the stores open on the same jobs takes it. */
export type Turn = Step & { readonly via: number }

export interface BatchOf {
  readonly jobs: readonly JobOf[]
  readonly writes: readonly WriteOf[] | undefined
}

export interface JobOf {
  readonly task: number
  readonly queue: number
  readonly priority: number
  readonly delayMs: number
  readonly maxAttempts: number
  readonly key: number | undefined
  readonly until: 'claimed' | 'settled' | number
  readonly concurrencyKey: number | undefined
  readonly ifHeld: 'keep' | 'refuse'
}

/** A row as it is now, or one that was kept: the latest at 0, older ones behind it. Most of those are stale. */
export interface Which {
  readonly row: 'now' | 'kept'
  readonly at: number
}

/** One decision on a row, or two of which the second builds on what the first has made. */
export interface WriteOf {
  readonly which: Which
  readonly decisions: readonly Decision[]
}

export type Decision =
  | { readonly to: 'complete' | 'fail' | 'fail for good' | 'give up' | 'release' | 'expire' | 'discard' }
  | { readonly to: 'cancel' | 'retry' | 'remove' }
  | { readonly to: 'snooze'; readonly ms: number }
  | { readonly to: 'edit'; readonly priority: number; readonly delayMs: number }
  | { readonly to: 'replace'; readonly by: JobOf }

/** How long a lease is, and what the waits of the policy are made of: the instants at which something is due must meet. */
export const leaseMs = 1_000
export const backoffMs = 500

const small = fc.nat({ max: 2 })
const far = fc.nat({ max: 9 })
const wait = fc.constantFrom(0, 0, 0, 1, backoffMs, leaseMs)
const priority = fc.constantFrom(0, 0, 0, -1, 1)

const job: fc.Arbitrary<JobOf> = fc.record({
  task: small,
  queue: fc.constantFrom(0, 0, 1),
  priority,
  delayMs: wait,
  maxAttempts: fc.constantFrom(1, 2, 3),
  key: sometimes(fc.nat({ max: 1 })),
  until: fc.constantFrom<JobOf['until'][]>('claimed', 'settled', 1, backoffMs, leaseMs),
  concurrencyKey: sometimes(fc.nat({ max: 1 })),
  ifHeld: fc.constantFrom('keep', 'keep', 'refuse'),
})

const which: fc.Arbitrary<Which> = fc.record({ row: fc.constantFrom('now', 'kept', 'kept'), at: far })

const decision: fc.Arbitrary<Decision> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      to: fc.constantFrom('complete', 'complete', 'fail', 'fail for good', 'give up', 'release', 'expire', 'discard'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ to: fc.constantFrom('cancel', 'retry', 'remove') }) },
  { weight: 1, arbitrary: fc.record({ to: fc.constant('snooze' as const), ms: wait }) },
  { weight: 1, arbitrary: fc.record({ to: fc.constant('edit' as const), priority, delayMs: wait }) },
  { weight: 1, arbitrary: fc.record({ to: fc.constant('replace' as const), by: job }) },
)

const write: fc.Arbitrary<WriteOf> = fc.record({
  which,
  decisions: fc.oneof(
    { weight: 5, arbitrary: fc.tuple(decision) },
    { weight: 1, arbitrary: fc.tuple(decision, decision) },
  ),
})

const writes = fc.array(write, { maxLength: 3 })
const limit = fc.constantFrom(0, 1, 1, 2, 3, 10)
const forMs = fc.constantFrom(leaseMs, leaseMs, 1, leaseMs + 1)

const settings: fc.Arbitrary<Partial<QueueSettings>> = fc.oneof(
  fc.record({ paused: fc.boolean() }),
  fc.record({ concurrency: fc.constantFrom(null, 0, 1, 2) }),
  fc.record({ priority: fc.constantFrom(-1, 0, 1) }),
)

const batch: fc.Arbitrary<BatchOf> = fc.record({
  jobs: fc.array(job, { maxLength: 3 }),
  writes: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: writes }),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('insert' as const),
      batches: fc.array(batch, { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      limit,
      most: sometimes(fc.array(fc.nat({ max: 2 }), { maxLength: 3 })),
      queue: sometimes(fc.nat({ max: 1 })),
      forMs,
      settle: writes,
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('apply' as const), writes }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('renew' as const), of: fc.array(which, { maxLength: 3 }), forMs }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rescue' as const), limit }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('prune' as const), limit }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('configure' as const), queue: fc.nat({ max: 2 }), settings }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('log' as const), of: fc.array(which, { maxLength: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('list' as const),
      queue: sometimes(small),
      key: sometimes(fc.nat({ max: 1 })),
      limit,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const), at: far }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('tick' as const),
      ms: fc.constantFrom(
        1,
        1,
        leaseMs - 1,
        leaseMs,
        leaseMs + 1,
        backoffMs - 1,
        backoffMs,
        2 * backoffMs,
        10 * leaseMs,
        -leaseMs, // somebody set the clock, or another machine's is behind
      ),
    }),
  },
)

/** Scripts of up to 60 turns. */
export const script: fc.Arbitrary<readonly Turn[]> = fc.array(
  fc.tuple(step, fc.nat({ max: 1 })).map(([one, via]) => ({ ...one, via })),
  { maxLength: 60, size: 'max' },
)

function sometimes<V>(arbitrary: fc.Arbitrary<V>): fc.Arbitrary<V | undefined> {
  return fc.option(arbitrary, { nil: undefined, freq: 2 })
}
