import type { Instant, State } from '../core/job.ts'
import type { LogLevel } from '../store.ts'
import type { JobDetail, JobQuery, Preview } from './shapes.ts'

export interface NewJob {
  readonly task: string
  /** Absent or `null`: no payload is the same as `null` only if it is given. */
  readonly payload?: unknown
  /** Default: the task's own, else `default`. */
  readonly queue?: string
  readonly priority?: number
  readonly runAt?: Instant
  readonly delayMs?: number
  readonly maxAttempts?: number
  readonly uniqueKey?: string
}

export interface Enqueued {
  readonly id: string
  /** `kept`: nothing was added, since the job `id` holds the unique key. */
  readonly outcome: 'added' | 'kept' | 'replaced'
}

/** What is not given stays. */
export interface JobEdit {
  readonly payload?: unknown
  readonly priority?: number
  readonly runAt?: Instant
  readonly delayMs?: number
  readonly maxAttempts?: number
}

export interface CancelReason {
  /** At most 500 characters. Default: `cancelled in the dashboard`. */
  readonly reason?: string
}

export interface Cancelled {
  /** Done, asked of the worker that runs it, or too late. */
  readonly outcome: 'cancelled' | 'requested' | 'finished'
  readonly job: JobDetail | null
}

export interface LogPage {
  readonly lines: readonly LogLineView[]
  /** `after` for what comes next: the last `seq`, or what was asked with. */
  readonly after: number
}

export interface LogLineView {
  readonly seq: number
  readonly attempt: number
  readonly at: Instant
  readonly level: LogLevel
  readonly message: string
  readonly data: Preview
}

export type BulkAction = 'retry' | 'cancel' | 'delete' | 'run' | 'edit'

/** Exactly one of `ids` (at most 1,000) and `filter`, which needs a state or says `"state": "any"`. Jobs in a state that does not allow it are skipped. */
export interface BulkRequest {
  readonly action: BulkAction
  readonly ids?: readonly string[]
  readonly filter?: BulkFilter
  /** For `edit`. */
  readonly edit?: JobEdit
  /** For `cancel`. */
  readonly reason?: string
}

export interface BulkFilter extends Omit<JobQuery, 'state' | 'after' | 'limit' | 'order' | 'id'> {
  readonly state: State | 'any'
}

export interface Operation {
  readonly id: string
  readonly action: BulkAction
  readonly state: 'running' | 'done' | 'stopped' | 'failed'
  readonly startedAt: Instant
  readonly finishedAt: Instant | null
  /** How many jobs it is about to look at, where the counters know; `null` otherwise. */
  readonly total: number | null
  /** Looked at so far: done, skipped and failed. */
  readonly seen: number
  readonly done: number
  /** Gone, or in a state that does not allow it. */
  readonly skipped: number
  readonly failed: number
  /** The first 20. */
  readonly failures: readonly { readonly id: string; readonly message: string }[]
  /** Why the whole stopped, when it failed. */
  readonly error: string | null
}

export interface OperationList {
  readonly operations: readonly Operation[]
}
