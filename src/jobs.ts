import { adopt, type Adopted } from './adopt.ts'
import type { AsyncTransaction } from './async-transaction.ts'
import type { Capability } from './core/capability.ts'
import { type Duration, toMs } from './core/duration.ts'
import { UsageError } from './core/errors.ts'
import { expectFunction, expectKnown, expectName, expectOneOf, expectWhole, show } from './core/expect.ts'
import type { PresentWorker } from './core/presence.ts'
import type { Enqueued } from './enqueue.ts'
import { type EnqueueOptions, hasPipeline, hasTx } from './enqueue-options.ts'
import type { EnqueueStep } from './enqueue-step.ts'
import { Enqueuer } from './enqueuer.ts'
import type { Ferry } from './ferry.ts'
import { Hand, type LeaseOptions } from './hand.ts'
import type { HeldJob } from './held-job.ts'
import { type JobInfo, toInfo } from './info.ts'
import type { Middleware } from './middleware.ts'
import type { Appended, Pipeline } from './pipeline.ts'
import type { EventOf, EventType, JobEvent, Listener } from './runtime/events.ts'
import { RunningJob } from './running-job.ts'
import { type Cancellation, type EditOptions, type PruneOptions, Steering, toFilter } from './steering.ts'
import type { Awaitable, Finding, JobFilter, QueueStats, StoredLogLine } from './store.ts'
import type { SyncTransaction } from './sync-transaction.ts'
import type { AnyHandledTask, AnyTask, EnqueueArgs, Entry, Task } from './task.ts'
import { waitFor, type WaitOptions } from './wait.ts'
import { Worker, type WorkOptions } from './worker.ts'

/** What an operator may set of a queue, for all workers of all processes. */
export interface QueueOptions {
  /** At most so many of its jobs run at a time, over all workers; `null` for no limit. */
  readonly concurrency?: number | null
  /** Among queues, lower is claimed from first. */
  readonly priority?: number
}

/** Which waiting jobs to move here, from where. */
export interface AdoptOptions {
  /** What the source is called: the same each time, so that an adoption that was broken off can be finished by calling again. */
  readonly source: string
  readonly queue?: string
  readonly task?: string
  /** Told as it goes on, with the count of jobs moved since the last time. */
  readonly onMoved?: (count: number) => void
}

/**
 * What jobs are made of, for the surfaces of this package that look beneath: the dashboard.
 * @throws UsageError unless they are jobs of this very copy of the package
 */
export let ferryOf: (jobs: Jobs) => Ferry

/**
 * A store opened for use: enqueue jobs, work them, look at them and steer them. Made by `open`.
 *
 * All calls may be made at once and from anywhere; those made in one turn of the event loop share their trip to the store.
 */
export class Jobs {
  readonly #ferry: Ferry
  readonly #enqueuer: Enqueuer
  readonly #steering: Steering
  readonly #hand: Hand
  readonly #middleware: Middleware[] = []
  readonly #workers = new Set<Worker>()
  #closing: Promise<void> | undefined

  static {
    ferryOf = (jobs) => {
      if (typeof jobs === 'object' && jobs !== null && #ferry in jobs) return jobs.#ferry
      throw new UsageError(`Expected jobs made by open(…) of this same copy of jobferry, got ${show(jobs)}`)
    }
  }

  /** Made by `open`, which also migrates. */
  constructor(ferry: Ferry) {
    this.#ferry = ferry
    this.#enqueuer = new Enqueuer(ferry)
    this.#steering = new Steering(ferry)
    this.#hand = new Hand(ferry)
  }

  /** The store's name: `sqlite`. */
  get storeName(): string {
    return this.#ferry.store.name
  }

  get capabilities(): ReadonlySet<Capability> {
    return this.#ferry.store.capabilities
  }

  /**
   * Adds a job. When the promise resolves, the job is as durable as the store makes an enqueue (SQLite by default: on disk).
   *
   * With `tx`, an open transaction of the caller's on the same database, the job is part of it: it exists once that commits, and never if it
   * rolls back; nothing need be called afterwards. With a synchronous driver the call then answers at once, without a promise, and throws
   * rather than rejects. With any other, await it before the commit; calls on one handle go one after the other.
   *
   * With `pipeline`, a pipeline or MULTI of the caller's Redis client, its command is added to that, at once and without a promise; the job
   * exists once that is executed. What came of a unique key then is not known here: where it is held the job is left out.
   * @throws UsageError, PayloadError before any I/O · ConflictError for `onConflict: 'reject'` · StoreError (if `retryable`, trying again may help)
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
  enqueue<In, Out>(
    task: Task<In, Out>,
    payload: NoInfer<In>,
    options: EnqueueOptions & { readonly pipeline: Pipeline },
  ): Appended
  enqueue<In, Out>(task: Task<In, Out>, ...args: EnqueueArgs<NoInfer<In>>): Promise<Enqueued>
  enqueue(
    task: AnyTask,
    payload?: unknown,
    options: EnqueueOptions & { readonly tx?: unknown; readonly pipeline?: unknown } = {},
  ): Awaitable<Enqueued> | Appended {
    if (hasPipeline(options)) {
      const { pipeline, ...rest } = options
      return this.#enqueuer.append([{ task, payload, options: rest }], pipeline)[0] ?? { id: '' }
    }
    if (!hasTx(options)) return this.#enqueuer.one({ task, payload, options })
    const { tx, ...rest } = options
    return this.#enqueuer.oneInTx({ task, payload, options: rest }, tx)
  }

  /**
   * Adds jobs of any tasks and queues, all or none, in order; each gets its own answer, in the same order. An entry is `task.with(payload,
   * options)`. With `tx` and `pipeline` as in `enqueue`.
   */
  enqueueMany(entries: readonly Entry[], options: { readonly tx: SyncTransaction }): readonly Enqueued[]
  enqueueMany(entries: readonly Entry[], options: { readonly tx: AsyncTransaction }): Promise<readonly Enqueued[]>
  enqueueMany(entries: readonly Entry[], options: { readonly pipeline: Pipeline }): readonly Appended[]
  enqueueMany(entries: readonly Entry[]): Promise<readonly Enqueued[]>
  enqueueMany(
    entries: readonly Entry[],
    options: { readonly tx?: unknown; readonly pipeline?: unknown } = {},
  ): Awaitable<readonly Enqueued[]> | readonly Appended[] {
    if (hasPipeline(options)) {
      expectKnown(options, ['pipeline'], 'enqueueMany()')
      return this.#enqueuer.append(entries, options.pipeline)
    }
    if (hasTx(options)) {
      expectKnown(options, ['tx'], 'enqueueMany()')
      return this.#enqueuer.inTx(entries, options.tx)
    }
    return this.#enqueueMany(entries, options)
  }

  /** Starts a worker for these tasks. Jobs of other tasks are left alone. @throws UsageError for bad options or a task without a handler */
  work(tasks: readonly AnyHandledTask[], options: WorkOptions = {}): Worker {
    this.#ferry.expectOpen()
    const worker = new Worker(this.#ferry, tasks, options, {
      runningJob: (held) => new RunningJob(held, this, this.#ferry, this.#enqueuer),
      middleware: () => this.#middleware,
      started: (one) => this.#workers.add(one),
      stopped: (one) => this.#workers.delete(one),
    })
    worker.start()
    return worker
  }

  /** Adds a step around every run of every worker from now on; the first added is the outermost. */
  use(middleware: Middleware): this {
    expectFunction(middleware, 'middleware')
    this.#middleware.push(middleware)
    return this
  }

  /** Adds a step around every enqueue of this program from now on. It may let something travel with the jobs for the sake of tracing. */
  useEnqueue(step: EnqueueStep): this {
    expectFunction(step, 'step')
    this.#enqueuer.steps.add(step)
    return this
  }

  /** The workers of this program that were started and have not stopped. Those of all programs: `workers()`. */
  get ownWorkers(): readonly Worker[] {
    return [...this.#workers]
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#ferry.closed
  }

  /** Resolves once the store has answered the least of questions. @throws StoreError when it does not · UsageError once closed */
  async ping(): Promise<void> {
    this.#ferry.expectOpen()
    await this.#ferry.store.get(['ping'])
  }

  /** Takes a job by hand, for a time: `undefined` when none is due within `wait`. */
  async lease(options: LeaseOptions = {}): Promise<HeldJob | undefined> {
    this.#ferry.expectOpen()
    return (await this.#hand.take({ ...options, limit: 1 }))[0]
  }

  /** Takes up to `limit` jobs by hand; waits, if at all, only for the first. */
  async leaseMany(options: LeaseOptions & { readonly limit: number }): Promise<readonly HeldJob[]> {
    this.#ferry.expectOpen()
    return await this.#hand.take(options)
  }

  /** Takes jobs by hand one after the other, waiting for each, until the signal is aborted or the loop is left. */
  async *leases(options: Omit<LeaseOptions, 'wait'> = {}): AsyncGenerator<HeldJob, void, void> {
    while (options.signal?.aborted !== true) {
      const held = await this.lease({ ...options, wait: '1m' })
      if (held !== undefined) yield held
    }
  }

  /** The job as it is now; `undefined` if there is none (any more). */
  async get(id: string): Promise<JobInfo | undefined> {
    const [job] = await this.#ferry.store.get([expectName(id, 'id')])
    return job === undefined ? undefined : toInfo(job)
  }

  /** A page of jobs, the newest first; at most `limit` (default 50, at most 1,000). The next page: the same filter with `after`, the last id. */
  async list(filter: Partial<JobFilter> = {}): Promise<readonly JobInfo[]> {
    this.#ferry.expectCapability('inspect')
    return (await this.#ferry.store.list(toFilter(filter))).map(toInfo)
  }

  /** Every queue with its settings and exact counts by state and task. Costs no scan. */
  async stats(): Promise<readonly QueueStats[]> {
    return await this.#ferry.store.queues()
  }

  /**
   * The workers that are alive, of all processes, by the order in which they were made: what they told within their last 15 seconds (see
   * `WorkOptions.presence`). @throws UnsupportedError where the store cannot tell
   */
  async workers(): Promise<readonly PresentWorker[]> {
    this.#ferry.expectCapability('workers')
    return (await this.#ferry.store.workers?.(this.#ferry.clock.now())) ?? []
  }

  /** Resolves to the job once it has finished, or to `undefined` once it is gone. @throws TimeoutError after `timeout`, or the signal's reason */
  async wait(id: string, options: WaitOptions = {}): Promise<JobInfo | undefined> {
    return await waitFor(this.#ferry, expectName(id, 'id'), options)
  }

  /** Cancels a job: a waiting one at once; a running one is told through its signal, and ends cancelled unless it succeeds all the same. */
  async cancel(id: string, reason = 'cancelled'): Promise<Cancellation> {
    this.#ferry.expectCapability('cancel')
    return await this.#steering.cancel(id, reason)
  }

  /** Runs a finished or waiting job now, with at least one more attempt; its history stays. @throws StateError while it runs, or when it or its payload is gone */
  async retry(id: string): Promise<void> {
    await this.#steering.retry(id)
  }

  /** Changes a job that waits. The payload is not checked against its task, which may not be known here; that happens when it is run. @throws StateError unless it waits */
  async edit(id: string, changes: EditOptions): Promise<JobInfo> {
    return await this.#steering.edit(id, changes)
  }

  /** Removes a job and its log; says whether there was one. @throws StateError while it runs: cancel it first */
  async delete(id: string): Promise<boolean> {
    return await this.#steering.remove(id)
  }

  /** Forgets finished jobs: without options those whose retention has passed, which workers also do by themselves; with options those that match. */
  async prune(options?: PruneOptions): Promise<number> {
    return await this.#steering.prune(options)
  }

  /**
   * Moves the jobs that wait in another store (a guest, as a rule) here, whether due or not, with their queue, task, payload, priority, time and
   * attempts; `''`, the queue of old Que tables, becomes `default`. Workers on both sides may run meanwhile: a job that somebody over there
   * takes first is left to them. Running and finished jobs stay where they are. One adoption of a source at a time; if one is broken off, what
   * it had in hand shows here as cancelled until it is called again. A job that was in hand then, and was done over there before that, runs again.
   * @throws UsageError when this store is a guest itself, or the other is this one · UnsupportedError when the other cannot list its jobs · StoreError
   */
  async adopt(from: Jobs, options: AdoptOptions): Promise<Adopted> {
    this.#ferry.expectOpen()
    expectKnown(options, ['source', 'queue', 'task', 'onMoved'], 'adopt()')
    if (!(from instanceof Jobs) || from === this)
      throw new UsageError('Expected the jobs of another store to adopt from')
    from.#ferry.expectCapability('inspect')
    const { store, clock, ids } = this.#ferry
    if (store.rules !== undefined)
      throw new UsageError(
        `Expected a store of jobferry's own to adopt into; ${store.name} is the format of another queue`,
      )
    const { queue, task, onMoved = () => undefined } = options
    if (queue !== undefined) expectName(queue, 'queue', 255, 0)
    if (task !== undefined) expectName(task, 'task')
    expectFunction(onMoved, 'onMoved')
    const source = expectName(options.source, 'source', 200)
    return await adopt({
      from: from.#ferry.store,
      to: store,
      source,
      queue,
      task,
      now: () => clock.now(),
      ids,
      onMoved,
    })
  }

  /** Nothing more is claimed from the queue, in any process, until `resume`. What runs goes on; what is enqueued waits. */
  async pause(queue: string): Promise<void> {
    this.#ferry.expectCapability('pause')
    await this.#ferry.store.configure(expectName(queue, 'queue', 255, 0), { paused: true })
  }

  async resume(queue: string): Promise<void> {
    this.#ferry.expectCapability('pause')
    await this.#ferry.store.configure(expectName(queue, 'queue', 255, 0), { paused: false })
  }

  /** Sets a queue's own concurrency and priority, for all workers of all processes. What is not given stays. */
  async configure(queue: string, options: QueueOptions): Promise<void> {
    this.#ferry.expectCapability('limits')
    expectKnown(options, ['concurrency', 'priority'], 'configure()')
    const { concurrency, priority } = options
    await this.#ferry.store.configure(expectName(queue, 'queue', 255, 0), {
      ...(concurrency === undefined
        ? {}
        : { concurrency: concurrency === null ? null : expectWhole(concurrency, 'concurrency', 0, 1_000_000) }),
      ...(priority === undefined ? {} : { priority: expectWhole(priority, 'priority', -32_768, 32_767) }),
    })
  }

  /** A job's log, oldest first; at most `limit` lines (default 1,000), those after the line `after`. `data` is decoded. */
  async logs(
    id: string,
    options: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly (Omit<StoredLogLine, 'data'> & { readonly data: unknown })[]> {
    this.#ferry.expectCapability('logs')
    expectKnown(options, ['after', 'limit'], 'logs()')
    await this.#ferry.logbook.flush()
    const limit = options.limit === undefined ? 1_000 : expectWhole(options.limit, 'limit', 1, 10_000)
    const lines = await this.#ferry.store.logs(expectName(id, 'id'), limit, options.after ?? 0)
    return lines.map((line) => ({ ...line, data: line.data === undefined ? undefined : JSON.parse(line.data) }))
  }

  /** Calls the listener at each event of this type in this process (`'*'`: of all types); the returned function ends it. */
  on<T extends EventType>(type: T, listener: Listener<T>): () => void
  on(type: '*', listener: (event: JobEvent) => void): () => void
  on<T extends EventType>(type: T | '*', listener: Listener<T>): () => void {
    expectOneOf(type, 'type', eventTypes)
    expectFunction(listener, 'listener')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type was subscribed to, so it is the event's
    return this.#ferry.events.on(type, (event): unknown => listener(event as EventOf<T>))
  }

  /** What is in force in the store, and what is wrong with it. */
  async report(): Promise<readonly Finding[]> {
    return await this.#ferry.report()
  }

  /** Stops every worker (`grace` as in `Worker.stop`), stores what is still to be stored and closes the store. A second call joins the first. */
  async close(options: { readonly grace?: Duration } = {}): Promise<void> {
    expectKnown(options, ['grace'], 'close()')
    if (options.grace !== undefined) toMs(options.grace, 'grace')
    this.#closing ??= this.#close(options)
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #enqueueMany(entries: readonly Entry[], options: object): Promise<readonly Enqueued[]> {
    expectKnown(options, ['tx'], 'enqueueMany()')
    return await this.#enqueuer.many(entries)
  }

  async #close(options: { readonly grace?: Duration }): Promise<void> {
    this.#ferry.close()
    await Promise.all([...this.#workers].map((worker) => worker.stop(options)))
    await this.#enqueuer.idle()
    await this.#ferry.writes.idle()
    await this.#ferry.logbook.flush()
    await this.#ferry.store.close()
  }
}

const eventTypes: readonly (EventType | '*')[] = [
  'enqueued',
  'started',
  'completed',
  'retrying',
  'failed',
  'snoozed',
  'released',
  'cancelled',
  'lost',
  'rescued',
  'pruned',
  'error',
  '*',
]
