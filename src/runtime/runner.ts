import { CancelledError, LeaseLostError, StoppedError, TimeoutError } from '../core/errors.ts'
import type { Outcome } from '../core/lifecycle.ts'
import { encodeResult } from '../core/payload.ts'
import { Cancel, failedBy, Snooze } from '../core/steer.ts'
import type { Clock } from './clock.ts'
import type { Definition } from './definition.ts'
import type { Held } from './held.ts'

/** How long a handler may go on after it was told to stop by its timeout, in milliseconds; then its hand is freed without it. */
export const afterTimeoutMs = 1_000

/**
 * Runs one job to an outcome and reports it once, whatever the handler does: return, throw, hang, or finish after it was given up.
 *
 * A timeout tells the signal and waits a second for the handler; a success within it still counts. The returned function gives the run
 * up now, as a stop does when its grace is over.
 */
export function run(held: Held, definition: Definition, clock: Clock, done: (outcome: Outcome) => void): () => void {
  const timeoutMs = held.job.policy?.timeoutMs ?? definition.timeoutMs
  let callOff = timeoutMs === undefined ? undefined : clock.after(timeoutMs, timeOut)

  function timeOut(): void {
    held.abort(new TimeoutError(timeoutMs ?? 0))
    callOff = clock.after(afterTimeoutMs, giveUp)
  }

  function giveUp(): void {
    end(ofThrown(held.reason ?? new StoppedError(), held))
  }

  function end(outcome: Outcome): void {
    if (held.ended) return
    held.ended = true
    callOff?.()
    done(outcome)
  }

  held.startedAt = clock.now()
  start(held, definition).then(
    (returned) => end(ofReturned(returned, held, clock)),
    (thrown: unknown) => end(ofThrown(thrown, held)),
  )
  return giveUp
}

/** Turns what `execute` throws before its first await into a rejection too. */
async function start(held: Held, definition: Definition): Promise<unknown> {
  return await definition.execute(held)
}

function ofReturned(returned: unknown, held: Held, clock: Clock): Outcome {
  if (returned instanceof Snooze) return { kind: 'snoozed', runAt: clock.now() + returned.ms }
  if (returned instanceof Cancel) return { kind: 'cancelled', reason: returned.reason }
  try {
    return { kind: 'succeeded', result: encodeResult(returned) }
  } catch (error) {
    return { kind: 'failed', error, remaining: 0 } // the work is done: running it again would return the same
  }
}

function ofThrown(thrown: unknown, held: Held): Outcome {
  const { reason } = held
  if (reason instanceof StoppedError) return { kind: 'released' }
  if (reason instanceof LeaseLostError) return { kind: 'expired' }
  if (reason instanceof TimeoutError) return { kind: 'failed', error: reason }
  if (reason instanceof CancelledError) return { kind: 'cancelled', reason: reason.message }
  return failedBy(thrown)
}
