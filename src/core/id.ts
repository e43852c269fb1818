import type { Instant } from './job.ts'

/** Makes ids that are unique across processes and sort in the order one maker made them. */
export type Ids = (now: Instant) => string

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz' // Crockford's base 32: no i, l, o, u
const pairs: readonly string[] = Array.from({ length: 1024 }, (_, n) => digit(n >> 5) + digit(n))
const counterSize = 2 ** 30

/**
 * Ids of 21 characters: 9 for the milliseconds since 1970, 6 drawn for this maker and 6 that count on.
 *
 * The count starts at a random place in its lower half whenever the millisecond changes; the time never goes back, so that the
 * ids of one maker always grow, even when the clock does not. Two makers meet only if they draw the same 30 bits.
 * @param random numbers from 0 to 1 (exclusive), as `Math.random`
 */
export function makeIds(random: () => number): Ids {
  const maker = encode30(Math.floor(random() * counterSize))
  let time = -1
  let prefix = ''
  let counter = counterSize
  return (now) => {
    if (now > time || counter >= counterSize) {
      time = Math.max(now, time + 1)
      prefix = encodeTime(time) + maker
      counter = Math.floor((random() * counterSize) / 2)
    }
    return prefix + encode30(counter++)
  }
}

/** The smallest id that a job created at `instant` can have: with it a range of times becomes a range of ids. */
export function firstIdAt(instant: Instant): string {
  return encodeTime(Math.max(0, instant))
}

/** When an id was made, if it is one of `makeIds`: 21 of its letters that stand for a time from 2020 to 2100. */
export function madeAt(id: string): Instant | undefined {
  if (!/^[0-9a-hjkmnp-tv-z]{21}$/.test(id)) return undefined
  const ms = Array.from(id.slice(0, 9)).reduce((sum, letter) => sum * 32 + alphabet.indexOf(letter), 0)
  return ms >= earliest && ms < latest ? ms : undefined
}

const earliest = Date.UTC(2020, 0)
const latest = Date.UTC(2100, 0)

function encodeTime(ms: number): string {
  return digit(Math.floor(ms / 2 ** 40)) + pair(Math.floor(ms / 2 ** 30)) + encode30(ms % 2 ** 30)
}

function encode30(n: number): string {
  return pair(n >> 20) + pair(n >> 10) + pair(n)
}

function pair(n: number): string {
  return pairs[n & 1023] ?? ''
}

function digit(n: number): string {
  return alphabet[n & 31] ?? ''
}
