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

/** Where two trips may be under way, the fewest items of the second: what a trip costs by itself must be worth it. */
const fewestBeside = 25

export interface BatcherOptions<In> {
  /** How much an item weighs, in characters or bytes: heavy ones then share a trip with fewer others. */
  readonly weigh?: (item: In) => number
  /**
   * Whether a second trip may begin while one is under way, as long as there is enough to go on it: this process then prepares the one while
   * the store works on the other. For stores that take what they are sent in that order. Default false.
   */
  readonly abreast?: boolean
}

/**
 * Lets calls made in the same turn of the event loop share one trip to the store, or two: each still gets its own answer, after the common
 * commit.
 *
 * No timer: a batch is what comes while the one before is under way, or in one turn. If the trip fails, all calls that shared it fail.
 */
export class Batcher<In, Out> {
  readonly #clock: Clock
  readonly #flush: (items: readonly In[]) => Awaitable<readonly Out[]>
  readonly #weigh: ((item: In) => number) | undefined
  readonly #most: number
  #waiting: Waiting<In, Out>[] = []
  #underWay = 0
  #planned = false
  #whenIdle: (() => void)[] = []

  constructor(
    clock: Clock,
    flush: (items: readonly In[]) => Awaitable<readonly Out[]>,
    { weigh, abreast = false }: BatcherOptions<In> = {},
  ) {
    this.#clock = clock
    this.#flush = flush
    this.#weigh = weigh
    this.#most = abreast ? 2 : 1
  }

  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#planned) this.#plan()
    })
  }

  /** Resolves once every call so far has its answer. */
  idle(): Promise<void> {
    if (this.#waiting.length === 0 && this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** Begins what may begin, once this turn is over: more may come in it. */
  #plan(): void {
    if (this.#planned || this.#waiting.length === 0 || !this.#mayBegin()) return
    this.#planned = true
    this.#clock.soon(() => {
      this.#planned = false
      while (this.#waiting.length > 0 && this.#mayBegin()) {
        void this.#trip(this.#waiting.splice(0, this.#together()))
        if (this.#underWay === 0) return // the store has answered at once: others get a turn before the next
      }
    })
  }

  #mayBegin(): boolean {
    return this.#underWay === 0 || (this.#underWay < this.#most && this.#waiting.length >= fewestBeside)
  }

  /** How many of those that wait go together now: at least one. Where two trips may be under way, the first leaves half for the second. */
  #together(): number {
    const { length } = this.#waiting
    const halved = this.#underWay === 0 && this.#most === 2 && length >= 2 * fewestBeside
    const most = Math.min(mostTogether, halved ? Math.ceil(length / 2) : length)
    if (this.#weigh === undefined) return most
    let weight = 0
    let count = 0
    for (const { item } of this.#waiting) {
      weight += this.#weigh(item)
      if (count > 0 && (weight > mostWeight || count === most)) break
      count++
    }
    return count
  }

  /** Never throws: what the flush throws goes to the calls that waited for it. */
  async #trip(batch: readonly Waiting<In, Out>[]): Promise<void> {
    this.#underWay++
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
    this.#underWay--
    if (this.#waiting.length > 0) return this.#plan()
    if (this.#underWay > 0) return
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiting) resolve()
  }
}
