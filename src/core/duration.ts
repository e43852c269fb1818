import { UsageError } from './errors.ts'
import { show } from './expect.ts'

type Unit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w'

/** A length of time: milliseconds, or a number with a unit: `'250ms'`, `'5s'`, `'1.5h'`, `'7d'`, `'2w'`. A day is 24 hours. */
export type Duration = number | `${number}${Unit}`

const unitMs: Readonly<Record<Unit, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const units = ['w', 'd', 'h', 'm', 's', 'ms'] as const

/** The longest length of time accepted, 1,000 years: beyond it an instant would stop being a safe date. */
const longestMs = 1_000 * 365 * unitMs.d

/**
 * The duration in whole milliseconds, rounded up, so that a wait is never cut short.
 * @throws UsageError naming the option unless it is at least `min` (default 0) and at most 1,000 years.
 */
export function toMs(value: unknown, option: string, min = 0): number {
  const ms = typeof value === 'number' ? value : parse(value)
  if (ms === undefined || !Number.isFinite(ms) || ms < min || ms > longestMs) {
    const floor = min === 0 ? '' : `, at least ${min} ms`
    throw new UsageError(
      `Expected \`${option}\` to be a duration like '5m', '1.5h' or milliseconds${floor}, got ${show(value)}`,
    )
  }
  return Math.ceil(ms)
}

/** The duration in the largest unit that shows it whole: 90_000 is `90s`, 3_600_000 is `1h`. */
export function fromMs(ms: number): string {
  const unit = units.find((u) => ms >= unitMs[u] && ms % unitMs[u] === 0) ?? 'ms'
  return `${ms / unitMs[unit]}${unit}`
}

function parse(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  const [, count, unit] = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d|w)$/.exec(value) ?? []
  const one = units.find((known) => known === unit)
  if (one === undefined) return undefined
  // 15 digits: 1.1h must not become 3,960,000.0000000005 ms, which would be rounded up.
  return Number((Number(count) * unitMs[one]).toPrecision(15))
}
