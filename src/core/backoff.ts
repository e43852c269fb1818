import { type Duration, toMs } from './duration.ts'
import { UsageError } from './errors.ts'
import { expectKnown, expectOneOf, show } from './expect.ts'

/**
 * How long to wait before the next attempt.
 *
 * A duration alone is `fixed`. An object grows with the attempt that just failed (1 for the first): `fixed` waits `delay`, `linear`
 * `delay × attempt`, `exponential` `delay × 2^(attempt-1)`; never more than `max` (default '1h'). `jitter` (0 to 1, default 0.2 for
 * `exponential`, else 0) takes away up to that share at random, so that jobs that failed together do not come back together. A
 * function gets the attempt, what was thrown, and a number from 0 to 1 (exclusive) for a jitter of its own, and returns a duration.
 */
export type Backoff =
  | Duration
  | { readonly type: BackoffType; readonly delay: Duration; readonly max?: Duration; readonly jitter?: number }
  | BackoffFunction

export type BackoffType = 'fixed' | 'linear' | 'exponential'

export type BackoffFunction = (attempt: number, error: unknown, random: number) => Duration

/** A backoff that can be written down with a job: all but functions. */
export interface BackoffPolicy {
  readonly type: BackoffType
  readonly delayMs: number
  readonly maxMs: number
  readonly jitter: number
}

export const defaultBackoff: BackoffPolicy = { type: 'exponential', delayMs: 5_000, maxMs: 3_600_000, jitter: 0.2 }

/** @throws UsageError for an unknown type, a bad duration or a jitter outside 0 to 1. */
export function toBackoff(backoff: Backoff): BackoffPolicy | BackoffFunction {
  if (typeof backoff === 'function') return backoff
  if (typeof backoff !== 'object' || backoff === null) {
    const delayMs = toMs(backoff, 'backoff')
    return { type: 'fixed', delayMs, maxMs: delayMs, jitter: 0 }
  }
  expectKnown(backoff, ['type', 'delay', 'max', 'jitter'], 'backoff')
  const type = expectOneOf(backoff.type, 'backoff.type', ['fixed', 'linear', 'exponential'])
  const delayMs = toMs(backoff.delay, 'backoff.delay')
  const maxMs = backoff.max === undefined ? Math.max(delayMs, defaultBackoff.maxMs) : toMs(backoff.max, 'backoff.max')
  const jitter = backoff.jitter ?? (type === 'exponential' ? defaultBackoff.jitter : 0)
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1)) {
    throw new UsageError(`Expected \`backoff.jitter\` to be a number from 0 to 1, got ${show(jitter)}`)
  }
  return { type, delayMs, maxMs, jitter }
}

/**
 * The wait after the given attempt, in whole milliseconds.
 * @param random a number from 0 to 1 (exclusive), drawn by the caller
 */
export function backoffMs(
  backoff: BackoffPolicy | BackoffFunction,
  attempt: number,
  error: unknown,
  random: number,
): number {
  if (typeof backoff === 'function') return custom(backoff, attempt, error, random)
  const { type, delayMs, maxMs, jitter } = backoff
  const factor = type === 'fixed' ? 1 : type === 'linear' ? attempt : 2 ** Math.min(attempt - 1, 52)
  return Math.ceil(Math.min(delayMs * factor, maxMs) * (1 - jitter * random))
}

/** A backoff function that throws or returns nonsense must not lose the failure it was asked about: the default then holds. */
function custom(backoff: BackoffFunction, attempt: number, error: unknown, random: number): number {
  try {
    return toMs(backoff(attempt, error, random), 'backoff()')
  } catch {
    return backoffMs(defaultBackoff, attempt, error, random)
  }
}
