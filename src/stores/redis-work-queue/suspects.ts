import type { Instant } from '../../core/job.ts'

/**
 * What looks abandoned, and since when.
 *
 * Other clients take an item in two steps, and add one in two: in between, it looks as if nobody had it. So it counts only when it has looked
 * so for a while.
 */
export class Suspects {
  readonly #patienceMs: number
  #since = new Map<string, Instant>()

  /** @param patienceMs for how long, in milliseconds */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  get size(): number {
    return this.#since.size
  }

  /** Of all that look so now, those that have for long enough, and when the next one will. What looks so no longer is forgotten. */
  look(
    ids: Iterable<string>,
    now: Instant,
  ): { readonly ripe: readonly string[]; readonly nextAt: Instant | undefined } {
    const since = new Map<string, Instant>()
    const ripe: string[] = []
    let nextAt: Instant | undefined
    for (const id of ids) {
      const first = this.#since.get(id) ?? now
      since.set(id, first)
      const ripeAt = first + this.#patienceMs
      if (ripeAt <= now) ripe.push(id)
      else nextAt = Math.min(nextAt ?? ripeAt, ripeAt)
    }
    this.#since = since
    return { ripe, nextAt }
  }
}
