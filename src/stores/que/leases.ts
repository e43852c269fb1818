import type { Instant, Job } from '../../core/job.ts'
import type { Renewed } from '../../store.ts'
import type { Key } from './row.ts'

/** A job whose lock our session holds: what a claim and renewals change of it is kept here, since no column has it. */
export interface Lease {
  readonly key: Key
  /** The error_count at the claim: no other is ours. */
  readonly errors: string
  readonly job: Job
  /** Whether it was completed inside a transaction that may not have ended yet. */
  readonly completing: boolean
}

/** The leases that our session's locks stand for. They are gone with the session. */
export class Leases {
  #held = new Map<string, Lease>()

  get ids(): readonly string[] {
    return [...this.#held.keys()]
  }

  get(id: string): Lease | undefined {
    return this.#held.get(id)
  }

  /** The lease under which a write was decided, if it is still held. */
  of({ id, lease }: Pick<Job, 'id' | 'lease'>): Lease | undefined {
    const held = this.#held.get(id)
    return held !== undefined && held.job.lease === lease ? held : undefined
  }

  add(lease: Lease): void {
    this.#held.set(lease.job.id, lease)
  }

  /** From now on its row may be locked by the transaction that completes it. */
  completing(lease: Lease): void {
    this.#held.set(lease.job.id, { ...lease, completing: true })
  }

  renew(id: string, lease: string, until: Instant): Renewed | undefined {
    const held = this.of({ id, lease })
    if (held === undefined) return undefined
    const job = { ...held.job, rev: held.job.rev + 1, leaseUntil: until }
    this.#held.set(id, { ...held, job })
    return { rev: job.rev, cancel: undefined }
  }

  remove(id: string): void {
    this.#held.delete(id)
  }

  /** Says whether there were any. */
  clear(): boolean {
    const any = this.#held.size > 0
    this.#held = new Map()
    return any
  }

  /** The job as whoever holds it has it. */
  overlay(job: Job): Job {
    const held = this.#held.get(job.id)
    return held === undefined || job.state !== 'running' ? job : held.job
  }
}
