import type { Awaitable } from '../store.ts'
import type { Clock } from './clock.ts'

interface Waiting<In, Out> {
  readonly item: In
  readonly resolve: (out: Out) => void
  readonly reject: (error: unknown) => void
}

/** The most items that go together: a bound on how long one flush holds the store. */
const mostTogether = 1_000

/** The most that items which go together may weigh, where they are weighed; one that is heavier goes alone. */
const mostWeight = 8 * 1024 * 1024

/**
 * Lets calls made in the same turn of the event loop share one trip to the store: each still gets its own answer, after the common commit.
 *
 * No timer: a batch is what comes while the one before is under way, or in one turn. If the trip fails, all calls that shared it fail.
 */
export class Batcher<In, Out> {
  readonly #clock: Clock
  readonly #flush: (items: readonly In[]) => Awaitable<readonly Out[]>
  readonly #weigh: ((item: In) => number) | undefined
  #waiting: Waiting<In, Out>[] = []
  #busy = false
  #whenIdle: (() => void)[] = []

  /** @param weigh how much an item weighs, in characters or bytes: heavy ones then share a trip with fewer others */
  constructor(clock: Clock, flush: (items: readonly In[]) => Awaitable<readonly Out[]>, weigh?: (item: In) => number) {
    this.#clock = clock
    this.#flush = flush
    this.#weigh = weigh
  }

  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (this.#waiting.length === 1 && !this.#busy) this.#clock.soon(() => void this.#go())
    })
  }

  /** Resolves once every call so far has its answer. */
  idle(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#busy) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** How many of those that wait go together now: at least one. */
  #together(): number {
    if (this.#weigh === undefined) return mostTogether
    let weight = 0
    let count = 0
    for (const { item } of this.#waiting) {
      weight += this.#weigh(item)
      if (count > 0 && (weight > mostWeight || count === mostTogether)) break
      count++
    }
    return count
  }

  /** Never throws: what the flush throws goes to the calls that waited for it. */
  async #go(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#together())
      try {
        const answer = this.#flush(batch.map(({ item }) => item))
        const outs = answer instanceof Promise ? await answer : answer
        for (const [i, { resolve, reject }] of batch.entries()) {
          const out = outs[i]
          if (out === undefined) reject(new Error('The store gave fewer answers than it was asked for'))
          else resolve(out)
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      if (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#clock.soon(resolve))
    }
    this.#busy = false
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiting) resolve()
  }
}
