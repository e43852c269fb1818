import type { AsyncTransaction } from './async-transaction.ts'
import { andThen } from './awaitable.ts'
import { LeaseLostError, UsageError } from './core/errors.ts'
import { expectFunction } from './core/expect.ts'
import type { Failure, Instant } from './core/job.ts'
import { settle } from './core/lifecycle.ts'
import { encodeResult } from './core/payload.ts'
import type { Enqueued } from './enqueue.ts'
import { type EnqueueOptions, hasTx } from './enqueue-options.ts'
import type { Enqueuer } from './enqueuer.ts'
import type { Ferry } from './ferry.ts'
import type { Jobs } from './jobs.ts'
import type { SyncTransaction } from './sync-transaction.ts'
import type { JobLog } from './logbook.ts'
import { policyOf } from './runtime/definition.ts'
import type { Held } from './runtime/held.ts'
import type { Awaitable, OwnTransaction } from './store.ts'
import type { StoreTransaction } from './store-transaction.ts'
import type { AnyTask, EnqueueArgs, Entry, Task } from './task.ts'

/**
 * The job that a handler runs: its facts, its signal, and what can be done from inside it.
 *
 * It is valid until the run ends. A handler that goes on after its time (a timeout, a lost lease, a stop) can change nothing any more: its
 * log lines are dropped, and `enqueue` and `complete` throw LeaseLostError.
 */
export class RunningJob {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly priority: number
  /** Which run this is, from 1. A snoozed or released run does not count. */
  readonly attempt: number
  readonly maxAttempts: number
  /** The failures of earlier attempts, oldest first, the last 20. */
  readonly errors: readonly Failure[]
  readonly createdAt: Instant
  readonly runAt: Instant
  /** The job whose handler enqueued this one. */
  readonly parent: string | undefined
  /** What travelled with it from its enqueue for the sake of tracing: see `Jobs.useEnqueue`. */
  readonly trace: Readonly<Record<string, string>> | undefined
  /** The token of this run, different for each: a key for making effects elsewhere idempotent or fenced. */
  readonly lease: string
  /** What the job came from: enqueue, look up and steer other jobs. */
  readonly jobs: Jobs
  readonly #held: Held
  readonly #ferry: Ferry
  readonly #enqueuer: Enqueuer
  #log: JobLog | undefined
  #transacted = false
  #inTransaction = false

  /** Made by workers. */
  constructor(held: Held, jobs: Jobs, ferry: Ferry, enqueuer: Enqueuer) {
    const { job } = held
    this.id = job.id
    this.task = job.task
    this.queue = job.queue
    this.priority = job.priority
    this.attempt = job.attempt
    this.maxAttempts = job.maxAttempts
    this.errors = job.failures
    this.createdAt = job.createdAt
    this.runAt = job.runAt
    this.parent = job.parent
    this.trace = job.policy?.trace
    this.lease = held.lease
    this.jobs = jobs
    this.#held = held
    this.#ferry = ferry
    this.#enqueuer = enqueuer
  }

  /** Aborted when the run should stop. `signal.reason` is a TimeoutError, CancelledError, LeaseLostError or StoppedError. */
  get signal(): AbortSignal {
    return this.#held.signal
  }

  /** When the lease ends unless it is renewed, which happens by itself. */
  get leaseUntil(): Instant {
    return this.#held.job.leaseUntil ?? 0
  }

  get log(): JobLog {
    this.#log ??= this.#ferry.logbook.of(this.id, this.attempt, () => this.#held.ended)
    return this.#log
  }

  /**
   * Enqueues another job, which remembers this one as its parent. With `tx` as in `Jobs.enqueue`.
   * @throws as `Jobs.enqueue`, and LeaseLostError once the run has ended
   */
  enqueue<In, Out>(
    task: Task<In, Out>,
    payload: NoInfer<In>,
    options: EnqueueOptions & { readonly tx: SyncTransaction },
  ): Enqueued
  enqueue<In, Out>(
    task: Task<In, Out>,
    payload: NoInfer<In>,
    options: EnqueueOptions & { readonly tx: AsyncTransaction },
  ): Promise<Enqueued>
  enqueue<In, Out>(task: Task<In, Out>, ...args: EnqueueArgs<NoInfer<In>>): Promise<Enqueued>
  enqueue(
    task: AnyTask,
    payload?: unknown,
    options: EnqueueOptions & { readonly tx?: unknown } = {},
  ): Awaitable<Enqueued> {
    if (!hasTx(options)) return this.#enqueue({ task, payload, options })
    const { tx, ...rest } = options
    this.#alive()
    return this.#enqueuer.oneInTx({ task, payload, options: rest }, tx, this.id)
  }

  /**
   * Completes the job inside the handler's own transaction, so that its effects and its completion are stored together or not at all: the
   * effects then happen exactly once. Call it last in the transaction, commit, and return: the lease is not renewed any more. With a synchronous handle (node:sqlite,
   * better-sqlite3, libsql) it is done when the call returns; with any other, await it before the commit. A run whose transaction was not
   * committed by the time its handler returns has failed.
   * @throws LeaseLostError when the job is no longer this run's: let it roll the transaction back · PayloadError for a bad result
   */
  complete(result: unknown, options: { readonly tx: SyncTransaction }): void
  complete(result: unknown, options: { readonly tx: AsyncTransaction }): Promise<void>
  complete(result: unknown, options: { readonly tx: object }): Awaitable<void> {
    if (this.#inTransaction)
      throw new UsageError('job.transaction() completes the job itself, with what its function returns')
    return this.#ferry.inTx(options.tx, (handle) => this.#complete(result, handle))
  }

  /**
   * Runs a function in a transaction that the store begins and commits, and completes the job in it with what the function returns: its
   * effects and the completion are stored together or not at all, so that the effects happen exactly once.
   *
   * When the function throws, everything is rolled back and the call throws the same. What the handler itself returns no longer matters once
   * this has resolved. Whether a commit that failed took place, the job's row decides: the run then counts as completed or failed accordingly.
   * At most once per run.
   * @throws LeaseLostError, with everything rolled back, when the job is no longer this run's · UnsupportedError before any I/O where the store
   * has no `connection` · UsageError for a second call · StoreError · PayloadError for a bad result
   */
  async transaction<Result>(run: (tx: StoreTransaction) => Awaitable<Result>): Promise<Result> {
    expectFunction(run, 'run')
    this.#ferry.expectCapability('connection')
    this.#alive()
    if (this.#transacted) throw new UsageError('job.transaction() was called before in this run; call it once')
    const { tx, commit, rollback } = await this.#begin()
    this.#inTransaction = true
    let result: Result
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the program has said its store's is
      result = await run(tx as StoreTransaction)
      await this.#ferry.inTx(tx, (handle) => this.#complete(result, handle))
    } catch (error) {
      this.#held.completedInTx = false
      await rollback()
      throw error
    } finally {
      this.#inTransaction = false
    }
    await commit() // if it throws, the handler does, and what is then to be stored of the run is refused if the commit took place
    return result
  }

  /** Where it could not begin, nothing has happened, and it may be tried again. */
  async #begin(): Promise<OwnTransaction<object>> {
    this.#transacted = true
    try {
      return await this.#ferry.begin()
    } catch (error) {
      this.#transacted = false
      throw error
    }
  }

  async #enqueue(entry: Entry): Promise<Enqueued> {
    this.#alive()
    return await this.#enqueuer.one(entry, this.id)
  }

  #complete(result: unknown, tx: object): Awaitable<void> {
    this.#alive()
    const { store, clock } = this.#ferry
    const now = clock.now()
    const outcome = { kind: 'succeeded', result: encodeResult(result) } as const
    const write = settle(this.#held.job, outcome, policyOf(this.#held.job, this.#ferry.policyOfTask(this.task)), now, 0)
    return andThen(store.apply([write], now, tx), ([answer]) => {
      if (answer?.ok === true) {
        this.#held.completedInTx = true
        return
      }
      if (answer?.current?.lease !== this.#held.lease) throw new LeaseLostError(this.id)
      this.#held.job = answer.current // renewed, or asked to stop, in the meantime
      return this.#complete(result, tx)
    })
  }

  #alive(): void {
    if (this.#held.ended || this.#held.reason instanceof LeaseLostError) throw new LeaseLostError(this.id)
  }
}
