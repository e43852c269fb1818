import { type Duration, toMs } from './duration.ts'
import { UsageError } from './errors.ts'
import { show } from './expect.ts'
import type { Instant } from './job.ts'

/** The last instant a JavaScript Date can show. */
const latest = 8_640_000_000_000_000

/**
 * When a job is due: now, after a delay, or at a time; a time in the past is now's business and stays as it is, so that it runs first.
 * @throws UsageError for both at once, a bad duration, or a time that is none
 */
export function toRunAt(
  options: { readonly delay?: Duration; readonly runAt?: Date | Instant },
  now: Instant,
): Instant {
  if (options.runAt === undefined) return options.delay === undefined ? now : now + toMs(options.delay, 'delay')
  if (options.delay !== undefined) throw new UsageError('Expected `delay` or `runAt`, got both')
  return toInstant(options.runAt, 'runAt')
}

/** @throws UsageError unless it is a valid Date or whole milliseconds since 1970. */
export function toInstant(value: Date | Instant, option: string): Instant {
  const at = value instanceof Date ? value.getTime() : value
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at < 0 || at > latest) {
    throw new UsageError(
      `Expected \`${option}\` to be a Date or whole milliseconds since 1970, got ${value instanceof Date ? 'an invalid Date' : show(value)}`,
    )
  }
  return at
}
