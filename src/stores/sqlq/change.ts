import { finished, type Instant, type Job, type State } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { type Note, toNote } from './note.ts'
import { storable, toParameters, toRunAfter } from './parameters.ts'

/** What a write comes to in a row of sqlq's. `undefined` leaves a column as it is. Times in milliseconds. */
export interface Put {
  readonly status: Status | undefined
  readonly priority: number | undefined
  readonly attempt: number | undefined
  /** As it was where nothing follows: ErrSkipRetry leaves it, too. */
  readonly maxRetries: number | undefined
  readonly parameters: { readonly json: string | null } | undefined
  readonly queuedAt: Instant | undefined
  readonly afterMs: number | undefined
  /** Goes with the status: a job that is to run again has no end. */
  readonly completedAt: Instant | undefined
  readonly result: { readonly json: string | null } | undefined
  readonly ttlMs: number | undefined
  readonly note: Note | undefined
}

export type Change = 'remove' | Put

export type Status = 'pending' | 'cancelling' | 'success' | 'errored' | 'cancelled'

/** What becomes of a row. */
export function changeOf({ before, after }: Write, now: Instant): Change {
  if (after === undefined) return 'remove'
  const moves = after.state !== before.state
  const again = after.state === 'pending' && after.runAt !== before.runAt
  const due = again ? toRunAfter(after.runAt, now) : undefined
  const failure = after.failures === before.failures ? undefined : after.failures.at(-1)
  return {
    status: statusOf(before, after),
    priority: after.priority === before.priority ? undefined : after.priority,
    attempt: after.attempt === before.attempt ? undefined : after.attempt,
    maxRetries:
      !finished(after.state) && after.maxAttempts !== before.maxAttempts ? bounded(after.maxAttempts) : undefined,
    parameters: after.payload === before.payload ? undefined : { json: toParameters(after.payload) },
    queuedAt: due?.queuedAt,
    afterMs: due?.afterMs,
    completedAt: after.finishedAt,
    result: moves && after.result !== before.result ? { json: resultOf(after) } : undefined,
    ttlMs: finished(after.state) ? ttlOf(before, after) : undefined,
    note: failure === undefined ? undefined : toNote(failure, after.state === 'pending'),
  }
}

/** `max_retries` is the number of all attempts, and an integer of 32 bits. */
export function bounded(maxAttempts: number): number {
  return Math.min(maxAttempts, 2 ** 31 - 1)
}

const statuses: Readonly<Record<Exclude<State, 'running'>, Status>> = {
  pending: 'pending',
  completed: 'success',
  failed: 'errored',
  cancelled: 'cancelled',
}

function statusOf(before: Job, after: Job): Status | undefined {
  if (after.state === 'running')
    return after.cancel !== undefined && before.cancel === undefined ? 'cancelling' : undefined
  return after.state === before.state ? undefined : statuses[after.state]
}

function resultOf({ result }: Job): string | null {
  return result === undefined ? null : storable(result)
}

/** What its task says of how long it is kept, unless the row has said so itself. */
function ttlOf({ policy }: Job, { finishedAt, forgetAt }: Job): number | undefined {
  if (policy?.retention !== undefined || finishedAt === undefined || forgetAt === undefined) return undefined
  return Math.max(1, forgetAt - finishedAt)
}
