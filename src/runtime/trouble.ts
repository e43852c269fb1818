import type { Clock } from './clock.ts'

/** The waits after failures of a store that follow one another: 100 ms, doubling to 5 s, less up to a fifth at random. No hot loop while it is away. */
export class Trouble {
  readonly #clock: Clock
  #failures = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the last thing we heard of it was a failure. */
  get failing(): boolean {
    return this.#failures > 0
  }

  /** The store has answered. */
  over(): void {
    this.#failures = 0
  }

  /** One more failure: how long to wait before the next try. */
  waitMs(): number {
    const ms = Math.min(100 * 2 ** this.#failures, 5_000)
    this.#failures++
    return Math.ceil(ms * (1 - 0.2 * this.#clock.random()))
  }
}
