import { type Duration, toMs } from './duration.ts'
import { expectKnown, expectOneOf } from './expect.ts'
import type { Instant } from './job.ts'

/** How long a finished job is kept: a duration, `false` for not at all, `'forever'`. */
export type Keep = Duration | false | 'forever'

/**
 * How long finished jobs are kept, by the state they finished in, and whose payload is kept with them.
 *
 * Defaults: completed '1h', failed '7d', cancelled '1d', payload 'all'. `payload: 'failed'` drops the payloads of all but failed jobs,
 * `'none'` drops them all; a job without its payload can be looked at but not retried. Decided when the job finishes.
 */
export interface Retention {
  readonly completed?: Keep
  readonly failed?: Keep
  readonly cancelled?: Keep
  readonly payload?: 'all' | 'failed' | 'none'
}

/** Retention in milliseconds; `null` is for ever, 0 is not at all. */
export interface RetentionPolicy {
  readonly completed: number | null
  readonly failed: number | null
  readonly cancelled: number | null
  readonly payload: 'all' | 'failed' | 'none'
}

export const defaultRetention: RetentionPolicy = {
  completed: 3_600_000,
  failed: 7 * 86_400_000,
  cancelled: 86_400_000,
  payload: 'all',
}

/** @throws UsageError for an unknown option, a bad duration or a bad word. */
export function toRetention(retention: Retention): RetentionPolicy {
  expectKnown(retention, ['completed', 'failed', 'cancelled', 'payload'], 'retention')
  return {
    completed: keepMs(retention.completed, 'completed'),
    failed: keepMs(retention.failed, 'failed'),
    cancelled: keepMs(retention.cancelled, 'cancelled'),
    payload:
      retention.payload === undefined
        ? defaultRetention.payload
        : expectOneOf(retention.payload, 'retention.payload', ['all', 'failed', 'none']),
  }
}

/** When a job that finishes now is to be forgotten: an instant, `undefined` for never, `'now'` when it is not kept at all. */
export function forgetAt(
  policy: RetentionPolicy,
  state: 'completed' | 'failed' | 'cancelled',
  now: Instant,
): Instant | undefined | 'now' {
  const keep = policy[state]
  if (keep === null) return undefined
  return keep === 0 ? 'now' : now + keep
}

/** Whether a job that finishes in this state keeps its payload. */
export function keepsPayload(policy: RetentionPolicy, state: 'completed' | 'failed' | 'cancelled'): boolean {
  return policy.payload === 'all' || (policy.payload === 'failed' && state === 'failed')
}

function keepMs(keep: Keep | undefined, state: 'completed' | 'failed' | 'cancelled'): number | null {
  if (keep === undefined) return defaultRetention[state]
  if (keep === 'forever') return null
  return keep === false ? 0 : toMs(keep, `retention.${state}`)
}
