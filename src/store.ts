import type { BackoffFunction } from './core/backoff.ts'
import type { Capability } from './core/capability.ts'
import type { Instant, Job, State } from './core/job.ts'
import type { Write } from './core/lifecycle.ts'
import type { Presence, PresentWorker } from './core/presence.ts'
import type { RetentionPolicy } from './core/retention.ts'

/** A value now, or a promise of it. SQLite answers at once, so that an enqueue can stand inside the caller's own synchronous transaction. */
export type Awaitable<T> = T | Promise<T>

/**
 * Where jobs live. The contract between the rules (`core/`), the loops (`runtime/`) and a database.
 *
 * A store knows how to keep rows and to find them fast. It knows no policy: what a row becomes is decided by `core/lifecycle.ts` and
 * arrives as a `Write`. Each call is one transaction: it happens whole or not at all, and calls from any number of processes are as if
 * one came after the other. Whatever the database throws leaves as a `StoreError`. `now` is always given; a store reads no clock for
 * anything but `time`.
 *
 * `src/testing/contract` holds every store to these promises, and a guest, over the format of another queue, to those of `guestContract`;
 * `stores/memory` is the same text as a program.
 * @typeParam Tx the handle of an open transaction, of the caller's or begun by `begin`; `never` for stores without the capability `transaction`
 */
export interface Store<Tx = never> {
  /** One word for messages: `sqlite`. */
  readonly name: string
  /** What this store can do. The core refuses, when asked, anything not listed; it never imitates it. */
  readonly capabilities: ReadonlySet<Capability>

  /**
   * Whether jobs of one queue are inserted in the order of the calls, also when one is made while another is under way; breaks of the
   * connection aside. Then the next enqueues may be sent before the last have their answer. Default false.
   */
  readonly inOrder?: boolean

  /** What the format of another queue decides by itself. A store that has rules is a guest: it has no ids of ours, and nothing is adopted into it. */
  readonly rules?: Rules
  /** For a guest: why its format cannot hold a job, `undefined` if it can. Asked before any I/O, so that one bad enqueue spoils no other. */
  refusal?(job: Job): string | undefined
  /**
   * For a guest: why nothing can be worked as things stand, for leases of so many milliseconds; `undefined` if it can. Asked before any I/O, when
   * a worker is made, before jobs are taken by hand and before any is adopted from here.
   */
  workRefusal?(leaseMs: number): string | undefined

  /** Makes or updates the tables. Idempotent, and safe from many processes at once. */
  migrate(): Awaitable<void>
  /**
   * Asked at the opening where `migrate` is not to be called. Tables that are not there are no fault yet: the first use will say so.
   * Absent where a store finds out by itself.
   * @throws StoreError for tables of another version than this program knows
   */
  check?(): Awaitable<void>
  /** Lets go of everything and ends every `listen`. A second call does nothing; any other call after it throws a UsageError. */
  close(): Awaitable<void>

  /**
   * The time by the store's own clock, for stores on another machine: what clients give as `now` is corrected by it. Absent where the store
   * shares the machine's clock.
   */
  time?(): Awaitable<Instant>

  /**
   * Begins a transaction on a connection of the store's own that is used for nothing else until it has ended. Everything else goes on beside
   * it: claims, and the renewal of the very job it is to complete. Present exactly with the capability `connection`. `close` waits for
   * none that is open: it is rolled back, and its `commit` then throws.
   */
  begin?(): Awaitable<OwnTransaction<Tx & object>>

  /**
   * Adds jobs and applies writes, batch by batch, all in one transaction; each batch all or none.
   *
   * A job whose unique key is held is not added: the result names the holder. A key whose window has passed (`until <= now`) is free.
   * A batch is refused, and changes nothing, when a job marked `refuse` meets a holder or when one of its writes is stale.
   * An id that is there already fails the whole call, as does a row with a fault (`core/lifecycle.ts#fault`): nothing of it is stored.
   * Within a batch, jobs come after writes and in order, so that a later job can collide with an earlier one. Rings once when anything
   * was added, or as soon as it is on its way, ahead of whatever is asked next; inside a caller's transaction there is nobody to ring for
   * yet, and `listen` finds it after the commit.
   */
  insert(batches: readonly Batch[], now: Instant, tx?: Tx): Awaitable<readonly BatchResult[]>

  /**
   * Writes into a caller's pipeline or MULTI the command that adds these jobs when that is executed, all or none. Nothing is sent by this, and
   * nobody is told what came of it but whoever reads the pipeline's answers: a job whose unique key is held by then is left out; one
   * marked `refuse` fails the command, and none is added. Rings when it is executed. Returns the ids that they will have, where those they came with do not count. Present exactly with the capability `pipeline`.
   * @throws UsageError when it is no pipeline of this store's
   */
  append?(jobs: readonly NewJob[], now: Instant, pipeline: object): readonly string[] | void

  /**
   * Settles first (`request.settle`, as `apply` would), then takes the first `limit` due jobs for one lease each.
   *
   * Due is `runAt <= now`. The order is: queues by their priority, then jobs by priority and `runAt`; among equals the one added first.
   * Taken are only jobs of the tasks named, at most as many of each as the map says, of queues not paused and, if named, only of those queues; never more of a queue than
   * its `concurrency` leaves free, never two with one concurrency key in one queue, nor one whose key is running. What a claim makes of a
   * row is `core/lifecycle.ts#claimed`. A write of `settle` whose row somebody is changing just then, perhaps in a transaction that takes long,
   * may be refused though the row is as it was: to be tried again later. If fewer than `limit` were taken, or `limit` is 0, `nextRunAt` is the earliest `runAt` after now
   * among the waiting jobs of these tasks, these queues and no paused one. Rings for what the settling has freed, not for the claim.
   */
  claim(request: ClaimRequest): Awaitable<Claimed>

  /**
   * Stores each row whose `rev` is still that of `before`, in order; a later write may build on an earlier one of the same call, and is
   * refused with it if that one is refused.
   *
   * A refused write changes nothing and returns the job as it is now, so that the core can decide again. A row that asks for a unique key
   * (`unique.held`) which another job holds is stored without it (`held: false`). With `tx`, everything happens inside the caller's
   * transaction. Rings `jobs` when a job now waits, or one has stopped running that a concurrency key or a queue's limit counted; rings
   * `control` when a running job was asked to stop.
   */
  apply(writes: readonly Write[], now: Instant, tx?: Tx): Awaitable<readonly WriteResult[]>

  /**
   * Moves the end of each lease that is still held and has not run out (`leaseUntil > now`); a renewal is a change, so `rev` grows.
   * Never revives a lease that ran out, even if nobody has taken the job since: the answer is then `undefined`. No lease is given twice in
   * one call.
   */
  renew(renewals: readonly Renewal[], until: Instant, now: Instant): Awaitable<readonly RenewResult[]>

  /** Running jobs whose lease has run out (`leaseUntil <= now`), the earliest first, and when the next one will. Changes nothing. */
  expired(now: Instant, limit: number): Awaitable<Expired>

  /** Removes finished jobs that are due to be forgotten (`forgetAt <= now`) with their logs, at most `limit`, the earliest due first; says how many. */
  prune(now: Instant, limit: number): Awaitable<number>

  /** The jobs, in the order asked for; `undefined` for those there are not. */
  get(ids: readonly string[], tx?: Tx): Awaitable<readonly (Job | undefined)[]>
  /** One page, the newest id first, or the oldest with `order: 'oldest'`. */
  list(filter: JobFilter): Awaitable<readonly Job[]>
  /** Every queue that has or had a job, or has a setting, by name, with exact counts that were kept while jobs moved: no scan. */
  queues(): Awaitable<readonly QueueStats[]>
  /** Changes what is given of a queue's settings and keeps the rest. The queue need not have jobs yet. Rings. */
  configure(queue: string, settings: Partial<QueueSettings>): Awaitable<void>

  /** Adds lines to jobs' logs, in order. Lines of jobs that are gone are dropped. */
  log(lines: readonly LogLine[]): Awaitable<void>
  /** A job's lines, oldest first, at most `limit`, those after the line `after` if given. */
  logs(jobId: string, limit: number, after?: number): Awaitable<readonly StoredLogLine[]>

  /**
   * Calls `ring` when there may be something new, until the returned function is called or the store closes.
   * A bell is a hint: late, doubled or lost, polling still finds everything.
   */
  listen(ring: (bell: Bell) => void): Awaitable<() => void>

  /**
   * A worker tells that it is alive until `until`, in place of what it told before; with `until <= now` it takes leave. Those whose `until`
   * has passed are forgotten on the way. It is news, not a job: it may be lost with the last moments before a crash, and rings nobody
   * on purpose. Present exactly with the capability `workers`, as `workers` is.
   */
  present?(presence: Presence, now: Instant, until: Instant): Awaitable<void>
  /** The workers that are alive (`until > now`), by their ids. */
  workers?(now: Instant): Awaitable<readonly PresentWorker[]>

  /** What is in force and what is wrong with it, for `jobferry doctor`. Changes nothing. */
  report(): Awaitable<readonly Finding[]>
}

/**
 * A transaction that a store has begun itself. Ends with the first call of either, and is not to be used afterwards; the same `tx` may come
 * again in a later one.
 */
export interface OwnTransaction<Tx> {
  /** What `insert`, `apply` and `get` take as `tx`, and what the user's own statements run on. */
  readonly tx: Tx
  /** @throws StoreError, `retryable` only if nothing was committed for certain; otherwise nobody knows, and the rows decide */
  readonly commit: () => Awaitable<void>
  /** Undoes everything. Never throws: a connection that is lost has rolled back by itself. */
  readonly rollback: () => Awaitable<void>
}

/** One thing a store says of itself. `warn` asks for attention, `fail` is a danger to jobs. */
export interface Finding {
  readonly name: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly message: string
}

/**
 * What holds in a foreign format where neither the job nor its task has said otherwise (`rules.ts`).
 *
 * The first two of an enqueue go into its row where there is a column for them; the other three are the worker's, which goes by them, or by
 * its own task, wherever no column says more. A job of a task that nobody here knows is settled by `backoff` and `retention` alone.
 */
export interface Rules {
  /** The queue of a task that has named none. Default: `default`, as in a store of our own. */
  readonly queueOf?: (task: string) => string
  /** The format's own default, so that jobs of ours take their turn among the others. Without the capability `priority` nobody reads it. */
  readonly priority: number
  /** `Number.MAX_SAFE_INTEGER` where a job is tried again for ever. */
  readonly maxAttempts: number
  /**
   * Who knows how many attempts a job has. `row`: they hold wherever it is worked, and an enqueue or an edit may ask for its own without the
   * capability `policy`. `worker`: those of the task that the worker has, else `maxAttempts`. `nobody`: the format counts no runs, and
   * a task that limits them is refused, since it would not be obeyed.
   */
  readonly attemptsKeptBy: 'row' | 'worker' | 'nobody'
  /** The format's own wait before another attempt. */
  readonly backoff: BackoffFunction
  /** What the format keeps of a job that has ended. */
  readonly retention: RetentionPolicy
}

/** Jobs and writes that are stored all together or not at all. */
export interface Batch {
  readonly jobs: readonly NewJob[]
  readonly writes?: readonly Write[]
}

/** A job to add, and what happens to its batch when its unique key is held: the job is left out (`keep`), or the batch is refused. */
export interface NewJob {
  readonly job: Job
  readonly ifHeld: 'keep' | 'refuse'
}

/** `holders[i]` is the job that held the key of the batch's job `i`; no entry where there was none. Nothing was changed unless `ok`. */
export interface BatchResult {
  readonly ok: boolean
  readonly holders: readonly (Job | undefined)[]
  /** The ids of the batch's jobs, where the format gives its own. Absent: they have those they came with. */
  readonly ids?: readonly string[]
}

export interface ClaimRequest {
  /** The tasks this worker knows, each with the most to take of it now; `undefined` for any task. */
  readonly tasks: ReadonlyMap<string, number> | undefined
  /** Only from these queues; from all if absent. */
  readonly queues?: readonly string[] | undefined
  /** 0 takes nothing, but still settles and looks for `nextRunAt`. */
  readonly limit: number
  /** The token of this claim: never used before, on any worker. */
  readonly lease: string
  readonly until: Instant
  readonly now: Instant
  readonly settle?: readonly Write[]
}

export interface Claimed {
  /** In claim order. */
  readonly jobs: readonly Job[]
  readonly nextRunAt: Instant | undefined
  /** One for each write of `request.settle`. */
  readonly settled: readonly WriteResult[]
}

export type WriteResult = { readonly ok: true } | { readonly ok: false; readonly current: Job | undefined }

export interface Renewal {
  readonly id: string
  readonly lease: string
}

/** The lease is held until the new end. `cancel` is the reason if somebody asked for the job to stop. */
export interface Renewed {
  readonly rev: number
  readonly cancel: string | undefined
}

/**
 * Whether the lease is still held cannot be told, because a part of the store has failed: it may have been renewed or not. Only for stores
 * made of several parts, whose other answers hold; a store that fails as a whole throws.
 */
export interface NotKnown {
  readonly error: unknown
}

/** `undefined`: the lease is lost. */
export type RenewResult = Renewed | NotKnown | undefined

export interface Expired {
  readonly jobs: readonly Job[]
  /** The earliest end of a lease among those still held. */
  readonly nextAt: Instant | undefined
}

/** What to list; fields narrow together. */
export interface JobFilter {
  readonly queue?: string | undefined
  readonly task?: string | undefined
  readonly state?: State | undefined
  /** Created at or after. */
  readonly createdFrom?: Instant | undefined
  /** Created before. */
  readonly createdUntil?: Instant | undefined
  /** Only jobs whose unique key is this one, held or not. */
  readonly uniqueKey?: string | undefined
  /** Only jobs enqueued by the handler of this one. */
  readonly parent?: string | undefined
  /** The last id of the page before; this page goes on behind it. */
  readonly after?: string | undefined
  readonly order?: 'newest' | 'oldest' | undefined
  readonly limit: number
  /** Where a page may take the store long, and can be broken off, it is after so long, with a StoreError that says to try again. */
  readonly withinMs?: number | undefined
}

/** What an operator may set of a queue, for all workers. */
export interface QueueSettings {
  /** Nothing is claimed from it; what runs goes on. Default false. */
  readonly paused: boolean
  /** At most so many of its jobs run at a time, over all workers. Default `null`: no limit. */
  readonly concurrency: number | null
  /** Among queues, lower is claimed from first. Default 0. */
  readonly priority: number
}

export const defaultQueueSettings: QueueSettings = { paused: false, concurrency: null, priority: 0 }

export type Counts = Readonly<Record<State, number>>

export interface QueueStats extends QueueSettings {
  readonly queue: string
  readonly counts: Counts
  /** The same counts for each task that has, or had, jobs in the queue. */
  readonly tasks: Readonly<Record<string, Counts>>
  /** The earliest `runAt` of a job that waits. */
  readonly nextRunAt: Instant | undefined
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogLine {
  readonly jobId: string
  readonly attempt: number
  readonly at: Instant
  readonly level: LogLevel
  /** At most 8,000 characters, none of them NUL, which not every database can keep. */
  readonly message: string
  /** JSON text. */
  readonly data: string | undefined
}

export interface StoredLogLine extends LogLine {
  /** Grows within the store; `after` of the next page. */
  readonly seq: number
}

/** What may have changed: jobs that could be claimed, or something else that a worker should know (a cancellation, a setting). */
export type Bell = 'jobs' | 'control'
