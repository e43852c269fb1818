import type { AsyncTransaction } from './async-transaction.ts'
import { andThen } from './awaitable.ts'
import { type Duration, toMs } from './core/duration.ts'
import { LeaseLostError } from './core/errors.ts'
import type { Failure, Instant, Job } from './core/job.ts'
import { type Outcome, settle } from './core/lifecycle.ts'
import { decode, encodeResult } from './core/payload.ts'
import { failedBy } from './core/steer.ts'
import type { Ferry } from './ferry.ts'
import type { SyncTransaction } from './sync-transaction.ts'
import type { JobLog } from './logbook.ts'
import { policyOf } from './runtime/definition.ts'
import type { Awaitable } from './store.ts'

/**
 * A job taken by hand with `lease`, to be ended by hand: complete, fail, snooze or release, once.
 *
 * The lease is not renewed by itself: `extend` does. Once it has run out and somebody else has the job, every call here answers false and
 * changes nothing; until then it still counts, even late. After the first call that answered true, all others answer false.
 */
export class HeldJob {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly priority: number
  readonly payload: unknown
  readonly attempt: number
  readonly maxAttempts: number
  readonly errors: readonly Failure[]
  readonly createdAt: Instant
  readonly runAt: Instant
  /** What travelled with it from its enqueue for the sake of tracing: see `Jobs.useEnqueue`. */
  readonly trace: Readonly<Record<string, string>> | undefined
  /** The token of this lease. */
  readonly lease: string
  readonly #ferry: Ferry
  #job: Job
  #ended = false
  #log: JobLog | undefined

  /** Made by `lease`. */
  constructor(job: Job, lease: string, ferry: Ferry) {
    this.id = job.id
    this.task = job.task
    this.queue = job.queue
    this.priority = job.priority
    this.payload = decode(job.payload)
    this.attempt = job.attempt
    this.maxAttempts = job.maxAttempts
    this.errors = job.failures
    this.createdAt = job.createdAt
    this.runAt = job.runAt
    this.trace = job.policy?.trace
    this.lease = lease
    this.#job = job
    this.#ferry = ferry
  }

  get leaseUntil(): Instant {
    return this.#job.leaseUntil ?? 0
  }

  /** The reason, if somebody asked for the job to be cancelled; known from the last `extend` on. */
  get cancelRequested(): string | undefined {
    return this.#job.cancel
  }

  get log(): JobLog {
    this.#log ??= this.#ferry.logbook.of(this.id, this.attempt, () => this.#ended)
    return this.#log
  }

  /**
   * Completes it. True for exactly one holder.
   *
   * With `tx`, the caller's own open transaction, effects and completion are stored together or not at all, and a job that is no longer held
   * throws LeaseLostError: let it roll the transaction back. With a synchronous handle it is done when the call returns; otherwise await it
   * before the commit.
   * @throws PayloadError for a result that is not JSON
   */
  complete(result: unknown, options: { readonly tx: SyncTransaction }): void
  complete(result: unknown, options: { readonly tx: AsyncTransaction }): Promise<void>
  complete(result?: unknown): Promise<boolean>
  complete(result?: unknown, options?: { readonly tx: object }): Awaitable<void> | Promise<boolean> {
    return options === undefined ? this.#complete(result) : this.#completeIn(options.tx, result)
  }

  /** Another attempt follows, with backoff, while attempts are left. UnrecoverableError and RetryError mean what they mean in a handler. */
  async fail(error: unknown): Promise<boolean> {
    return await this.#end(failedBy(error))
  }

  /** Puts it back to be run later, without using up an attempt. */
  async snooze(delay: Duration): Promise<boolean> {
    return await this.#end({ kind: 'snoozed', runAt: this.#ferry.clock.now() + toMs(delay, 'delay') })
  }

  /** Puts it back as it was, without using up an attempt. */
  async release(): Promise<boolean> {
    return await this.#end({ kind: 'released' })
  }

  /** Ends it as cancelled. */
  async cancel(reason = 'cancelled by its holder'): Promise<boolean> {
    return await this.#end({ kind: 'cancelled', reason })
  }

  /** Moves the end of the lease to so long from now. False once the lease has run out: it is never revived. @throws StoreError */
  async extend(by: Duration): Promise<boolean> {
    const now = this.#ferry.clock.now()
    const until = now + toMs(by, 'by', 1)
    const [renewed] = await this.#ferry.store.renew([{ id: this.id, lease: this.lease }], until, now)
    if (renewed === undefined || this.#ended) return false
    if ('error' in renewed) throw renewed.error
    this.#job = { ...this.#job, rev: renewed.rev, leaseUntil: until, cancel: renewed.cancel }
    return true
  }

  /** `await using` releases what was not ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.release()
  }

  async #complete(result: unknown): Promise<boolean> {
    return await this.#end({ kind: 'succeeded', result: encodeResult(result) })
  }

  #completeIn(tx: object, result: unknown): Awaitable<void> {
    return this.#ferry.inTx(tx, (handle) => {
      const outcome = { kind: 'succeeded', result: encodeResult(result) } as const
      return andThen(this.#settle(outcome, handle), (done) => {
        if (!done) throw new LeaseLostError(this.id)
      })
    })
  }

  async #end(outcome: Outcome): Promise<boolean> {
    return await this.#settle(outcome, undefined)
  }

  #settle(outcome: Outcome, tx: unknown): Awaitable<boolean> {
    if (this.#ended) return false
    const { clock } = this.#ferry
    const now = clock.now()
    const write = settle(
      this.#job,
      outcome,
      policyOf(this.#job, this.#ferry.policyOfTask(this.task)),
      now,
      clock.random(),
    )
    const { store, writes } = this.#ferry
    const stored = tx === undefined ? writes.add(write) : andThen(store.apply([write], now, tx), ([answer]) => answer)
    return andThen(stored, (answer) => {
      if (answer?.ok === true) {
        this.#ended = tx === undefined // a caller's transaction may yet roll back; if it commits, the store refuses what comes later
        return true
      }
      if (answer?.current?.lease !== this.lease) return false
      this.#job = answer.current // somebody asked it to stop since we last looked
      return this.#settle(outcome, tx)
    })
  }
}
