const number = new Intl.NumberFormat('en-GB')
const compact = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 })

/** `12,345`. */
export function count(value: number): string {
  return number.format(value)
}

/** `12.3k` from ten thousand on. */
export function short(value: number): string {
  return value < 10_000 ? number.format(value) : compact.format(value).toLowerCase()
}

/** `1 job`, `2 jobs`. */
export function jobs(value: number): string {
  return value === 1 ? '1 job' : `${count(value)} jobs`
}

/** `1 line`, `2 lines`. */
export function lines(value: number): string {
  return value === 1 ? '1 line' : `${count(value)} lines`
}

/** A rate, with as many digits as tell something: `0.25`, `3.1`, `1,204`. */
export function rate(value: number): string {
  if (value === 0) return '0'
  if (value < 1) return value.toFixed(2)
  return value < 10 ? value.toFixed(1) : number.format(Math.round(value))
}

/** A length of time in its two leading units at most: `8 ms`, `1.4 s`, `2 min 5 s`, `3 h 20 min`, `4 d`. */
export function length(ms: number): string {
  if (ms < 1) return ms <= 0 ? '0 ms' : '< 1 ms'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1).replace('.0', '')} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min')
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** How long ago or how far ahead an instant is, in one unit: `now`, `12 s ago`, `in 5 min`, `3 d ago`. */
export function distance(at: number, now: number): string {
  const ms = Math.abs(now - at)
  if (ms < 1_000) return 'now'
  const text = oneUnit(ms)
  return at < now ? `${text} ago` : `in ${text}`
}

/** An instant to the millisecond, here: `2026-11-27 02:25:01.123 +01:00`. */
export function exact(at: number): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return String(at)
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`
  return `${day(date)} ${clockTime(at)}.${String(date.getMilliseconds()).padStart(3, '0')} ${zone}`
}

/** The time of day, here: `02:25:01`. */
export function clockTime(at: number): string {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** What an `<input type=datetime-local>` holds for an instant. */
export function toLocalInput(at: number): string {
  const date = new Date(at)
  return `${day(date)}T${clockTime(at)}`
}

/** The instant that an `<input type=datetime-local>` holds; `undefined` if none. */
export function fromLocalInput(text: string): number | undefined {
  const at = new Date(text).getTime()
  return text === '' || Number.isNaN(at) ? undefined : at
}

/** A queue's name, or that it has none: the usual queue of some foreign formats is called nothing. */
export function queueName(queue: string): string {
  return queue === '' ? '(no name)' : queue
}

/** `900 B`, `12.3 kB`. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** The sentence's first letter, large. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function oneUnit(ms: number): string {
  if (ms < 60_000) return `${Math.floor(ms / 1_000)} s`
  if (ms < 3_570_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`
  return `${count(Math.round(ms / 86_400_000))} d`
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}

function day(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

function two(value: number): string {
  return String(Math.trunc(value)).padStart(2, '0')
}
