import type { Histogram, Labels } from './exposition.ts'

/** Numbers that are added up, by their labels. */
export class Sums {
  readonly #sums = new Map<string, [Labels, number]>()

  add(labels: Labels, by = 1): void {
    const key = JSON.stringify(labels)
    const known = this.#sums.get(key)
    if (known === undefined) this.#sums.set(key, [labels, by])
    else known[1] += by
  }

  get samples(): readonly (readonly [Labels, number])[] {
    return [...this.#sums.values()]
  }
}

/** Lengths of time that are counted in seconds, by their labels. */
export class Lengths {
  readonly #boundsMs: readonly number[]
  readonly #lengths = new Map<string, { readonly labels: Labels; readonly counts: number[]; sumMs: number }>()

  /** @param boundsMs upper bounds, inclusive, in milliseconds */
  constructor(boundsMs: readonly number[]) {
    this.#boundsMs = boundsMs
  }

  add(labels: Labels, ms: number): void {
    const over = this.#boundsMs.findIndex((bound) => ms <= bound)
    this.addAll(labels, ms, over === -1 ? this.#boundsMs.length : over, 1)
  }

  /** Adds so many to one bucket. */
  addAll(labels: Labels, sumMs: number, bucket: number, count: number): void {
    const key = JSON.stringify(labels)
    const known = this.#lengths.get(key) ?? { labels, counts: [...this.#boundsMs, 0].map(() => 0), sumMs: 0 }
    this.#lengths.set(key, known)
    known.counts[bucket] = (known.counts[bucket] ?? 0) + count
    known.sumMs += sumMs
  }

  get samples(): readonly (readonly [Labels, Histogram])[] {
    const bounds = this.#boundsMs.map((ms) => ms / 1_000)
    return [...this.#lengths.values()].map(({ labels, counts, sumMs }) => [
      labels,
      { bounds, counts, sum: sumMs / 1_000 },
    ])
  }
}
