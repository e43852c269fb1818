import type { Instant } from '../core/job.ts'

/** The only source of time and chance. Tests put a `ManualClock` in its place, and the whole runtime becomes repeatable. */
export interface Clock {
  /** Milliseconds since 1970, whole. */
  now(): Instant
  /** Calls once, after at least `ms`; any length is fine. The returned function calls it off. */
  after(ms: number, call: () => void): () => void
  /** Calls in the next turn of the event loop, after what is ready now. */
  soon(call: () => void): void
  /** From 0 to 1 (exclusive). */
  random(): number
}

/** The longest wait that setTimeout knows; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, call) {
    const end = Date.now() + ms
    let timer = setTimeout(again, Math.min(ms, longestTimerMs))
    function again(): void {
      const left = end - Date.now()
      if (ms <= longestTimerMs || left <= 0) call()
      else timer = setTimeout(again, Math.min(left, longestTimerMs))
    }
    return () => clearTimeout(timer)
  },
  soon: (call) => void setImmediate(call),
  random: () => Math.random(),
}
