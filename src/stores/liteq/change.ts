import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { expiry, toErrorText } from './error-list.ts'
import { type PayloadKind, toColumnText } from './payload.ts'

/** What a write comes to in a row of liteq. `undefined` of a column leaves it as it is. Times in seconds. */
export interface Put {
  readonly status: 'queued' | 'completed' | 'failed'
  readonly job: string | undefined
  readonly executeAfter: number | undefined
  readonly remaining: number | undefined
  readonly finishedAt: number
  readonly error: string | undefined
}

/**
 * What becomes of a row. A cancelled job is removed, as there is no such state.
 *
 * A wait that is over already leaves `execute_after` of a run alone, as liteq does with its own retries.
 */
export function changeOf({ before, after }: Write, kind: PayloadKind, now: Instant): Put | 'remove' {
  if (after === undefined || after.state === 'cancelled') return 'remove'
  const remaining = remainingOf(after)
  return {
    status: after.state === 'completed' || after.state === 'failed' ? after.state : 'queued',
    job: after.payload === before.payload ? undefined : columnText(after, kind),
    executeAfter:
      after.state === 'pending' && after.runAt !== before.runAt ? executeAfterOf(before, after, now) : undefined,
    remaining: after.state === before.state && remaining === remainingOf(before) ? undefined : remaining,
    finishedAt: after.state === 'completed' ? toSeconds(after.finishedAt ?? now) : 0,
    error: errorOf(before, after),
  }
}

/** The second of an instant: what has begun counts. */
export function toSeconds(at: Instant): number {
  return Math.floor(at / 1_000)
}

/** When a job falls due, as the table has it: never early, and 0 for at once, so that it stands in line with those of Go. */
export function dueSecond(runAt: Instant, now: Instant): number {
  return runAt <= now ? 0 : Math.ceil(runAt / 1_000)
}

/** How many attempts a job has left, the one that runs included. */
export function remainingOf({ state, attempt, maxAttempts }: Job): number {
  if (state === 'completed') return 0
  return Math.max(0, state === 'running' ? maxAttempts - attempt + 1 : maxAttempts - attempt)
}

function executeAfterOf(before: Job, after: Job, now: Instant): number | undefined {
  return before.state === 'running' && after.runAt <= now ? undefined : dueSecond(after.runAt, now)
}

function columnText(job: Job, kind: PayloadKind): string | undefined {
  const text = toColumnText(job.payload, kind)
  return typeof text === 'string' ? text : undefined // refused before
}

/** The failure that the write has noted. */
function errorOf(before: Job, after: Job): string | undefined {
  const failure = after.failures === before.failures || before.state !== 'running' ? undefined : after.failures.at(-1)
  if (failure === undefined) return undefined
  return failure.name === 'LeaseExpiredError' ? expiry : toErrorText(failure)
}
