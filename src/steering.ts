import { type Duration, toMs } from './core/duration.ts'
import { StateError, StoreError, UsageError } from './core/errors.ts'
import { expectKnown, expectOneOf, expectWhole } from './core/expect.ts'
import { finished, type Instant, type Job, states } from './core/job.ts'
import { cancel, type Edit, edit, remove, retry, type Write } from './core/lifecycle.ts'
import { encode } from './core/payload.ts'
import { toRunAt } from './core/schedule.ts'
import type { Ferry } from './ferry.ts'
import { expectHolds } from './fits.ts'
import { type JobInfo, toInfo } from './info.ts'
import { policyOf } from './runtime/definition.ts'
import type { Clock } from './runtime/clock.ts'
import { factsOf } from './runtime/events.ts'
import type { JobFilter, Store } from './store.ts'
import { expectPriority } from './task.ts'

/** What a cancellation came to: done, asked of the worker that runs it, too late, or no such job. */
export type Cancellation = 'cancelled' | 'requested' | 'finished' | 'missing'

/** What may be changed of a job that waits. */
export interface EditOptions {
  readonly payload?: unknown
  readonly delay?: Duration
  readonly runAt?: Date | Instant
  readonly priority?: number
  readonly maxAttempts?: number
}

/** Which finished jobs to remove before their time. */
export interface PruneOptions {
  readonly queue?: string
  readonly task?: string
  /** Default: all three final states. */
  readonly state?: 'completed' | 'failed' | 'cancelled'
  /** Only those that finished longer ago than this. Default: all. */
  readonly olderThan?: Duration
}

/** How often a change is decided anew when others keep changing the job. */
const mostRounds = 50

const pageSize = 500

/** Changes to jobs from outside their run. Each is decided on the row as it is, and decided again if the row has moved in between. */
export class Steering {
  readonly #store: Store<unknown>
  readonly #clock: Clock
  readonly #ferry: Ferry

  constructor(ferry: Ferry) {
    this.#store = ferry.store
    this.#clock = ferry.clock
    this.#ferry = ferry
  }

  async cancel(id: string, reason: string): Promise<Cancellation> {
    const before = await this.#change(id, (job, now) =>
      cancel(job, reason, policyOf(job, this.#ferry.policyOfTask(job.task)).retention, now),
    )
    if (before === undefined) return 'missing'
    if (finished(before.state)) return 'finished'
    if (before.state === 'running') return 'requested' // its worker tells what comes of it
    this.#ferry.events.emit({ type: 'cancelled', job: factsOf(before), reason })
    return 'cancelled'
  }

  async retry(id: string): Promise<void> {
    await this.#mustChange(id, retry)
  }

  async edit(id: string, options: EditOptions): Promise<JobInfo> {
    expectKnown(options, ['payload', 'delay', 'runAt', 'priority', 'maxAttempts'], 'edit()')
    if (options.maxAttempts !== undefined && this.#store.rules?.attemptsKeptBy !== 'row')
      this.#ferry.expectCapability('policy')
    if (options.priority !== undefined) this.#ferry.expectCapability('priority')
    if (options.delay !== undefined || options.runAt !== undefined) this.#ferry.expectCapability('schedule')
    const changes = toEdit(options, this.#clock.now())
    const write = await this.#mustChange(id, (job) => {
      const decided = edit(job, changes)
      if (decided.after !== undefined) expectHolds(this.#store, decided.after)
      return decided
    })
    return toInfo(write.after ?? write.before)
  }

  /** Says whether there was such a job. */
  async remove(id: string): Promise<boolean> {
    return (await this.#change(id, remove)) !== undefined
  }

  /** What is due to be forgotten, or with options what they match; says how many jobs were removed. */
  async prune(options: PruneOptions | undefined): Promise<number> {
    if (options !== undefined) return await this.#pruneMatching(options)
    let count = 0
    for (;;) {
      const pruned = await this.#store.prune(this.#clock.now(), pageSize)
      count += pruned
      if (pruned < pageSize) return count
    }
  }

  async #pruneMatching(options: PruneOptions): Promise<number> {
    expectKnown(options, ['queue', 'task', 'state', 'olderThan'], 'prune()')
    const { queue, task } = options
    const state =
      options.state === undefined
        ? undefined
        : expectOneOf(options.state, 'state', ['completed', 'failed', 'cancelled'])
    const before =
      options.olderThan === undefined ? undefined : this.#clock.now() - toMs(options.olderThan, 'olderThan')
    let count = 0
    for (const one of state === undefined ? states.filter(finished) : [state]) {
      for (let after: string | undefined; ;) {
        const jobs = await this.#store.list({ queue, task, state: one, after, limit: pageSize })
        const writes = jobs.filter((job) => before === undefined || (job.finishedAt ?? 0) <= before).map(remove)
        const results = await this.#store.apply(writes, this.#clock.now())
        count += results.filter((result) => result.ok).length
        after = jobs.at(-1)?.id
        if (jobs.length < pageSize) break
      }
    }
    return count
  }

  async #mustChange(id: string, decide: (job: Job, now: Instant) => Write): Promise<Write> {
    let decided: Write | undefined
    await this.#change(id, (job, now) => (decided = decide(job, now)))
    if (decided === undefined) throw new StateError(id, undefined, 'it may have been pruned')
    return decided
  }

  /** The job that the last decision was made on, `undefined` if there is none. */
  async #change(id: string, decide: (job: Job, now: Instant) => Write | undefined): Promise<Job | undefined> {
    if (typeof id !== 'string') throw new UsageError(`Expected the id of a job, got ${String(id)} (${typeof id})`)
    let [job] = await this.#store.get([id])
    for (let round = 0; round < mostRounds; round++) {
      if (job === undefined) return undefined
      const now = this.#clock.now()
      const write = decide(job, now)
      if (write === undefined) return job
      const result = await this.#ferry.writes.add(write)
      if (result.ok) return job
      job = result.current
    }
    throw new StoreError(`Job ${id} keeps changing. Try again`, { retryable: true })
  }
}

function toEdit(options: EditOptions, now: Instant): Edit {
  const later = options.delay !== undefined || options.runAt !== undefined
  return {
    ...('payload' in options ? { payload: encode(options.payload, 'payload') } : {}),
    ...(later ? { runAt: toRunAt(options, now) } : {}),
    ...(options.priority === undefined ? {} : { priority: expectPriority(options.priority) }),
    ...(options.maxAttempts === undefined
      ? {}
      : { maxAttempts: expectWhole(options.maxAttempts, 'maxAttempts', 1, 10_000) }),
  }
}

/** A page of at most 1,000 jobs. @throws UsageError for an unknown filter or a bad value */
export function toFilter(options: Partial<JobFilter>): JobFilter {
  expectKnown(
    options,
    ['queue', 'task', 'state', 'createdFrom', 'createdUntil', 'uniqueKey', 'parent', 'after', 'order', 'limit'],
    'list()',
  )
  if (options.state !== undefined) expectOneOf(options.state, 'state', states)
  if (options.order !== undefined) expectOneOf(options.order, 'order', ['newest', 'oldest'])
  return { ...options, limit: options.limit === undefined ? 50 : expectWhole(options.limit, 'limit', 1, 1_000) }
}
