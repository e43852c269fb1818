import { toMs } from '../core/duration.ts'
import { UsageError } from '../core/errors.ts'
import { show } from '../core/expect.ts'
import type { Instant } from '../core/job.ts'

const steps = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** A length of time in its largest whole unit, cut, for people: `3m`, `12d`; `0s` below a second. */
export function span(ms: number): string {
  const [unit, size] = steps.find(([, one]) => ms >= one) ?? (['s', 1_000] as const)
  return `${Math.floor(ms / size)}${unit}`
}

/** `in 5m`, `3s ago`; `now` within half a second. */
export function relative(at: Instant, now: Instant): string {
  const ms = Math.round((at - now) / 1_000) * 1_000
  if (ms === 0) return 'now'
  return ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`
}

/** ISO 8601 in UTC with milliseconds. */
export function exact(at: Instant): string {
  return new Date(at).toISOString()
}

/** A time as people write it: milliseconds since 1970, or ISO 8601 (local time unless it says otherwise). @throws UsageError */
export function toInstant(given: string, option: string): Instant {
  const at = /^\d{1,16}$/.test(given) ? Number(given) : /^\d{4}-\d\d/.test(given) ? Date.parse(given) : Number.NaN
  if (!Number.isNaN(at) && !Number.isNaN(new Date(at).getTime())) return at
  throw new UsageError(
    `Expected \`${option}\` to be a time like 2026-11-21T08:00Z, or milliseconds since 1970, got ${show(given)}`,
  )
}

/** A time gone by: as `toInstant`, or a duration with its unit, which is so long ago. @throws UsageError */
export function toPast(given: string, option: string, now: Instant = Date.now()): Instant {
  if (!/^[\d.]+(ms|s|m|h|d|w)$/.test(given)) return toInstant(given, option)
  return now - toMs(given, option)
}
