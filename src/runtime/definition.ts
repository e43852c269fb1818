import type { BackoffFunction, BackoffPolicy } from '../core/backoff.ts'
import { defaultBackoff } from '../core/backoff.ts'
import type { Job } from '../core/job.ts'
import type { SettlePolicy } from '../core/lifecycle.ts'
import { defaultRetention, type RetentionPolicy } from '../core/retention.ts'
import type { Held } from './held.ts'

/** What a worker knows of a task: its policy, and how to run one job of it. */
export interface Definition {
  readonly name: string
  readonly backoff: BackoffPolicy | BackoffFunction
  readonly retention: RetentionPolicy
  readonly timeoutMs: number | undefined
  /** How many attempts the task gives a job, in a store that keeps none with it. */
  readonly maxAttempts?: number | undefined
  /** At most so many jobs of the task at a time on one worker. */
  readonly concurrency: number
  /** Runs the job and returns what its handler returned. May throw anything. */
  readonly execute: (held: Held) => Promise<unknown>
}

/** What follows a run of this job: the job's own policy, then its task's, then the defaults (for tasks this process does not know). */
export function policyOf(job: Job, definition: Pick<Definition, 'backoff' | 'retention'> | undefined): SettlePolicy {
  return {
    backoff: job.policy?.backoff ?? definition?.backoff ?? defaultBackoff,
    retention: job.policy?.retention ?? definition?.retention ?? defaultRetention,
  }
}
