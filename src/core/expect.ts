import { UsageError } from './errors.ts'

/** A value and its type for an error message, cut to 80 characters: `"4" (string)`. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `${value.name || 'anonymous'} (function)`
  if (typeof value === 'object')
    return Array.isArray(value)
      ? `an array of ${value.length}`
      : `an object (${value.constructor?.name ?? 'null prototype'})`
  const text = typeof value === 'string' ? JSON.stringify(value) : toText(value)
  return `${text.length > 80 ? `${text.slice(0, 80)}…` : text} (${typeof value})`
}

/** Any value as text. Objects may throw here, if their own `toString` does. */
export function toText(value: unknown): string {
  return String(value)
}

/** @throws UsageError unless `value` is a whole number from `min` to `max`. */
export function expectWhole(
  value: unknown,
  option: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
    throw new UsageError(`Expected \`${option}\` to be a whole number ${range}, got ${show(value)}`)
  }
  return value
}

/** @throws UsageError unless `value` is one of `allowed`. */
export function expectOneOf<const T extends string>(value: unknown, option: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw new UsageError(
    `Expected \`${option}\` to be ${orList(allowed)}, got ${show(value)}${suggestion(value, allowed)}`,
  )
}

/** @throws UsageError unless `value` is text of 1 (or `min`) to `max` characters without control characters: a name, a key. */
export function expectName(value: unknown, option: string, max = 255, min = 1): string {
  if (
    typeof value !== 'string' ||
    value.length < min ||
    value.length > max ||
    /\p{Cc}/u.test(value) ||
    !value.isWellFormed()
  ) {
    throw new UsageError(
      `Expected \`${option}\` to be text of ${min} to ${max} characters without control characters, got ${show(value)}`,
    )
  }
  return value
}

/** @throws UsageError unless `value` is a function. */
export function expectFunction(value: unknown, option: string): void {
  if (typeof value !== 'function') throw new UsageError(`Expected \`${option}\` to be a function, got ${show(value)}`)
}

/**
 * Refuses options that nobody reads, since a misspelt one would be silently without effect.
 * @throws UsageError `Unknown option "retires". Did you mean "retries"?`
 */
export function expectKnown(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new UsageError(`Expected the options of ${where} to be an object, got ${show(options)}`)
  }
  for (const key in options) {
    if (!known.includes(key))
      throw new UsageError(
        `Unknown option "${key}" in ${where}.${suggestion(key, known) || ` Known: ${known.join(', ')}.`}`,
      )
  }
}

/** ` Did you mean "x"?` when one of `known` is near enough to `value` to be a slip of the hand; otherwise nothing. */
export function suggestion(value: unknown, known: readonly string[]): string {
  if (typeof value !== 'string') return ''
  const lower = value.toLowerCase()
  const near = known
    .map((one) => ({ one, distance: editDistance(lower, one.toLowerCase()) }))
    .filter(({ one, distance }) => distance <= Math.max(1, Math.floor(one.length / 3)))
    .toSorted((a, b) => a.distance - b.distance)[0]
  return near === undefined ? '' : ` Did you mean "${near.one}"?`
}

function orList(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`)
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`; of long texts only the first 32 letters. */
function editDistance(a: string, b: string): number {
  const from = a.slice(0, 32)
  const to = b.slice(0, 32)
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, j) => j)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same)
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1)
      row.push(best)
    }
    before = last
    last = row
  }
  return last[to.length] ?? 0
}
