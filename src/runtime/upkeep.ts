import type { Instant, Job } from '../core/job.ts'
import { settle } from '../core/lifecycle.ts'
import type { Store } from '../store.ts'
import type { Clock } from './clock.ts'
import { type Definition, policyOf } from './definition.ts'
import { type Events, factsOf } from './events.ts'
import { Trouble } from './trouble.ts'

/** What upkeep works with. Times in milliseconds. */
export interface UpkeepOptions {
  readonly store: Store<unknown>
  readonly clock: Clock
  readonly events: Events
  /** The policy of a task, if this process knows it. */
  readonly policyOfTask: (task: string) => Pick<Definition, 'backoff' | 'retention'> | undefined
  readonly pollMs: number
}

/** How many jobs one step takes: small enough not to be felt. */
const stepSize = 500

const pruneEveryMs = 60_000

/**
 * Takes jobs back from the dead and forgets what is due to be forgotten.
 *
 * Wakes when the next lease runs out, and at the latest after a poll: a job whose worker died is taken back as soon as it may be. Every
 * write is refused if the row has moved since it was read, so that any number of processes can do this side by side.
 */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #trouble: Trouble
  #callOff: (() => void) | undefined
  #pruneAt: Instant = 0
  #stopped = true
  #working: Promise<void> = Promise.resolve()

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#trouble = new Trouble(options.clock)
  }

  /** The first round begins at once: there may be orphans from before. */
  start(): void {
    this.#stopped = false
    this.#plan(0)
  }

  /** Resolves once a round that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#callOff?.()
    await this.#working
  }

  #plan(ms: number): void {
    this.#callOff?.()
    this.#callOff = this.#options.clock.after(ms, () => {
      this.#working = this.#round()
    })
  }

  /** Never throws: trouble is told, and tried again. */
  async #round(): Promise<void> {
    let waitMs: number
    try {
      const nextAt = await this.#rescue()
      await this.#prune()
      this.#trouble.over()
      const { clock, pollMs } = this.#options
      waitMs = Math.min(pollMs, Math.max(1, (nextAt ?? Number.POSITIVE_INFINITY) - clock.now()))
    } catch (error) {
      waitMs = this.#trouble.waitMs()
      this.#options.events.emit({ type: 'error', error, during: 'rescuing and pruning' })
    }
    if (!this.#stopped) this.#plan(waitMs)
  }

  /** Says when the next lease runs out. */
  async #rescue(): Promise<Instant | undefined> {
    const { store, clock } = this.#options
    for (;;) {
      const now = clock.now()
      const { jobs, nextAt } = await store.expired(now, stepSize)
      if (jobs.length > 0) await this.#take(jobs, now)
      if (jobs.length < stepSize || this.#stopped) return nextAt
    }
  }

  async #take(jobs: readonly Job[], now: Instant): Promise<void> {
    const { store, clock, events, policyOfTask } = this.#options
    const writes = jobs.map((job) =>
      settle(job, { kind: 'expired' }, policyOf(job, policyOfTask(job.task)), now, clock.random()),
    )
    const results = await store.apply(writes, now)
    if (!events.heard('rescued')) return
    for (const [i, { before, after }] of writes.entries()) {
      const state = after?.state ?? (before.cancel === undefined ? 'failed' : 'cancelled')
      if (results[i]?.ok === true) events.emit({ type: 'rescued', job: factsOf(before), state })
    }
  }

  async #prune(): Promise<void> {
    const { store, clock, events } = this.#options
    if (clock.now() < this.#pruneAt) return
    let count = 0
    for (;;) {
      const pruned = await store.prune(clock.now(), stepSize)
      count += pruned
      if (pruned < stepSize || this.#stopped) break
      await new Promise<void>((resolve) => clock.soon(resolve)) // let others have a turn
    }
    this.#pruneAt = clock.now() + pruneEveryMs
    if (count > 0) events.emit({ type: 'pruned', count })
  }
}
