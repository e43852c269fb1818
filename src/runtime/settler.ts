import { UsageError } from '../core/errors.ts'
import type { Instant, Job } from '../core/job.ts'
import { type Outcome, type Write, settle } from '../core/lifecycle.ts'
import type { WriteResult } from '../store.ts'
import type { Clock } from './clock.ts'
import { type Definition, policyOf } from './definition.ts'
import { type Events, factsOf } from './events.ts'
import type { Held } from './held.ts'
import type { Tally } from './tally.ts'

interface Settlement {
  readonly held: Held
  readonly outcome: Outcome
  readonly endedAt: Instant
  /** How often the store has left it for later. */
  left: number
}

/** So often an end is left for later before anybody is told that something is wrong. */
const leftTooOften = 20

/**
 * Gathers how runs ended until the next exchange with the store, and decides again when a write was refused because the row had moved.
 *
 * A run's end is never dropped: it stays here until the store has taken it, or has shown that the job is somebody else's. What the store
 * leaves for later, because somebody is changing the row and may take long (`before.rev` refused, and yet the row as it was), comes back
 * with `comeBack`.
 */
export class Settler {
  readonly #definitions: ReadonlyMap<string, Definition>
  readonly #clock: Clock
  readonly #events: Events
  readonly #tally: Tally
  readonly #forget: (held: Held) => void
  #due: Settlement[] = []
  #left: Settlement[] = []
  #taken: readonly Settlement[] = []
  #writes: readonly Write[] = []

  /** @param forget called once for each run when nothing more is to be stored of it */
  constructor(
    definitions: ReadonlyMap<string, Definition>,
    clock: Clock,
    events: Events,
    tally: Tally,
    forget: (held: Held) => void,
  ) {
    this.#definitions = definitions
    this.#clock = clock
    this.#events = events
    this.#tally = tally
    this.#forget = forget
  }

  /** How many ends wait to be stored. */
  get size(): number {
    return this.#due.length
  }

  /** How many the store has left for later. */
  get left(): number {
    return this.#left.length
  }

  add(held: Held, outcome: Outcome): void {
    this.#due.push({ held, outcome, endedAt: this.#clock.now(), left: 0 })
  }

  /** What was left for later waits again. */
  comeBack(): void {
    this.#due.push(...this.#left)
    this.#left = []
  }

  /** All that waits, decided on the rows as last seen. To be followed by `took` or `putBack`. */
  take(now: Instant): readonly Write[] {
    this.#taken = this.#due
    this.#due = []
    this.#writes = this.#taken.map(({ held, outcome }) =>
      settle(held.job, honest(held, outcome), this.#policy(held), now, this.#clock.random()),
    )
    return this.#writes
  }

  /** The store's answer to what was taken, in order. */
  took(results: readonly WriteResult[]): void {
    const taken = this.#taken
    const writes = this.#writes
    this.#taken = []
    this.#writes = []
    for (const [i, settlement] of taken.entries()) {
      const result = results[i]
      const write = writes[i]
      if (result === undefined || write === undefined) this.#due.push(settlement)
      else if (result.ok) this.#stored(settlement, write)
      else if (result.current?.lease === settlement.held.lease) {
        const moved = result.current.rev !== write.before.rev
        settlement.held.job = result.current // renewed, or asked to stop, since we last looked
        if (moved) this.#due.push(settlement)
        else this.#leave(settlement)
      } else this.#lost(settlement, result.current)
    }
  }

  /** The exchange failed: everything waits for the next. */
  putBack(): void {
    this.#due = [...this.#taken, ...this.#due]
    this.#taken = []
    this.#writes = []
  }

  #policy(held: Held): ReturnType<typeof policyOf> {
    return policyOf(held.job, this.#definitions.get(held.job.task))
  }

  #leave(settlement: Settlement): void {
    this.#left.push(settlement)
    if (++settlement.left !== leftTooOften) return
    const { id } = settlement.held.job
    const error = new UsageError(
      `The run of job ${id} has ended, but a transaction that has changed its row is still open. Commit it or roll it back`,
    )
    this.#events.emit({ type: 'error', error, during: 'settling; the other jobs go on' })
  }

  #stored({ held, outcome: reported, endedAt }: Settlement, { before, after }: Write): void {
    this.#forget(held)
    const outcome = honest(held, reported)
    const type = eventType(outcome, after?.state ?? (before.cancel === undefined ? undefined : 'cancelled'))
    const ranMs = endedAt - (held.startedAt ?? endedAt)
    this.#tally.ended(held.job.task, type, held.startedAt === undefined ? undefined : ranMs)
    if (!this.#events.heard(type)) return
    const job = factsOf(held.job)
    const error = outcome.kind === 'failed' ? outcome.error : held.reason
    switch (type) {
      case 'completed':
        return this.#events.emit({ type, job, ranMs })
      case 'retrying':
        return this.#events.emit({ type, job, ranMs, error, runAt: after?.runAt ?? endedAt })
      case 'failed':
        return this.#events.emit({ type, job, ranMs, error })
      case 'snoozed':
        return this.#events.emit({ type, job, ranMs, runAt: after?.runAt ?? endedAt })
      case 'cancelled':
        return this.#events.emit({ type, job, reason: after?.cancel ?? before.cancel })
      case 'released':
        return this.#events.emit({ type, job })
    }
  }

  #lost({ held, endedAt }: Settlement, current: Job | undefined): void {
    this.#forget(held)
    const job = factsOf(held.job)
    // Completed in a transaction: the row had to move, and it moved by our own hand. Unless that was rolled back, and another run completed it.
    const byUs = current === undefined || (current.state === 'completed' && current.attempt === held.job.attempt)
    const ours = held.completedInTx && byUs
    const ranMs = held.startedAt === undefined ? undefined : endedAt - held.startedAt
    this.#tally.ended(job.task, ours ? 'completed' : 'lost', ranMs)
    if (ours) this.#events.emit({ type: 'completed', job, ranMs: this.#clock.now() - (held.startedAt ?? 0) })
    else this.#events.emit({ type: 'lost', job })
  }
}

/** A job that was completed in its handler's transaction needs no write, unless that transaction was never committed: then the run has failed. */
function honest(held: Held, outcome: Outcome): Outcome {
  if (!held.completedInTx || outcome.kind !== 'succeeded') return outcome
  return {
    kind: 'failed',
    error: new Error('The transaction that was to complete the job was not committed when its handler returned'),
  }
}

function eventType(
  outcome: Outcome,
  state: string | undefined,
): 'completed' | 'retrying' | 'failed' | 'snoozed' | 'cancelled' | 'released' {
  if (outcome.kind === 'succeeded') return 'completed'
  if (state === 'cancelled' || outcome.kind === 'cancelled') return 'cancelled'
  if (outcome.kind === 'snoozed' || outcome.kind === 'released') return outcome.kind
  return state === 'pending' ? 'retrying' : 'failed'
}
