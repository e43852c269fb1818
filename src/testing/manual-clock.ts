import { type Duration, toMs } from '../core/duration.ts'
import { expectWhole } from '../core/expect.ts'
import type { Instant } from '../core/job.ts'
import { toInstant } from '../core/schedule.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'

/** How a manual clock begins. */
export interface ManualClockOptions {
  /** What it shows at first: a Date or milliseconds since 1970. Default: the first of January 2026, 00:00 UTC. */
  readonly now?: Date | Instant
  /** What the random numbers come from: the same seed, the same numbers. A whole number from 0 to 2^32 - 1. Default 1. */
  readonly seed?: number
}

interface Timer {
  readonly at: number
  readonly call: () => void
}

/** So many turns of the event loop without a rest are no coincidence. */
const mostTurns = 100_000

/**
 * Time and chance in the hands of a test: nothing that waits goes on until the test moves the time, and random numbers repeat.
 *
 * What needs no time to pass happens by itself, in the next turn of the event loop. Everything that waits for a time, from a delayed job
 * to a lease that runs out, happens in `advance`, in the order of its time.
 */
export class ManualClock implements Clock {
  /** How much time has passed. Timers count in it, so that `set` leaves them what is left of theirs. */
  #passed = 0
  /** What the clock showed when nothing had passed. */
  #base: Instant
  #state: number
  #timers: readonly Timer[] = []
  #soon = 0

  /** @throws UsageError for a bad time or seed */
  constructor(options: ManualClockOptions = {}) {
    this.#base = toInstant(options.now ?? Date.UTC(2026, 0, 1), 'now')
    this.#state = expectWhole(options.seed ?? 1, 'seed', 0, 2 ** 32 - 1)
  }

  /** How many timers wait: none once everything that was started has been stopped. */
  get waiting(): number {
    return this.#timers.length
  }

  now(): Instant {
    return this.#base + this.#passed
  }

  after(ms: number, call: () => void): () => void {
    const timer = { at: this.#passed + Math.max(0, Math.ceil(ms)), call }
    this.#timers = [...this.#timers, timer].toSorted((a, b) => a.at - b.at) // stable: among equals the first set
    if (timer.at === this.#passed) this.soon(() => this.#fire(timer))
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  soon(call: () => void): void {
    this.#soon++
    systemClock.soon(() => {
      this.#soon--
      call()
    })
  }

  /** Mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /**
   * Lets so much time pass, 0 included. Timers that fall due on the way fire in the order of their time, each at its own time, and after each
   * everything happens that follows from it. Calls at the same time overlap: their times do not add up.
   * @throws UsageError for a bad duration
   */
  async advance(duration: Duration): Promise<void> {
    const end = this.#passed + toMs(duration, 'duration')
    for (;;) {
      await this.settle()
      const next = this.#timers[0]
      if (next === undefined || next.at > end) break
      this.#passed = Math.max(this.#passed, next.at)
      this.#fire(next)
    }
    this.#passed = Math.max(this.#passed, end)
  }

  /**
   * Lets everything happen that needs no time to pass. Real input and output, such as a handler that reads a file, is not waited for.
   * @throws Error when it never comes to rest
   */
  async settle(): Promise<void> {
    for (let turn = 0; turn < mostTurns; turn++) {
      await new Promise<void>((resolve) => systemClock.soon(resolve))
      if (this.#soon === 0) return
    }
    throw new Error(`Something goes on and on without waiting: still not at rest after ${mostTurns} turns`)
  }

  /** Lets time pass, a tenth of a second at a time, until the promise is settled, and answers with it. */
  async during<T>(promise: Promise<T>): Promise<T> {
    const pending = new Set([promise])
    const done = (): boolean => pending.delete(promise)
    promise.then(done, done)
    await this.settle()
    while (pending.size > 0) await this.advance(100)
    return await promise
  }

  /**
   * Puts the clock to another time, before or behind, as an administrator or a suspended laptop does. Timers are not moved: what was to
   * happen in five seconds still takes five seconds. To let time pass, use `advance`.
   * @throws UsageError for a time that is none
   */
  set(now: Date | Instant): void {
    this.#base = toInstant(now, 'now') - this.#passed
  }

  #fire(timer: Timer): void {
    if (!this.#timers.includes(timer)) return
    this.#timers = this.#timers.filter((other) => other !== timer)
    timer.call()
  }
}
