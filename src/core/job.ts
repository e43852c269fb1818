import type { BackoffPolicy } from './backoff.ts'
import type { RetentionPolicy } from './retention.ts'

/** A point in time: whole milliseconds since 1970. */
export type Instant = number

/** Scheduled and retrying jobs are `pending`, seen through `runAt` and `attempt`. The last three are final until somebody retries. */
export type State = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'

export const states: readonly State[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

/** A payload as it is stored: JSON text (empty for no payload at all), or bytes. */
export type Payload = string | Uint8Array

/** One run that did not succeed. Times in milliseconds since 1970; texts are bounded, see `core/failure.ts`. */
export interface Failure {
  readonly attempt: number
  readonly at: Instant
  readonly name: string
  readonly message: string
  readonly stack?: string
}

/** A claim to be the only one of its key in its queue. */
export interface Unique {
  readonly key: string
  /** Until when the key is held: until the job is claimed, until it is settled for good, or until an instant. */
  readonly until: 'claimed' | 'settled' | Instant
  /** Whether the job holds the key now. A store keeps at most one holder per queue and key. */
  readonly held: boolean
}

/** What one job asks for in place of its task's policy; `maxAttempts` stands in the job itself. Every store keeps it as it is, and looks at nothing in it. */
export interface JobPolicy {
  readonly backoff?: BackoffPolicy
  readonly timeoutMs?: number
  readonly retention?: RetentionPolicy
  /** No policy, but what travels along for the sake of tracing, from the enqueue to each run: see `enqueue-step.ts`. */
  readonly trace?: Readonly<Record<string, string>>
}

/**
 * One row of work, as every store keeps it. All stores and rules share this shape; only `core/lifecycle.ts` makes new ones from old.
 *
 * Every field is always present, so that rows have one hidden class: absence is `undefined`.
 */
export interface Job {
  /** Made by the client, sorts by creation. See `core/id.ts`. */
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: State
  /** Lower runs first. -32,768 to 32,767; default 0. */
  readonly priority: number
  /** Not before this. While running and after, when it was due. */
  readonly runAt: Instant
  /** `undefined` once retention has dropped it. */
  readonly payload: Payload | undefined
  /** How many runs were started. Snoozing and releasing take theirs back. */
  readonly attempt: number
  readonly maxAttempts: number
  /** Grows by one with every change. A write is refused unless it was decided on the latest. */
  readonly rev: number
  /** The right to run, unique per claim. Present exactly while running. */
  readonly lease: string | undefined
  readonly leaseUntil: Instant | undefined
  readonly createdAt: Instant
  /** When the latest run was claimed. */
  readonly startedAt: Instant | undefined
  /** Present exactly when the state is final. */
  readonly finishedAt: Instant | undefined
  /** When a finished job may be pruned; `undefined` for never. */
  readonly forgetAt: Instant | undefined
  readonly unique: Unique | undefined
  /** At most one job of a queue and concurrency key runs at a time. */
  readonly concurrencyKey: string | undefined
  /** The reason somebody gave for cancelling it while it runs. */
  readonly cancel: string | undefined
  /** Oldest first, the last 20. */
  readonly failures: readonly Failure[]
  /** JSON text of what the handler returned. */
  readonly result: string | undefined
  /** The job whose handler enqueued this one. */
  readonly parent: string | undefined
  readonly policy: JobPolicy | undefined
}

/** Whether the state is final: nothing runs the job again unless somebody asks. */
export function finished(state: State): boolean {
  return state !== 'pending' && state !== 'running'
}
