import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Batch, BatchResult, Expired, NewJob, WriteResult } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { changeOf, dueSecond, type Put, remainingOf, toSeconds } from './change.ts'
import { expiry, writeErrors } from './error-list.ts'
import { ownVisibilityS } from './format.ts'
import { toColumn } from './keys.ts'
import { holds, type Lease, type Leases } from './leases.ts'
import { toColumnText } from './payload.ts'
import { leaseOf, type Reading, type Stored, toInstant, toJob, toNumber, toStored, toText } from './row.ts'
import { statements } from './statements.ts'

/** Noted of a job that was given back while another of its key waits: liteq runs one of a key at a time. */
const yielded = 'gave way to a job with the same key that waits'

/** What a store does with jobs, on one connection, inside a transaction that somebody else has begun. It changes no lease. */
export class Session {
  readonly connection: Connection
  readonly reading: Reading
  readonly #leases: Leases

  constructor(connection: Connection, reading: Reading, leases: Leases) {
    this.connection = connection
    this.reading = reading
    this.#leases = leases
  }

  /** Each batch all or none. */
  insert(batches: readonly Batch[], now: Instant): readonly BatchResult[] {
    return batches.map((batch) => {
      const { jobs, writes = [] } = batch
      if (writes.length === 0 && jobs.every(({ ifHeld }) => ifHeld === 'keep')) return this.#add(jobs, now)
      this.#run(statements.savepoint)
      const written = this.apply(writes, now)
      const added = this.#add(jobs, now)
      const met = jobs.some(({ ifHeld }, i) => ifHeld === 'refuse' && added.holders[i] !== undefined)
      const ok = !met && written.every((result) => result.ok)
      if (!ok) this.#run(statements.rollbackTo)
      this.#run(statements.release)
      return { ...added, ok }
    })
  }

  apply(writes: readonly Write[], now: Instant): readonly WriteResult[] {
    return writes.map((write) => {
      const stored = this.#stored(write.before.id)
      if (stored !== undefined && this.#may(write, stored, now)) {
        this.#change(write, stored, now)
        return { ok: true }
      }
      return { ok: false, current: stored === undefined ? undefined : this.toJob(stored) }
    })
  }

  /** Whether the lease is still held; its end is moved to the given second. */
  renew({ job, fetchedAt, remaining }: Lease, second: number): boolean {
    return this.connection.sql(statements.renew).run(second, job.id, fetchedAt, remaining) === 1
  }

  /** Puts a job back as it was when it was taken, if it is still ours. */
  release({ job }: Lease): void {
    this.apply([{ before: job, after: { ...job, state: 'pending', attempt: job.attempt - 1 } }], job.startedAt ?? 0)
  }

  expired(now: Instant, limit: number): Expired {
    const theirS = this.reading.visibilityS ?? 0
    const looks = this.reading.visibilityS !== undefined
    const second = toSeconds(now)
    const since = [second - ownVisibilityS, looks ? second - theirS : -1] as const
    const rows = this.connection.sql(statements.expired).rows(...since, limit)
    const next = this.connection.sql(statements.nextExpiry).row(ownVisibilityS, theirS, ...since, looks ? 1 : 0)?.[0]
    return {
      jobs: rows.map((row) => this.toJob(toStored(row))),
      nextAt: next === null || next === undefined ? undefined : toInstant(toNumber(next) + 1),
    }
  }

  get(id: string): Job | undefined {
    const stored = this.#stored(id)
    return stored === undefined ? undefined : this.toJob(stored)
  }

  /** The job as whoever holds it has it. */
  toJob(stored: Stored): Job {
    return this.#leases.on(stored)?.job ?? toJob(stored, this.reading)
  }

  #stored(id: string): Stored | undefined {
    if (!/^(0|-?[1-9]\d{0,18})$/.test(id)) return undefined
    const row = this.connection.sql(statements.get).row(id)
    return row === undefined ? undefined : toStored(row)
  }

  /** One after the other, so that each meets those before it. */
  #add(jobs: readonly NewJob[], now: Instant): BatchResult {
    const own = new Map<string, Job>()
    const holders: (Job | undefined)[] = []
    const ids = jobs.map(({ job }) => {
      const key = job.unique?.held === true ? toColumn(job.unique.key, job.queue, this.reading.flavour) : ''
      const id = this.#insert(job, key, now)
      if (id !== undefined) {
        own.set(id, job)
        holders.push(undefined)
        return id
      }
      const holder = this.#holder(key)
      holders.push(own.get(holder?.id ?? '') ?? holder)
      return holder?.id ?? ''
    })
    return { ok: true, holders, ids }
  }

  #insert(job: Job, key: string, now: Instant): string | undefined {
    const text = toColumnText(job.payload, this.reading.payload)
    const [second, madeAt] = [toSeconds(now), toSeconds(job.createdAt)]
    const row = this.connection.sql(statements.insert).row(
      job.queue,
      typeof text === 'string' ? text : '', // refused before
      dueSecond(job.runAt, now),
      Math.min(madeAt, second),
      second,
      remainingOf(job),
      key,
    )
    return row === undefined ? undefined : toText(row[0])
  }

  #holder(key: string): Job | undefined {
    const row = this.connection.sql(statements.holder).row(key)
    return row === undefined ? undefined : this.toJob(toStored(row))
  }

  /** Whether the row is as the write was decided on, and the write's to change: of what runs, by whoever holds it, or once nobody does. */
  #may({ before, after }: Write, stored: Stored, now: Instant): boolean {
    const held = this.#leases.of(before)
    if (held !== undefined) return holds(held, stored)
    if (before.rev !== stored.rev || before.state !== toJob(stored, this.reading).state) return false
    if (before.state !== 'running') return true
    const over = before.lease === leaseOf(stored.fetchedAt) && (before.leaseUntil ?? now + 1) <= now
    return over && after?.state !== 'running'
  }

  #change(write: Write, stored: Stored, now: Instant): void {
    const put = changeOf(write, this.reading.payload, now)
    if (put === 'remove') this.#run(statements.remove, stored.id)
    else this.#put(write, this.#yielding(write, put, stored), stored, now)
  }

  /**
   * A job that is to wait with a key that another waits with. The index allows one: in a scoped table it gives way and has failed, as
   * liteq does it; otherwise it waits without its key.
   */
  #yielding({ before }: Write, put: Put, { key, id }: Stored): Put & { readonly key: string } {
    const taken = put.status === 'queued' && this.connection.sql(statements.sibling).row(key, id) !== undefined
    if (!taken) return { ...put, key }
    if (this.reading.flavour === 'raw' || before.state !== 'running') return { ...put, key: '' }
    return { ...put, key, status: 'failed', error: put.error ?? yielded }
  }

  #put({ before }: Write, put: Put & { readonly key: string }, { id, errors }: Stored, now: Instant): void {
    const { status, job = null, executeAfter = null, remaining = null, finishedAt, key, error } = put
    this.#run(statements.put, status, job, executeAfter, remaining, finishedAt, key, toSeconds(now), id)
    if (error === undefined) return
    if (error === expiry && before.lease !== undefined) this.#run(statements.noteExpiry, error, id)
    else this.#run(statements.putErrors, writeErrors([...errors, error]), id)
  }

  #run(text: string, ...values: (string | number | null | Uint8Array)[]): void {
    this.connection.sql(text).run(...values)
  }
}
