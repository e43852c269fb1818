import { CancelledError, LeaseLostError } from '../core/errors.ts'
import type { RenewResult, Store } from '../store.ts'
import type { Clock } from './clock.ts'
import type { Events } from './events.ts'
import type { Held } from './held.ts'

/** What a heart beats for. */
export interface HeartOptions {
  readonly store: Store<unknown>
  readonly clock: Clock
  readonly events: Events
  readonly leaseMs: number
  /** Whether no bell tells of cancellations made elsewhere. */
  readonly deaf: boolean
  readonly held: () => Iterable<Held>
  /** Called for a job that is lost or cancelled and was not started yet. */
  readonly drop: (held: Held) => void
}

/** A control bell makes the heart beat early, but not more often than this: many writers ring often. */
const earlyMs = 100

/** A heart that hears no bell asks this often who is cancelled: as often as a worker of sqlq's does. */
const deafMs = 3_000

/**
 * Renews every lease a process holds at a third of its length, or sooner if it is deaf, all in one call, and learns on the way who is asked to
 * stop.
 *
 * A lease that could not be renewed in time ends its run before it runs out, even when the store cannot be reached: from then on another
 * worker may have the job.
 */
export class Heart {
  readonly #options: HeartOptions
  readonly #everyMs: number
  #callOff: (() => void) | undefined
  #callOffWatch: (() => void) | undefined
  #beating = false
  #rung = false
  #stopped = true
  #lastBeatAt = 0

  constructor(options: HeartOptions) {
    this.#options = options
    this.#everyMs = Math.min(options.leaseMs / 3, options.deaf ? deafMs : Number.POSITIVE_INFINITY)
  }

  start(): void {
    this.#stopped = false
    this.#plan(this.#everyMs)
  }

  stop(): void {
    this.#stopped = true
    this.#callOff?.()
    this.#callOffWatch?.()
  }

  /** Somebody may have asked a running job to stop: looks soon. */
  ring(): void {
    this.#rung = true
    if (this.#stopped || this.#beating) return
    const sinceMs = this.#options.clock.now() - this.#lastBeatAt
    this.#plan(Math.max(0, earlyMs - sinceMs))
  }

  #plan(ms: number): void {
    this.#callOff?.()
    this.#callOff = this.#options.clock.after(ms, () => void this.#beat())
  }

  /** Never throws: a beat that fails is told, and followed by another sooner. */
  async #beat(): Promise<void> {
    const { clock, leaseMs, events } = this.#options
    this.#beating = true
    this.#rung = false
    this.#watch()
    let nextMs = this.#everyMs
    for (const error of await this.#renew()) {
      nextMs = Math.min(leaseMs / 10, this.#everyMs)
      events.emit({ type: 'error', error, during: 'renewing leases' })
    }
    this.#beating = false
    this.#lastBeatAt = clock.now()
    this.#callOffWatch?.()
    this.#endStale()
    if (!this.#stopped) this.#plan(this.#rung ? Math.min(earlyMs, nextMs) : nextMs)
  }

  /** While the store does not answer, runs must still end in time. */
  #watch(): void {
    const { clock, leaseMs } = this.#options
    this.#callOffWatch = clock.after(leaseMs / 10, () => {
      this.#endStale()
      this.#watch()
    })
  }

  /** What went wrong: all of it, or parts of a store that is made of several. Those runs go on while their lease lasts. */
  async #renew(): Promise<Iterable<unknown>> {
    const { store, clock, leaseMs, held, drop } = this.#options
    // A row that was completed in a transaction is locked until its commit, for which the renewals of all others must not wait.
    const all = [...held()].filter((one) => !one.completedInTx)
    if (all.length === 0) return []
    const now = clock.now()
    const until = now + leaseMs
    const errors = new Set<unknown>()
    let renewed: readonly RenewResult[]
    try {
      renewed = await store.renew(
        all.map(({ job, lease }) => ({ id: job.id, lease })),
        until,
        now,
      )
    } catch (error) {
      return [error]
    }
    for (const [i, one] of all.entries()) {
      const answer = renewed[i]
      if (answer === undefined) {
        this.#lose(one)
        continue
      }
      if ('error' in answer) {
        errors.add(answer.error)
        continue
      }
      if (answer.rev > one.job.rev) one.job = { ...one.job, rev: answer.rev, leaseUntil: until, cancel: answer.cancel }
      if (answer.cancel === undefined) continue
      one.abort(new CancelledError(answer.cancel))
      drop(one)
    }
    return errors
  }

  /** Ends the runs whose lease is about to run out. */
  #endStale(): void {
    const { clock, leaseMs, held } = this.#options
    const margin = leaseMs / 6
    for (const one of held()) if ((one.job.leaseUntil ?? 0) - clock.now() < margin) this.#lose(one)
  }

  /** A job that was completed in a transaction has no lease any more because of that; its handler may go on. */
  #lose(one: Held): void {
    if (one.completedInTx) return
    one.abort(new LeaseLostError(one.job.id))
    this.#options.drop(one)
  }
}
