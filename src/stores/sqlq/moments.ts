import type { Instant } from '../../core/job.ts'

/**
 * When jobs were made, in microseconds: sqlq takes jobs of one priority in that order, so those of one store are told apart, even if they were made
 * in the same millisecond.
 */
export class Moments {
  #base: Instant = Number.NEGATIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY

  /** @param i the job's place among those that are added together, for jobs of the past */
  next(at: Instant, i: number): number {
    if (at < this.#base) return at * 1_000 + i
    this.#base = at
    this.#last = Math.max(at * 1_000, this.#last + 1)
    return this.#last
  }
}
