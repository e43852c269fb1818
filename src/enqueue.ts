import { andThen } from './awaitable.ts'
import { type OnConflict, replaced, toUnique } from './core/dedupe.ts'
import { ConflictError, StoreError, UsageError } from './core/errors.ts'
import { expectName, expectWhole } from './core/expect.ts'
import type { Ids } from './core/id.ts'
import type { Instant, Job } from './core/job.ts'
import type { Write } from './core/lifecycle.ts'
import { encode } from './core/payload.ts'
import { toRunAt } from './core/schedule.ts'
import { expectEnqueueOptions, toJobPolicy } from './enqueue-options.ts'
import type { Awaitable, Batch, BatchResult } from './store.ts'
import { type Entry, expectPriority, type ResolvedPolicy } from './task.ts'

/** What became of an enqueue: `kept` when a job held the unique key and stays as it is, `replaced` when it was given the new payload. */
export interface Enqueued {
  /** The job's id; when kept or replaced, that of the job which held the key. */
  readonly id: string
  readonly outcome: 'added' | 'kept' | 'replaced'
}

/** A job ready to be stored, and what to do when its key is held. */
export interface Prepared {
  readonly job: Job
  readonly onConflict: OnConflict
}

/**
 * Checks an entry and makes its row. Nothing is stored yet.
 * @throws UsageError, PayloadError
 */
export function prepare(
  entry: Entry,
  ids: Ids,
  now: Instant,
  parent: string | undefined,
  policy: ResolvedPolicy = entry.task.policy,
): Awaitable<Prepared> {
  const { task, payload, options } = entry
  expectEnqueueOptions(options, `the enqueue of "${task.name}"`)
  return andThen(task.check(payload), () => {
    const uniqueOption = options.unique ?? policy.unique?.(payload)
    const unique = uniqueOption === undefined ? undefined : toUnique(uniqueOption, now)
    const concurrencyKey = options.concurrencyKey ?? policy.concurrencyKey?.(payload)
    const job: Job = {
      id: ids(now),
      task: task.name,
      queue: options.queue === undefined ? policy.queue : expectName(options.queue, 'queue', 255, 0),
      state: 'pending',
      priority: options.priority === undefined ? policy.priority : expectPriority(options.priority),
      runAt: toRunAt(options, now),
      payload: encode(payload, 'payload'),
      attempt: 0,
      maxAttempts:
        options.maxAttempts === undefined
          ? policy.maxAttempts
          : expectWhole(options.maxAttempts, 'maxAttempts', 1, 10_000),
      rev: 0,
      lease: undefined,
      leaseUntil: undefined,
      createdAt: now,
      startedAt: undefined,
      finishedAt: undefined,
      forgetAt: undefined,
      unique: unique?.unique,
      concurrencyKey: concurrencyKey === undefined ? undefined : expectName(concurrencyKey, 'concurrencyKey'),
      cancel: undefined,
      failures: [],
      result: undefined,
      parent,
      policy: toJobPolicy(options),
    }
    return { job, onConflict: unique?.onConflict ?? 'keep' }
  })
}

/** @throws UsageError when a validator needs time: a synchronous transaction and a pipeline have none */
export function expectNow(prepared: Awaitable<Prepared>, entry: Entry): Prepared {
  if (!(prepared instanceof Promise)) return prepared
  prepared.catch(() => undefined) // refused below, whatever it comes to
  throw new UsageError(
    `The validator of task "${entry.task.name}" is asynchronous, so its jobs cannot be enqueued in a synchronous transaction or a pipeline`,
  )
}

/** How often an enqueue is decided anew when others keep changing the job that holds its key. */
const mostRounds = 50

/**
 * Stores prepared jobs, all or none: where a key is held, decides with the holder at hand and tries again as one batch.
 * @throws ConflictError for `reject`: nothing was added
 */
export function store(
  prepared: readonly Prepared[],
  insert: (batch: Batch) => Awaitable<BatchResult>,
  round = 0,
): Awaitable<readonly Enqueued[]> {
  if (prepared.every(({ job }) => job.unique === undefined)) return add(prepared, insert)
  return attempt(new Plan(prepared), prepared, insert, round)
}

/** Without unique keys there is nothing to meet. */
function add(
  prepared: readonly Prepared[],
  insert: (batch: Batch) => Awaitable<BatchResult>,
): Awaitable<readonly Enqueued[]> {
  const batch = { jobs: prepared.map(({ job }) => ({ job, ifHeld: 'keep' as const })) }
  return andThen(insert(batch), ({ ids }) =>
    prepared.map(({ job }, i) => ({ id: ids?.[i] ?? job.id, outcome: 'added' as const })),
  )
}

function attempt(
  plan: Plan,
  prepared: readonly Prepared[],
  insert: (batch: Batch) => Awaitable<BatchResult>,
  round: number,
): Awaitable<readonly Enqueued[]> {
  return andThen(insert(plan.batch()), (result) => {
    if (result.ok) return plan.outcomes(result)
    if (round >= mostRounds)
      throw new StoreError('The job that holds the unique key keeps changing; nothing was added. Try again', {
        retryable: true,
      })
    // Without a holder to decide on, a write was stale: begin again with what is there now.
    return plan.decide(result) ? attempt(plan, prepared, insert, round) : store(prepared, insert, round + 1)
  })
}

/** What is to happen with each job of one enqueue, as far as it is known. */
class Plan {
  #open: Prepared[]
  readonly #ids: string[]
  readonly #outcomes = new Map<string, Enqueued>()
  readonly #writes = new Map<string, Write>()

  constructor(prepared: readonly Prepared[]) {
    this.#open = [...prepared]
    this.#ids = prepared.map(({ job }) => job.id)
  }

  batch(): Batch {
    const jobs = this.#open.map(({ job, onConflict }) => ({
      job,
      ifHeld: onConflict === 'keep' ? ('keep' as const) : ('refuse' as const),
    }))
    return this.#writes.size === 0 ? { jobs } : { jobs, writes: [...this.#writes.values()] }
  }

  /** A job may have met another of the same call, whose id the format has given it only now. */
  outcomes({ holders, ids }: BatchResult): readonly Enqueued[] {
    const given = new Map(this.#open.map(({ job }, i) => [job.id, ids?.[i] ?? job.id]))
    for (const [i, { job }] of this.#open.entries()) {
      const { id } = holders[i] ?? job
      this.#outcomes.set(job.id, { id, outcome: holders[i] === undefined ? 'added' : 'kept' })
    }
    return this.#ids
      .flatMap((id) => this.#outcomes.get(id) ?? [])
      .map((one) => ({ ...one, id: given.get(one.id) ?? one.id }))
  }

  /** Decides on every job that met a holder, in order: each meets it as the one before has left it. Says whether there was one. */
  decide({ holders }: BatchResult): boolean {
    const met = this.#open
    const changed = new Map<string, { readonly holder: Job; readonly after: Job }>()
    this.#open = met.flatMap((entry, i) => {
      const holder = holders[i]
      const { job, onConflict } = entry
      if (holder === undefined || onConflict === 'keep') return [entry]
      // In some formats a key holds for all queues; a job of another one is not replaced by ours.
      if (onConflict === 'reject' || holder.queue !== job.queue)
        throw new ConflictError(job.unique?.key ?? '', holder.id)
      const after = replaced(changed.get(holder.id)?.after ?? holder, job)
      if (after === undefined) return [{ job, onConflict: 'keep' }]
      changed.set(holder.id, { holder, after })
      this.#outcomes.set(job.id, { id: holder.id, outcome: 'replaced' })
      return []
    })
    for (const { holder, after } of changed.values()) this.#replace(holder, after)
    return met.some(({ onConflict }, i) => onConflict !== 'keep' && holders[i] !== undefined)
  }

  /** The holder may be stored, or written to by this plan already, or itself one of the jobs to be added. */
  #replace(holder: Job, after: Job): void {
    const own = this.#open.findIndex(({ job }) => job.id === holder.id)
    const mine = this.#open[own]
    if (mine !== undefined) {
      this.#open[own] = { ...mine, job: { ...after, rev: 0 } }
      return
    }
    const before = this.#writes.get(holder.id)?.before ?? holder
    this.#writes.set(holder.id, { before, after: { ...after, rev: before.rev + 1 } })
  }
}

/**
 * Lets enqueues of this process that replace the holder of one key come one after the other. At once, each would decide on the same
 * revision, all but one be refused, and so on, round after round.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  async take<T>(prepared: readonly Prepared[], go: () => Awaitable<T>): Promise<T> {
    const keys = prepared.flatMap(({ job, onConflict }) =>
      onConflict === 'replace' ? [`${job.queue}\n${job.unique?.key}`] : [],
    )
    if (keys.length === 0) return await go()
    const before = keys.flatMap((key) => this.#last.get(key) ?? [])
    const turn = Promise.all(before).then(go)
    const over = turn.catch(() => undefined) // its caller hears of it
    for (const key of keys) this.#last.set(key, over)
    await over
    for (const key of keys) if (this.#last.get(key) === over) this.#last.delete(key)
    return await turn
  }
}
