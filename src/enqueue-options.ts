import { type Backoff, toBackoff } from './core/backoff.ts'
import type { UniqueOption } from './core/dedupe.ts'
import { type Duration, toMs } from './core/duration.ts'
import { UsageError } from './core/errors.ts'
import { expectKnown } from './core/expect.ts'
import type { Instant, JobPolicy } from './core/job.ts'
import { type Retention, toRetention } from './core/retention.ts'

/** What one job asks for in place of its task's policy. */
export interface EnqueueOptions {
  /** Not before so much time has passed. Not together with `runAt`. */
  readonly delay?: Duration
  /** Not before this time: a Date or milliseconds since 1970. One in the past is due at once, ahead of what came later. */
  readonly runAt?: Date | Instant
  /** Lower runs first. Default: the task's. */
  readonly priority?: number
  /** At most one job of the queue holds a unique key. Default: the task's. */
  readonly unique?: UniqueOption
  /** Jobs of a queue with the same concurrency key never run at the same time. Default: the task's. */
  readonly concurrencyKey?: string
  /** Default: the task's. Workers take a task's jobs from every queue, unless told otherwise. */
  readonly queue?: string
  readonly maxAttempts?: number
  /** As in a task, but not a function: it is stored with the job. */
  readonly backoff?: Exclude<Backoff, (...args: never) => unknown>
  readonly timeout?: Duration
  readonly retention?: Retention
}

export const enqueueOptionNames: readonly string[] = [
  'delay',
  'runAt',
  'priority',
  'unique',
  'concurrencyKey',
  'queue',
  'maxAttempts',
  'backoff',
  'timeout',
  'retention',
]

/** The part of the options that is stored as the job's own policy. @throws UsageError for a bad value */
export function toJobPolicy(options: EnqueueOptions): JobPolicy | undefined {
  if (options.backoff === undefined && options.timeout === undefined && options.retention === undefined)
    return undefined
  const backoff = options.backoff === undefined ? undefined : toBackoff(options.backoff)
  if (typeof backoff === 'function')
    throw new UsageError(
      'Expected `backoff` of one job to be a duration or an object: a function cannot be stored with it',
    )
  return {
    ...(backoff === undefined ? {} : { backoff }),
    ...(options.timeout === undefined ? {} : { timeoutMs: toMs(options.timeout, 'timeout', 1) }),
    ...(options.retention === undefined ? {} : { retention: toRetention(options.retention) }),
  }
}

/** @throws UsageError for an option that nobody reads */
export function expectEnqueueOptions(options: unknown, where: string): void {
  expectKnown(options, enqueueOptionNames, where)
}

/** Whether the job is to be added by a caller's own pipeline. */
export function hasPipeline(options: { readonly pipeline?: unknown }): boolean {
  return typeof options === 'object' && options !== null && 'pipeline' in options
}

/** With a synchronous transaction everything happens at once; without one, even what is wrong comes as a rejection. */
export function hasTx(options: { readonly tx?: unknown }): boolean {
  return typeof options === 'object' && options !== null && 'tx' in options
}
