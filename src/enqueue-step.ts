import type { Events } from './runtime/events.ts'
import type { Awaitable } from './store.ts'
import type { Entry } from './task.ts'

/** A job that is about to be enqueued. */
export interface EnqueueFacts {
  readonly task: string
  readonly queue: string
}

/** What a step knows of an enqueue under way. */
export interface EnqueueUnderWay {
  /**
   * Travels with each of the jobs, and is there as `job.trace` when it runs, in whatever process: the carrier of a propagator, such as
   * `{ traceparent }`. Kept where the store has the capability `policy`, and dropped without a word where it has not.
   */
  readonly trace?: Readonly<Record<string, string>>
  /** Called once the store has said ok; in a transaction or pipeline of the caller's that is not the end of it. */
  readonly stored?: (ids: readonly string[]) => void
  /** Called in place of `stored`, with what the caller is told. */
  readonly failed?: (error: unknown) => void
}

/** A step around every enqueue of this program: called for the jobs of one call, before anything is checked or stored, in the caller's own context. */
export type EnqueueStep = (jobs: readonly EnqueueFacts[]) => EnqueueUnderWay | undefined

/** The steps of one opened store, in order. One that throws harms nobody: its error becomes an `error` event. */
export class EnqueueSteps {
  readonly #steps: EnqueueStep[] = []
  readonly #events: Events

  constructor(events: Events) {
    this.#events = events
  }

  add(step: EnqueueStep): void {
    this.#steps.push(step)
  }

  /** Enqueues with what the steps let travel: of the same name, the later step's. */
  around<T extends { readonly id: string }>(
    entries: readonly Entry[],
    enqueue: (trace: Readonly<Record<string, string>> | undefined) => Awaitable<readonly T[]>,
  ): Awaitable<readonly T[]> {
    if (this.#steps.length === 0) return enqueue(undefined)
    const facts = entries.map(factsOf)
    const underWay = this.#steps.flatMap((step) => this.#carefully(() => step(facts)) ?? [])
    const pairs = underWay.flatMap(({ trace }) => Object.entries(trace ?? {}))
    const stored = (enqueued: readonly T[]): readonly T[] => {
      const ids = enqueued.map(({ id }) => id)
      for (const one of underWay) this.#carefully(() => one.stored?.(ids))
      return enqueued
    }
    const failed = (error: unknown): never => {
      for (const one of underWay) this.#carefully(() => one.failed?.(error))
      throw error
    }
    try {
      const enqueued = enqueue(pairs.length === 0 ? undefined : Object.fromEntries(pairs))
      return enqueued instanceof Promise ? enqueued.then(stored, failed) : stored(enqueued)
    } catch (error) {
      return failed(error)
    }
  }

  #carefully<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      this.#events.emit({ type: 'error', error, during: 'a step around an enqueue' })
      return undefined
    }
  }
}

/** What is no task is refused later, in so many words. */
function factsOf({ task, options }: Entry): EnqueueFacts {
  return { task: task?.name, queue: options?.queue ?? task?.queue }
}
