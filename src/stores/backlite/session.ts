import type { Instant, Job } from '../../core/job.ts'
import { claimed, type Write } from '../../core/lifecycle.ts'
import type { ClaimRequest, WriteResult } from '../../store.ts'
import type { Connection, Row, Statement } from '../sqlite-file/connection.ts'
import { changeOf } from './change.ts'
import type { Lease, Leases } from './leases.ts'
import { samePayload, toTask } from './payload.ts'
import { type RowRules, toClaimedAt, toInstant, toJob } from './row.ts'
import { statements } from './statements.ts'

/** What a claim takes, and when there will be more. */
export interface Taken {
  readonly leases: readonly Lease[]
  readonly nextRunAt: Instant | undefined
}

/** Jobs as `Claimed` gives them: of these queues alone, or of any; each at most so many. */
type Wanted = ReadonlyMap<string, number> | undefined

/**
 * What a store does, on one connection, always inside a transaction that somebody else has begun. Since a file has one writer, a row that was
 * read in a transaction that writes is as it was read until its end.
 */
export class Session {
  readonly #connection: Connection
  readonly #leases: Leases
  readonly #rules: RowRules

  constructor(connection: Connection, leases: Leases, rules: RowRules) {
    this.#connection = connection
    this.#leases = leases
    this.#rules = rules
  }

  insert(jobs: readonly Job[], ids: readonly string[], now: Instant): void {
    const insert = this.#connection.sql(statements.insert)
    for (const [i, { createdAt, queue, payload, runAt }] of jobs.entries())
      insert.run(ids[i] ?? null, createdAt, queue, toTask(payload), runAt <= now ? null : runAt)
  }

  get(id: string): Job | undefined {
    const row = this.#connection.sql(statements.waiting).row(id) ?? this.#connection.sql(statements.finished).row(id)
    return row === undefined ? undefined : this.toJob(row)
  }

  toJob(row: Row): Job {
    return this.#leases.overlay(toJob(row, this.#rules), toClaimedAt(row))
  }

  /** Whether there is nothing to take, and when there will be; `undefined` when there is something. Only reads. */
  takeNothing(request: ClaimRequest): Taken | undefined {
    const wanted = wantedOf(request)
    if (request.limit > 0 && this.#due(wanted, request.now, 1).length > 0) return undefined
    return { leases: [], nextRunAt: this.#nextRunAt(wanted, request.now) }
  }

  /** Claims as backlite does: tasks that wait and are due, and those whose claim is over. */
  take(request: ClaimRequest): Taken {
    const { limit, now, lease, until } = request
    const left = new Map(wantedOf(request))
    const some = request.tasks !== undefined || request.queues !== undefined
    const leases: Lease[] = []
    while (leases.length < limit) {
      const open = some ? new Map([...left].filter(([, most]) => most > 0)) : undefined
      const wanted = limit - leases.length
      const rows = this.#due(open, now, wanted)
      for (const row of rows) {
        const job = waiting(toJob(row, this.#rules))
        const most = left.get(job.queue) ?? 0
        if (some && most === 0) continue
        left.set(job.queue, most - 1)
        this.#connection.sql(statements.claim).run(now, job.id)
        leases.push({ job: claimed(job, lease, until, now), claimedAt: now })
      }
      if (rows.length < wanted) break
    }
    const short = leases.length < limit || limit === 0
    return { leases, nextRunAt: short ? this.#nextRunAt(wantedOf(request), now) : undefined }
  }

  /** Whether the row is as our claim has left it. */
  holds({ job, claimedAt }: Lease): boolean {
    const row = this.#connection.sql(statements.waiting).row(job.id)
    return row !== undefined && toClaimedAt(row) === claimedAt && toJob(row, this.#rules).attempt === job.attempt
  }

  /** In order; a later write may build on an earlier one of the same call, and is refused with it if that one is refused. */
  apply(writes: readonly Write[], now: Instant): readonly WriteResult[] {
    const refused = new Set<string>()
    return writes.map((write) => {
      const { before } = write
      const current = this.get(before.id)
      if (current !== undefined && !refused.has(before.id) && this.#may(before, current)) {
        this.#put(write, now)
        return { ok: true }
      }
      refused.add(before.id)
      return { ok: false, current }
    })
  }

  /** Says whether the claim still held. */
  renew({ job, claimedAt }: Lease, now: Instant): boolean {
    return this.#connection.sql(statements.renew).run(now, job.id, claimedAt, job.attempt) > 0
  }

  release({ job, claimedAt }: Lease): void {
    this.#connection.sql(statements.release).run(job.id, claimedAt, job.attempt)
  }

  /** Whether the row is as a write was decided on, and ours to change: what runs is its holder's, which its lease says. */
  #may(before: Job, current: Job): boolean {
    if (before.state !== current.state || before.lease !== current.lease || before.attempt !== current.attempt)
      return false
    if (before.state === 'running') return this.#leases.of(before) !== undefined
    return (
      before.runAt === current.runAt &&
      before.startedAt === current.startedAt &&
      samePayload(before.payload, current.payload)
    )
  }

  #put(write: Write, now: Instant): void {
    const change = changeOf(write, now)
    const { id } = write.before
    const sql = (text: string): Statement => this.#connection.sql(text)
    switch (change.kind) {
      case 'remove':
        sql(change.finished ? statements.removeFinished : statements.remove).run(id)
        return
      case 'again':
        sql(statements.again).run(change.waitUntil, change.attempts, id)
        sql(statements.removeFinished).run(id)
        return
      case 'wait': {
        const { attempts, waitUntil, executedAt, task } = change
        const given = waitUntil !== undefined
        sql(statements.wait).run(attempts, given ? 1 : 0, waitUntil ?? null, executedAt, task, id)
        return
      }
      case 'finish': {
        const { executedAt, attempts, micros, error, keepsTask, expiresAt } = change
        const succeeded = error === null ? 1 : 0
        sql(statements.finish).run(executedAt, attempts, micros, succeeded, keepsTask ? 1 : 0, expiresAt, error, id)
        sql(statements.remove).run(id)
      }
    }
  }

  /** The first rows in the order of backlite: what is to run at once by its id, then what was put off, by when it is due. */
  #due(wanted: Wanted, now: Instant, limit: number): readonly Row[] {
    if (limit <= 0 || wanted?.size === 0) return []
    const some = wanted === undefined ? [] : [JSON.stringify([...wanted.keys()])]
    const over = now - this.#rules.releaseMs
    const atOnce = this.#connection.sql(statements.dueAtOnce(wanted !== undefined)).rows(over, ...some, limit)
    if (atOnce.length === limit) return atOnce
    const later = this.#connection.sql(statements.dueLater(wanted !== undefined))
    return [...atOnce, ...later.rows(now, over, ...some, limit - atOnce.length)]
  }

  /** When the next task that waits is due, or the next claim is over. */
  #nextRunAt(wanted: Wanted, now: Instant): Instant | undefined {
    if (wanted?.size === 0) return undefined
    const some = wanted === undefined ? [] : [JSON.stringify([...wanted.keys()])]
    const own = JSON.stringify(this.#leases.all.map(({ job }) => job.id))
    const due = this.#connection.sql(statements.nextDue(wanted !== undefined)).row(now, ...some)
    const claim = this.#connection.sql(statements.oldestClaim(wanted !== undefined)).row(own, ...some)
    const claimedAt = toInstant(claim?.[0])
    const times = [toInstant(due?.[0]), claimedAt === undefined ? undefined : claimedAt + this.#rules.releaseMs + 1]
    const known = times.filter((time) => time !== undefined)
    return known.length === 0 ? undefined : Math.max(Math.min(...known), now + 1)
  }
}

/** A queue of backlite has one task: what is wanted is both. `undefined` for everything. */
function wantedOf({ tasks, queues, limit }: ClaimRequest): Wanted {
  if (tasks === undefined) return queues === undefined ? undefined : new Map(queues.map((queue) => [queue, limit]))
  return queues === undefined ? tasks : new Map([...tasks].filter(([task]) => queues.includes(task)))
}

/** A claim that is over is as good as none. */
function waiting(job: Job): Job {
  if (job.state === 'pending') return job
  const maxAttempts = Math.max(job.maxAttempts, job.attempt + 1)
  return { ...job, state: 'pending', lease: undefined, leaseUntil: undefined, maxAttempts }
}
