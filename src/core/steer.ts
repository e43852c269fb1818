import { type Duration, toMs } from './duration.ts'
import { QueueError, UnrecoverableError, UsageError } from './errors.ts'
import { expectKnown, expectWhole, show } from './expect.ts'
import type { Outcome } from './lifecycle.ts'

/** Returned by a handler: the job waits and runs again later; the attempt is given back. See `snooze`. */
export class Snooze {
  readonly ms: number
  constructor(ms: number) {
    this.ms = ms
  }
}

/** Returned by a handler: the job is not wanted any more. See `cancel`. */
export class Cancel {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * `return snooze('5m')` from a handler puts the job back to run again after that time, without using up an attempt.
 * @throws UsageError for a bad duration
 */
export function snooze(delay: Duration): Snooze {
  return new Snooze(toMs(delay, 'delay'))
}

/** `return cancel('no longer wanted')` from a handler ends the job as cancelled, for good. */
export function cancel(reason: string): Cancel {
  if (typeof reason !== 'string')
    throw new UsageError(`Expected the reason of cancel() to be text, got ${show(reason)}`)
  return new Cancel(reason)
}

/** Throw it in a handler, alone or as the `cause` of another error, to fail this attempt and say what comes next, in place of the task's backoff and attempts. */
export class RetryError extends QueueError {
  readonly name = 'RetryError'
  readonly code = 'retry'
  readonly delayMs: number | undefined
  readonly remaining: number | undefined

  /**
   * @param options `delay` until the next attempt (default: the task's backoff) · `remaining`: how many more attempts the job gets
   *   (0 to 10,000; default: what it has left) · `cause`: the error behind it
   * @throws UsageError for a bad delay or number
   */
  constructor(
    message: string,
    options: { readonly delay?: Duration; readonly remaining?: number; readonly cause?: unknown } = {},
  ) {
    expectKnown(options, ['delay', 'remaining', 'cause'], 'RetryError')
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.delayMs = options.delay === undefined ? undefined : toMs(options.delay, 'delay')
    this.remaining =
      options.remaining === undefined ? undefined : expectWhole(options.remaining, 'remaining', 0, 10_000)
  }
}

/** How far down the causes of an error are looked at: they may go in a circle. */
const deepest = 20

/** What a run has come to that threw this. An UnrecoverableError or a RetryError counts as the cause of another error too; the outermost decides. */
export function failedBy(thrown: unknown): Extract<Outcome, { readonly kind: 'failed' }> {
  const word = wordOf(thrown)
  if (word instanceof UnrecoverableError) return { kind: 'failed', error: thrown, remaining: 0 }
  if (word instanceof RetryError)
    return { kind: 'failed', error: thrown, delayMs: word.delayMs, remaining: word.remaining }
  return { kind: 'failed', error: thrown }
}

function wordOf(thrown: unknown): UnrecoverableError | RetryError | undefined {
  try {
    let next = thrown
    for (let depth = 0; next instanceof Error && depth < deepest; depth++) {
      if (next instanceof UnrecoverableError || next instanceof RetryError) return next
      next = next.cause
    }
    return undefined
  } catch {
    return undefined // a getter that throws: an error like any other
  }
}
