/** The most jobs that are claimed ahead of free hands: of a far store more, since each exchange with it costs a trip and a commit. */
const mostAhead = { near: 100, far: 500 } as const

/** Work claimed ahead should be begun within this time, in milliseconds. */
const horizonMs = 20

/**
 * How many jobs to claim ahead of the free hands, learnt from how long runs take: as many as will be begun within 20 ms, at most 100, of a
 * far store 500.
 *
 * Short runs are then limited by their own work and not by the exchanges with the store; of jobs that take longer than a moment, none is
 * held back from other workers. Nothing is claimed ahead before the first run has ended.
 */
export class Pace {
  readonly #hands: number
  #averageMs: number | undefined

  constructor(hands: number) {
    this.#hands = hands
  }

  ahead(store: 'near' | 'far'): number {
    if (this.#averageMs === undefined) return 0
    return Math.min(mostAhead[store], Math.floor((this.#hands * horizonMs) / Math.max(this.#averageMs, 0.1)))
  }

  /** A run took so long. */
  ran(ms: number): void {
    this.#averageMs = this.#averageMs === undefined ? ms : this.#averageMs * 0.9 + ms * 0.1
  }

  /** Jobs claimed ahead have waited so long in vain: forget the good times. */
  stuck(ms: number): void {
    this.#averageMs = Math.max(this.#averageMs ?? 0, ms * this.#hands)
  }
}
