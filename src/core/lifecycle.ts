import { type BackoffFunction, type BackoffPolicy, backoffMs } from './backoff.ts'
import { uniqueWhenClaimed, uniqueWhenFinished, uniqueWhenWaiting } from './dedupe.ts'
import { StateError, UsageError } from './errors.ts'
import { noted, toFailure } from './failure.ts'
import { finished, type Instant, type Job, type Payload } from './job.ts'
import { type RetentionPolicy, forgetAt, keepsPayload } from './retention.ts'

/** What a run came to. */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly result: string | undefined }
  /** `delayMs` stands in for the backoff; `remaining` for the attempts left (0: none). */
  | {
      readonly kind: 'failed'
      readonly error: unknown
      readonly delayMs?: number | undefined
      readonly remaining?: number | undefined
    }
  | { readonly kind: 'cancelled'; readonly reason: string }
  | { readonly kind: 'snoozed'; readonly runAt: Instant }
  /** Given back unfinished, by no fault of its own. */
  | { readonly kind: 'released' }
  /** The lease ran out: the worker died, or could not renew it. */
  | { readonly kind: 'expired' }

/** The part of a task's policy that decides what follows a run. */
export interface SettlePolicy {
  readonly backoff: BackoffPolicy | BackoffFunction
  readonly retention: RetentionPolicy
}

/** What to store: the row as it was read, and as it is to be; without `after` it is removed. Refused if the row has changed since. */
export interface Write {
  readonly before: Job
  readonly after: Job | undefined
}

/**
 * Whether a write ends a run. If a crash undoes that, the job runs again, which at-least-once allows; anything else (a cancellation, an edit)
 * is somebody's word, and was promised.
 */
export function endsRun({ before, after }: Write): boolean {
  return before.state === 'running' && after?.state !== 'running'
}

/** The row that a claim makes of a pending one. Every store's claim does exactly this. */
export function claimed(job: Job, lease: string, until: Instant, now: Instant): Job {
  return {
    ...job,
    state: 'running',
    attempt: job.attempt + 1,
    rev: job.rev + 1,
    lease,
    leaseUntil: until,
    startedAt: now,
    unique: uniqueWhenClaimed(job.unique),
  }
}

/**
 * What becomes of a running job whose run came to `outcome`.
 *
 * Failures and lost leases are noted and followed by another attempt, with backoff, while attempts are left. A snooze and a release give
 * the attempt back. A requested cancellation beats all of these, but not a success.
 * @param random a number from 0 to 1 (exclusive) for the backoff's jitter
 */
export function settle(job: Job, outcome: Outcome, policy: SettlePolicy, now: Instant, random: number): Write {
  if (job.cancel !== undefined && outcome.kind !== 'succeeded')
    return end(withFailure(job, outcome, now), 'cancelled', policy, now, job)
  switch (outcome.kind) {
    case 'succeeded':
      return end({ ...job, result: outcome.result }, 'completed', policy, now, job)
    case 'cancelled':
      return end({ ...job, cancel: outcome.reason }, 'cancelled', policy, now, job)
    case 'snoozed':
      return again({ ...job, attempt: job.attempt - 1 }, outcome.runAt, now, job)
    case 'released':
      return again({ ...job, attempt: job.attempt - 1 }, job.runAt, now, job)
    case 'failed': {
      const failed = withFailure(job, outcome, now)
      const maxAttempts = outcome.remaining === undefined ? job.maxAttempts : job.attempt + outcome.remaining
      const next = { ...failed, maxAttempts: Math.max(maxAttempts, 1) }
      if (next.attempt >= next.maxAttempts) return end(next, 'failed', policy, now, job)
      const waitMs = outcome.delayMs ?? backoffMs(policy.backoff, job.attempt, outcome.error, random)
      return again(next, now + waitMs, now, job)
    }
    case 'expired': {
      const failed = withFailure(job, outcome, now)
      if (job.attempt >= job.maxAttempts) return end(failed, 'failed', policy, now, job)
      return again(failed, now + backoffMs(policy.backoff, job.attempt, undefined, random), now, job)
    }
  }
}

/** Cancels a job: a waiting one at once, a running one by asking its worker. A finished one is left as it is: `undefined`. */
export function cancel(job: Job, reason: string, retention: RetentionPolicy, now: Instant): Write | undefined {
  if (finished(job.state)) return undefined
  if (job.state === 'running') {
    return job.cancel === undefined ? { before: job, after: { ...job, cancel: reason, rev: job.rev + 1 } } : undefined
  }
  return end({ ...job, cancel: reason }, 'cancelled', { retention }, now, job)
}

/**
 * Gives a finished job another chance: due now, with at least one attempt more than it has used; its history stays.
 * A job that waits for a later attempt is made due now.
 * @throws StateError while it runs, and when its payload was dropped by retention
 */
export function retry(job: Job, now: Instant): Write {
  if (job.state === 'running')
    throw new StateError(job.id, job.state, 'only a job that waits or has finished can be retried')
  if (job.payload === undefined)
    throw new StateError(job.id, job.state, 'its payload was dropped by retention, so it cannot be retried')
  const maxAttempts = Math.max(job.maxAttempts, job.attempt + 1)
  const after = {
    ...job,
    maxAttempts,
    cancel: undefined,
    result: undefined,
    finishedAt: undefined,
    forgetAt: undefined,
  }
  return again(after, now, now, job)
}

/** What may be changed of a job that waits. */
export interface Edit {
  readonly payload?: Payload
  readonly runAt?: Instant
  readonly priority?: number
  readonly maxAttempts?: number
}

/** @throws StateError unless it waits · UsageError when no attempt would be left */
export function edit(job: Job, changes: Edit): Write {
  if (job.state !== 'pending') throw new StateError(job.id, job.state, 'only a job that waits can be edited')
  if ((changes.maxAttempts ?? job.maxAttempts) <= job.attempt) {
    throw new UsageError(
      `Expected \`maxAttempts\` to be more than the ${job.attempt} attempts job ${job.id} has used, got ${changes.maxAttempts}`,
    )
  }
  return { before: job, after: { ...job, ...changes, rev: job.rev + 1 } }
}

/** Removes a job, whatever it waits for. @throws StateError while it runs: cancel it first */
export function remove(job: Job): Write {
  if (job.state === 'running') throw new StateError(job.id, job.state, 'cancel it first, or wait for its end')
  return { before: job, after: undefined }
}

/** What is wrong with a row, or `undefined`. No rule may make a row that this refuses, and no store may keep one. */
export function fault(job: Job): string | undefined {
  const runs = job.state === 'running'
  if (runs !== (job.lease !== undefined)) return 'a lease is present exactly while running'
  if (runs !== (job.leaseUntil !== undefined)) return 'a lease has an end'
  if (finished(job.state) !== (job.finishedAt !== undefined)) return 'a job has an end exactly when it is finished'
  if (job.forgetAt !== undefined && !finished(job.state)) return 'only finished jobs are forgotten'
  if (job.attempt < 0 || (runs && job.attempt < 1)) return 'a running job has started at least once'
  if (job.state === 'pending' && job.attempt >= job.maxAttempts) return 'a waiting job has an attempt left'
  if (!finished(job.state) && job.payload === undefined) return 'a job keeps its payload until it has finished'
  if (job.unique?.held === true && finished(job.state) && typeof job.unique.until !== 'number')
    return 'only a window outlives its job'
  return undefined
}

/**
 * Refuses rows that break a rule, before a store takes any of them: they are the core's mistake.
 * @param refusal a guest's own, for what its format cannot hold
 * @throws UsageError naming job and rule
 */
export function expectFaultless(jobs: readonly Job[], refusal?: (job: Job) => string | undefined): void {
  for (const job of jobs) {
    const wrong = fault(job) ?? refusal?.(job)
    if (wrong !== undefined) throw new UsageError(`Refused to store job ${job.id}: ${wrong}`)
  }
}

function withFailure(job: Job, outcome: Outcome, now: Instant): Job {
  if (outcome.kind === 'failed')
    return { ...job, failures: noted(job.failures, toFailure(outcome.error, job.attempt, now)) }
  if (outcome.kind !== 'expired') return job
  const message = 'The lease ran out before the run ended: its worker died, hung, or could not reach the store.'
  return {
    ...job,
    failures: noted(job.failures, { attempt: job.attempt, at: now, name: 'LeaseExpiredError', message }),
  }
}

/** Back to waiting. */
function again(job: Job, runAt: Instant, now: Instant, before: Job): Write {
  const unique = uniqueWhenWaiting(job.unique, now)
  return {
    before,
    after: { ...job, state: 'pending', runAt, lease: undefined, leaseUntil: undefined, unique, rev: before.rev + 1 },
  }
}

/** The end, for good: kept as retention says, and for as long as its unique key has a window to run. */
function end(
  job: Job,
  state: 'completed' | 'failed' | 'cancelled',
  policy: Pick<SettlePolicy, 'retention'>,
  now: Instant,
  before: Job,
): Write {
  const unique = uniqueWhenFinished(job.unique, now)
  const windowEnd = unique?.held === true && typeof unique.until === 'number' ? unique.until : undefined
  const due = forgetAt(policy.retention, state, now)
  if (due === 'now' && windowEnd === undefined) return { before, after: undefined }
  const after: Job = {
    ...job,
    state,
    lease: undefined,
    leaseUntil: undefined,
    finishedAt: now,
    forgetAt: due === 'now' ? windowEnd : due === undefined || windowEnd === undefined ? due : Math.max(due, windowEnd),
    payload: keepsPayload(policy.retention, state) ? job.payload : undefined,
    unique,
    rev: before.rev + 1,
  }
  return { before, after }
}
