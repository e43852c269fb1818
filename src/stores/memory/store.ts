import { type Capability, capabilities } from '../../core/capability.ts'
import { StoreError, UsageError } from '../../core/errors.ts'
import { type Instant, type Job, type State, states } from '../../core/job.ts'
import { claimed, expectFaultless, type Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import {
  type Batch,
  type BatchResult,
  type Bell,
  type ClaimRequest,
  type Claimed,
  defaultQueueSettings,
  type Expired,
  type Finding,
  type JobFilter,
  type LogLine,
  type NewJob,
  type QueueSettings,
  type QueueStats,
  type Renewal,
  type Renewed,
  type Store,
  type StoredLogLine,
  type WriteResult,
} from '../../store.ts'

/**
 * The contract of `store.ts` as a program: plain loops over a map, nothing clever, so that it can be read as the specification.
 *
 * Lives as long as the process. Every claim looks at every job: made for tests and small tools, not for a backlog of millions.
 */
export class MemoryStore implements Store {
  readonly name = 'memory'
  readonly capabilities: ReadonlySet<Capability> = new Set(
    capabilities.filter((capability) => !['transaction', 'connection', 'pipeline'].includes(capability)),
  )

  #jobs = new Map<string, Job>()
  readonly #settings = new Map<string, QueueSettings>()
  #seen = new Map<string, Set<string>>()
  #log: StoredLogLine[] = []
  #lastSeq = 0
  readonly #workers = new Map<string, PresentWorker>()
  readonly #rings = new Set<(bell: Bell) => void>()
  #closed = false

  migrate(): void {
    this.#open()
  }

  close(): void {
    this.#closed = true
    this.#rings.clear()
  }

  insert(batches: readonly Batch[], now: Instant): readonly BatchResult[] {
    this.#open()
    expectFaultless(batches.flatMap(({ jobs, writes = [] }) => [...jobs.map(({ job }) => job), ...rowsOf(writes)]))
    const undo = this.#mark(batches)
    try {
      const results = batches.map((batch) => this.#insertBatch(batch, now))
      if (results.some((result) => result.ok)) this.#ring('jobs')
      return results
    } catch (error) {
      undo()
      throw error
    }
  }

  claim(request: ClaimRequest): Claimed {
    this.#open()
    expectFaultless(rowsOf(request.settle ?? []))
    const settled = this.#writeAll(request.settle ?? [])
    const waiting = [...this.#jobs.values()].filter(
      (job) =>
        job.state === 'pending' &&
        (request.tasks === undefined || request.tasks.has(job.task)) &&
        (request.queues === undefined || request.queues.includes(job.queue)) &&
        !this.#settingsOf(job.queue).paused,
    )
    const due = waiting.filter((job) => job.runAt <= request.now).toSorted((a, b) => this.#compareTurn(a, b))
    const jobs: Job[] = []
    for (const job of due) {
      if (jobs.length >= request.limit) break
      const alreadyTaken = jobs.filter((taken) => taken.task === job.task).length
      const most = request.tasks?.get(job.task) ?? request.limit
      if (alreadyTaken >= most || this.#full(job.queue) || this.#busy(job)) continue
      const taken = claimed(job, request.lease, request.until, request.now)
      this.#keep(taken)
      jobs.push(taken)
    }
    const later = waiting.filter((job) => job.runAt > request.now).map((job) => job.runAt)
    return {
      jobs,
      settled,
      nextRunAt: jobs.length < request.limit || request.limit === 0 ? earliest(later) : undefined,
    }
  }

  apply(writes: readonly Write[]): readonly WriteResult[] {
    this.#open()
    expectFaultless(rowsOf(writes))
    return this.#writeAll(writes)
  }

  renew(renewals: readonly Renewal[], until: Instant, now: Instant): readonly (Renewed | undefined)[] {
    this.#open()
    return renewals.map(({ id, lease }) => {
      const job = this.#jobs.get(id)
      if (job?.lease !== lease || job.leaseUntil === undefined || job.leaseUntil <= now) return undefined
      this.#keep({ ...job, leaseUntil: until, rev: job.rev + 1 })
      return { rev: job.rev + 1, cancel: job.cancel }
    })
  }

  expired(now: Instant, limit: number): Expired {
    this.#open()
    const running = [...this.#jobs.values()]
      .flatMap((job) => (job.leaseUntil === undefined ? [] : [{ job, until: job.leaseUntil }]))
      .toSorted((a, b) => a.until - b.until || compare(a.job.id, b.job.id))
    return {
      jobs: running
        .filter(({ until }) => until <= now)
        .slice(0, limit)
        .map(({ job }) => job),
      nextAt: running.find(({ until }) => until > now)?.until,
    }
  }

  prune(now: Instant, limit: number): number {
    this.#open()
    const due = [...this.#jobs.values()]
      .flatMap((job) =>
        job.forgetAt === undefined || job.forgetAt > now ? [] : [{ id: job.id, forgetAt: job.forgetAt }],
      )
      .toSorted((a, b) => a.forgetAt - b.forgetAt)
      .slice(0, limit)
    for (const { id } of due) this.#remove(id)
    return due.length
  }

  get(ids: readonly string[]): readonly (Job | undefined)[] {
    this.#open()
    return ids.map((id) => this.#jobs.get(id))
  }

  list(filter: JobFilter): readonly Job[] {
    this.#open()
    const way = filter.order === 'oldest' ? 1 : -1
    return [...this.#jobs.values()]
      .filter((job) => matches(job, filter) && (filter.after === undefined || compare(job.id, filter.after) * way > 0))
      .toSorted((a, b) => compare(a.id, b.id) * way)
      .slice(0, filter.limit)
  }

  queues(): readonly QueueStats[] {
    this.#open()
    const names = new Set([...this.#seen.keys(), ...this.#settings.keys()])
    return [...names].toSorted(compare).map((queue) => {
      const jobs = [...this.#jobs.values()].filter((job) => job.queue === queue)
      const tasks = [...(this.#seen.get(queue) ?? [])].toSorted(compare)
      return {
        queue,
        ...this.#settingsOf(queue),
        counts: count(jobs),
        tasks: Object.fromEntries(tasks.map((task) => [task, count(jobs.filter((job) => job.task === task))])),
        nextRunAt: earliest(jobs.filter((job) => job.state === 'pending').map((job) => job.runAt)),
      }
    })
  }

  configure(queue: string, settings: Partial<QueueSettings>): void {
    this.#open()
    this.#settings.set(queue, { ...this.#settingsOf(queue), ...settings })
    this.#ring('control')
    this.#ring('jobs')
  }

  log(lines: readonly LogLine[]): void {
    this.#open()
    for (const line of lines) if (this.#jobs.has(line.jobId)) this.#log.push({ ...line, seq: ++this.#lastSeq })
  }

  logs(jobId: string, limit: number, after = 0): readonly StoredLogLine[] {
    this.#open()
    return this.#log.filter((line) => line.jobId === jobId && line.seq > after).slice(0, limit)
  }

  listen(ring: (bell: Bell) => void): () => void {
    this.#open()
    const own = (bell: Bell): void => ring(bell)
    this.#rings.add(own)
    return () => void this.#rings.delete(own)
  }

  present(presence: Presence, now: Instant, until: Instant): void {
    this.#open()
    this.#workers.set(presence.id, { ...presence, toldAt: now, until })
    for (const worker of this.#workers.values()) if (worker.until <= now) this.#workers.delete(worker.id)
  }

  workers(now: Instant): readonly PresentWorker[] {
    this.#open()
    return [...this.#workers.values()].filter(({ until }) => until > now).toSorted((a, b) => compare(a.id, b.id))
  }

  report(): readonly Finding[] {
    this.#open()
    return [{ name: 'durability', level: 'warn', message: 'Jobs live in memory and are gone when the process ends' }]
  }

  #insertBatch(batch: Batch, now: Instant): BatchResult {
    const undo = this.#mark([batch])
    const results = this.#writeEach(batch.writes ?? [])
    const holders = batch.jobs.map((entry) => this.#insertOne(entry, now))
    const refused =
      results.some((result) => !result.ok) ||
      batch.jobs.some((entry, i) => entry.ifHeld === 'refuse' && holders[i] !== undefined)
    if (refused) undo()
    else this.#remember(batch.jobs.filter((_, i) => holders[i] === undefined).map(({ job }) => job))
    return { ok: !refused, holders }
  }

  /** The way back from these batches. Copies everything, unless it is plain that nothing can go wrong. */
  #mark(batches: readonly Batch[]): () => void {
    const jobs = batches.flatMap((batch) => batch.jobs)
    const ids = new Set(jobs.map(({ job }) => job.id).filter((id) => !this.#jobs.has(id)))
    const harmless = ids.size === jobs.length && jobs.every(({ ifHeld }) => ifHeld === 'keep')
    if (harmless && batches.every(({ writes }) => writes === undefined)) return () => undefined
    const [before, log] = [new Map(this.#jobs), this.#log]
    const seen = new Map([...this.#seen].map(([queue, tasks]) => [queue, new Set(tasks)]))
    return () => {
      this.#jobs = before
      this.#seen = seen
      this.#log = log
    }
  }

  #insertOne({ job }: NewJob, now: Instant): Job | undefined {
    if (job.unique?.held === true) {
      const holder = this.#holder(job)
      const passed = typeof holder?.unique?.until === 'number' && holder.unique.until <= now
      if (holder !== undefined && !passed) return holder
      if (holder?.unique !== undefined)
        this.#keep({ ...holder, unique: { ...holder.unique, held: false }, rev: holder.rev + 1 })
    }
    if (this.#jobs.has(job.id)) throw new StoreError(`There is a job ${job.id} already`, { retryable: false })
    this.#keep(job)
    return undefined
  }

  #writeEach(writes: readonly Write[]): readonly WriteResult[] {
    const refused = new Set<string>()
    return writes.map((write) => {
      const { id } = write.before
      // A write that builds on a refused one has the right `rev`, but was decided on a row that never was.
      const result: WriteResult = refused.has(id) ? { ok: false, current: this.#jobs.get(id) } : this.#write(write)
      if (!result.ok) refused.add(id)
      return result
    })
  }

  #write({ before, after }: Write): WriteResult {
    const current = this.#jobs.get(before.id)
    if (current?.rev !== before.rev) return { ok: false, current }
    if (after === undefined) {
      this.#remove(before.id)
      return { ok: true }
    }
    const yields = after.unique?.held === true && this.#holder(after) !== undefined
    this.#keep(yields && after.unique !== undefined ? { ...after, unique: { ...after.unique, held: false } } : after)
    this.#remember([after])
    return { ok: true }
  }

  /** Another job that holds the unique key of this one. */
  #holder(job: Job): Job | undefined {
    return [...this.#jobs.values()].find(
      (other) =>
        other.id !== job.id &&
        other.queue === job.queue &&
        other.unique?.held === true &&
        other.unique.key === job.unique?.key,
    )
  }

  #keep(job: Job): void {
    this.#jobs.set(job.id, job)
  }

  /** Queues and tasks stay in the counts once a job of theirs was stored. */
  #remember(jobs: readonly Job[]): void {
    for (const job of jobs) this.#seen.set(job.queue, (this.#seen.get(job.queue) ?? new Set()).add(job.task))
  }

  #remove(id: string): void {
    this.#jobs.delete(id)
    this.#log = this.#log.filter((line) => line.jobId !== id)
  }

  #compareTurn(a: Job, b: Job): number {
    const queues = this.#settingsOf(a.queue).priority - this.#settingsOf(b.queue).priority
    return queues || a.priority - b.priority || a.runAt - b.runAt
  }

  #full(queue: string): boolean {
    const { concurrency } = this.#settingsOf(queue)
    return concurrency !== null && this.#running().filter((job) => job.queue === queue).length >= concurrency
  }

  #busy(job: Job): boolean {
    return (
      job.concurrencyKey !== undefined &&
      this.#running().some((other) => other.queue === job.queue && other.concurrencyKey === job.concurrencyKey)
    )
  }

  #running(): readonly Job[] {
    return [...this.#jobs.values()].filter((job) => job.state === 'running')
  }

  #settingsOf(queue: string): QueueSettings {
    return this.#settings.get(queue) ?? defaultQueueSettings
  }

  #writeAll(writes: readonly Write[]): readonly WriteResult[] {
    const results = this.#writeEach(writes)
    const stored = writes.filter((_, i) => results[i]?.ok === true)
    if (
      stored.some(
        ({ before, after }) => after?.state === 'pending' || (before.state === 'running' && this.#counted(before)),
      )
    )
      this.#ring('jobs')
    if (stored.some(({ after }) => after?.state === 'running' && after.cancel !== undefined)) this.#ring('control')
    return results
  }

  #counted(job: Job): boolean {
    return job.concurrencyKey !== undefined || this.#settingsOf(job.queue).concurrency !== null
  }

  #ring(bell: Bell): void {
    for (const ring of this.#rings) ring(bell)
  }

  #open(): void {
    if (this.#closed) throw new UsageError('The memory store is closed.')
  }
}

function rowsOf(writes: readonly Write[]): readonly Job[] {
  return writes.flatMap(({ after }) => after ?? [])
}

function matches(job: Job, filter: JobFilter): boolean {
  return (
    (filter.queue === undefined || job.queue === filter.queue) &&
    (filter.task === undefined || job.task === filter.task) &&
    (filter.state === undefined || job.state === filter.state) &&
    (filter.createdFrom === undefined || job.createdAt >= filter.createdFrom) &&
    (filter.createdUntil === undefined || job.createdAt < filter.createdUntil) &&
    (filter.uniqueKey === undefined || job.unique?.key === filter.uniqueKey) &&
    (filter.parent === undefined || job.parent === filter.parent)
  )
}

function count(jobs: readonly Job[]): Record<State, number> {
  const counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const state of states) counts[state] = jobs.filter((job) => job.state === state).length
  return counts
}

function earliest(instants: readonly Instant[]): Instant | undefined {
  return instants.length === 0 ? undefined : instants.reduce((a, b) => Math.min(a, b))
}

/** By code unit, as every store sorts ids and names. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
