import { finished, type Failure, type Instant } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { samePayload, toTask } from './payload.ts'

/** What a write comes to in the tables of backlite. */
export type Change =
  | { readonly kind: 'remove'; readonly finished: boolean }
  /** It waits, claimed by nobody. `undefined` of wait_until leaves it, as does null of the two others; null of wait_until is at once. */
  | {
      readonly kind: 'wait'
      readonly attempts: number
      readonly waitUntil: Instant | null | undefined
      readonly executedAt: Instant | null
      readonly task: Uint8Array | null
    }
  /** A finished one waits again. */
  | { readonly kind: 'again'; readonly attempts: number; readonly waitUntil: Instant | null }
  | {
      readonly kind: 'finish'
      readonly executedAt: Instant
      readonly attempts: number
      readonly micros: number
      readonly error: string | null
      readonly keepsTask: boolean
      readonly expiresAt: Instant | null
    }

/** What becomes of a row. A cancelled job is removed, as there is no such state. */
export function changeOf({ before, after }: Write, now: Instant): Change {
  const done = finished(before.state)
  if (after === undefined || after.state === 'cancelled') return { kind: 'remove', finished: done }
  const executedAt = after.startedAt ?? before.startedAt ?? now
  if (finished(after.state))
    return {
      kind: 'finish',
      executedAt,
      attempts: after.attempt,
      micros: Math.max(0, (after.finishedAt ?? now) - executedAt) * 1_000,
      error: after.state === 'failed' ? errorText(after.failures.at(-1)) : null,
      keepsTask: after.payload !== undefined,
      expiresAt: after.forgetAt ?? null,
    }
  const atOnce = after.runAt <= now
  if (done) return { kind: 'again', attempts: after.attempt, waitUntil: atOnce ? null : after.runAt }
  const ran = before.state === 'running'
  const failed = after.failures !== before.failures
  const moved = failed || after.runAt !== before.runAt
  return {
    kind: 'wait',
    attempts: after.attempt,
    // After a failure there is always a time in the row, as backlite writes it.
    waitUntil: moved ? (atOnce && !ran ? null : after.runAt) : undefined,
    executedAt: ran && moved ? executedAt : null, // what was given back has not been executed
    task: samePayload(after.payload, before.payload) ? null : toTask(after.payload),
  }
}

/** As Go's `Error()`: the message alone. It is never empty, since an error tells backlite that the task has failed. */
function errorText(failure: Failure | undefined): string {
  const text = failure?.message || failure?.name || 'failed'
  return text.toWellFormed()
}
