import type { Capability } from '../../core/capability.ts'
import type { Awaitable, OwnTransaction, Store } from '../../store.ts'

/**
 * A capability, or `another`: several stores can be open on the same jobs. Of formats of other queues also `names`: jobs can be of several tasks;
 * `queues`: a queue can hold jobs of several tasks; `turns`: jobs are taken in the order in which they were due; `attempts`: runs are counted;
 * and `failures`: the last failure of a job that waits for its next attempt is kept.
 */
export type Need = Capability | 'another' | 'names' | 'queues' | 'turns' | 'attempts' | 'failures'

/** One promise of `store.ts`, and the program that holds a store to it. */
export interface Case {
  /** In plain words; the name of its test. */
  readonly promise: string
  /** A store that lacks one of these is not held to the promise. */
  readonly needs?: readonly Need[]
  /** Whether the case closes the store itself. */
  readonly closes?: boolean
  /** Whether the case migrates the store itself: it then begins without tables. */
  readonly migrates?: boolean
  /** Rejects when the promise is broken. The store is fresh: migrated, and without jobs. */
  readonly run: (fixture: Fixture) => Promise<void>
}

/** A store under test and what only its author knows how to make. */
export interface Fixture {
  readonly store: Store<unknown>
  /** For a format of another queue: the smallest step of its times, in milliseconds. Default 1. */
  readonly tickMs?: number
  /** Begins a transaction on a connection that is not the store's. Needed for the capability `transaction`. */
  readonly begin?: () => Awaitable<Transaction>
  /** One more store on the same jobs, as another process would have it. Closed by whoever opened it. */
  readonly another?: () => Awaitable<Store<unknown>>
  /** Called after the store was closed: connections, temporary files. */
  readonly close?: () => Awaitable<void>
}

/** A caller's own transaction, in the form that the store takes as `tx`. */
export type Transaction = OwnTransaction<unknown>
