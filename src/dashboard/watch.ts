import type { Ferry } from '../ferry.ts'
import type { Overview, Operation } from './shapes.ts'
import { History } from './series.ts'
import { sumOf, toQueueView } from './views.ts'

/** How long bells are gathered before anything is read, in milliseconds. */
const gatherMs = 500

/** How often is looked though nothing rang: a run that ends rings for nobody. */
const lookMs = 2_500

/** What watchers hear of. */
export type News =
  | { readonly event: 'overview'; readonly data: Overview }
  | { readonly event: 'change'; readonly data: { readonly at: number } }
  | { readonly event: 'operation'; readonly data: Operation }
  | { readonly event: 'end'; readonly data: object }

type Listener = (news: News) => void

/**
 * Looks at the store while somebody watches, once for all who do, and not at all while nobody does.
 *
 * A bell leads to one look soon, however many ring; without bells there is a look every two and a half seconds. A look reads kept counters.
 */
export class Watch {
  readonly #ferry: Ferry
  readonly #onError: (error: unknown) => void
  readonly #history = new History()
  readonly #listeners = new Set<Listener>()
  #endListening: (() => void) | undefined
  #callOff: (() => void) | undefined
  #soon = false
  #looking = false
  #rang = false
  #seen = ''
  #latest: Overview | undefined
  #closed = false

  constructor(ferry: Ferry, onError: (error: unknown) => void) {
    this.#ferry = ferry
    this.#onError = onError
  }

  get watchers(): number {
    return this.#listeners.size
  }

  /** What there is to see now. Reads the store. */
  async overview(): Promise<Overview> {
    const at = this.#ferry.clock.now()
    const stats = await this.#ferry.store.queues()
    const queues = stats.map(toQueueView)
    const counts = sumOf(queues)
    if (this.#history.due(at)) {
      const workers = await this.#ferry.store.workers?.(at)
      if (this.#history.due(at)) this.#history.add({ at, pending: counts.pending, running: counts.running, workers })
    }
    const dues = queues.flatMap(({ nextRunAt, paused }) =>
      nextRunAt === null || nextRunAt > at || paused ? [] : [nextRunAt],
    )
    this.#latest = {
      at,
      counts,
      queues,
      oldestDueAt: dues.length === 0 ? null : Math.min(...dues),
      series: this.#history.toSeries(),
    }
    return this.#latest
  }

  /** Calls the listener with what happens until the returned function is called. Begins with an overview. */
  subscribe(listener: Listener): () => void {
    if (this.#closed) {
      listener({ event: 'end', data: {} })
      return () => undefined
    }
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) void this.#begin()
    else if (this.#latest !== undefined) listener({ event: 'overview', data: this.#latest })
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#rest()
    }
  }

  /** Tells all who watch. */
  tell(news: News): void {
    for (const listener of this.#listeners) listener(news)
  }

  /** Something was changed by this very process: it is worth a look. */
  nudge(): void {
    this.#rang = true
    this.#plan(gatherMs)
  }

  /** Tells all who watch that it is over. */
  close(): void {
    this.#closed = true
    this.tell({ event: 'end', data: {} })
    this.#listeners.clear()
    this.#rest()
  }

  async #begin(): Promise<void> {
    try {
      const end = await this.#ferry.store.listen(() => this.nudge())
      if (this.#listeners.size === 0) return end()
      this.#endListening?.()
      this.#endListening = end
    } catch (error) {
      this.#onError(error) // a bell is a hint: without, there is a look every two and a half seconds
    }
    this.#seen = ''
    await this.#look()
  }

  #rest(): void {
    this.#endListening?.()
    this.#endListening = undefined
    this.#callOff?.()
    this.#callOff = undefined
    this.#soon = false
  }

  #plan(ms: number): void {
    if (this.#listeners.size === 0 || this.#looking || (this.#soon && ms >= gatherMs)) return
    this.#callOff?.()
    this.#soon = ms <= gatherMs
    this.#callOff = this.#ferry.clock.after(ms, () => void this.#look())
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#listeners.size === 0) return
    this.#looking = true
    this.#soon = false
    const rang = this.#rang
    this.#rang = false
    try {
      const points = this.#latest?.series.points.length
      const overview = await this.overview()
      const { at, series, ...rest } = overview
      const seen = JSON.stringify(rest)
      const changed = seen !== this.#seen
      this.#seen = seen
      if (changed || series.points.length !== points || series.points.at(-1)?.at === at)
        this.tell({ event: 'overview', data: overview })
      if (changed || rang) this.tell({ event: 'change', data: { at } })
    } catch (error) {
      if (this.#ferry.closed) this.close()
      else this.#onError(error)
    } finally {
      this.#looking = false
      this.#plan(this.#rang ? gatherMs : lookMs)
    }
  }
}
