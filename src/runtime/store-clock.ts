import type { Instant } from '../core/job.ts'
import type { Awaitable } from '../store.ts'
import type { Clock } from './clock.ts'

/** How often the store is asked while a worker runs. */
const everyMs = 60_000

/** Of so many answers the one that came soonest counts: it says most exactly what time it is. */
const samples = 3

/** What the answers of a store say of its clock: by how much the store is ahead of us, and how wrong that may be at most. Whole milliseconds. */
export interface Reading {
  readonly offsetMs: number
  readonly errorMs: number
}

/**
 * The clock of this machine, corrected to that of the store's, so that programs on machines whose clocks differ agree on when a job is due
 * and when a lease has run out.
 *
 * A store's answer is of some moment between question and answer, so half of that time is taken off, and half is how wrong it may be. At the
 * opening the best estimate is taken, unless it is within its own error. Later corrections are the smallest that the measurement
 * proves: time then steps back only where it has to. It does step, and is not held still, which no monotonic clock could promise: a clock that
 * is ahead takes the leases of others for run out, so that every moment of waiting for the store to catch up is one of two runs of one job. What
 * a step back costs is less: until the next renewal our own leases are longer than meant.
 */
export class StoreClock implements Clock {
  readonly #base: Clock
  readonly #time: () => Awaitable<Instant>
  readonly #keepers = new Set<(error: unknown) => void>()
  #offsetMs = 0
  #measuredAt: Instant = 0
  #measuring = false
  #callOff: (() => void) | undefined

  private constructor(base: Clock, time: () => Awaitable<Instant>) {
    this.#base = base
    this.#time = time
  }

  /** Asks the store before it answers. @throws StoreError when that cannot be reached */
  static async of(time: () => Awaitable<Instant>, base: Clock): Promise<StoreClock> {
    const clock = new StoreClock(base, time)
    const { offsetMs, errorMs } = await clock.#read()
    if (Math.abs(offsetMs) > errorMs) clock.#offsetMs = offsetMs
    return clock
  }

  now(): Instant {
    return this.#base.now() + this.#offsetMs
  }

  after(ms: number, call: () => void): () => void {
    return this.#base.after(ms, call)
  }

  soon(call: () => void): void {
    this.#base.soon(call)
  }

  random(): number {
    return this.#base.random()
  }

  /** Measures once a minute until the returned function is called. Those who keep it together measure once; the first hears of errors. */
  keep(onError: (error: unknown) => void): () => void {
    const keeper = (error: unknown): void => onError(error)
    this.#keepers.add(keeper)
    if (this.#keepers.size === 1 && !this.#measuring) this.#plan(this.#measuredAt + everyMs - this.#base.now())
    return () => {
      this.#keepers.delete(keeper)
      if (this.#keepers.size === 0) this.#callOff?.()
    }
  }

  #plan(ms: number): void {
    this.#callOff = this.#base.after(Math.min(Math.max(ms, 0), everyMs), () => void this.#round())
  }

  /** Never throws: until the store answers again, the clock goes on as it was. */
  async #round(): Promise<void> {
    this.#measuring = true
    try {
      const { offsetMs, errorMs } = await this.#read()
      this.#offsetMs = Math.min(Math.max(this.#offsetMs, offsetMs - errorMs), offsetMs + errorMs)
    } catch (error) {
      for (const tell of [...this.#keepers].slice(0, 1)) tell(error)
    }
    this.#measuring = false
    if (this.#keepers.size > 0) this.#plan(everyMs)
  }

  /** Measures anew, without a correction. @throws StoreError when the store cannot be reached */
  async measure(): Promise<Reading> {
    return await this.#read()
  }

  async #read(): Promise<Reading> {
    let best: Reading | undefined
    for (let n = 0; n < samples; n++) {
      const reading = await this.#readOnce()
      if (best === undefined || reading.errorMs < best.errorMs) best = reading
    }
    this.#measuredAt = this.#base.now()
    return best ?? { offsetMs: 0, errorMs: 0 }
  }

  async #readOnce(): Promise<Reading> {
    const asked = this.#base.now()
    const time = await this.#time()
    const tookMs = this.#base.now() - asked
    if (tookMs < 0) return { offsetMs: 0, errorMs: Number.POSITIVE_INFINITY } // our own clock was set meanwhile: it says nothing
    return { offsetMs: Math.round(time - asked - tookMs / 2), errorMs: Math.ceil(tookMs / 2) }
  }
}
