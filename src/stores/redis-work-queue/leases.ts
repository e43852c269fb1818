import type { Instant, Job } from '../../core/job.ts'
import { HeldLeases } from '../guest/leases.ts'

/** A job whose lease this store has. */
export interface Lease {
  readonly job: Job
  /** As it is on the server. */
  readonly value: string
  /** Whether a call that was to end it has failed, and may have ended it. */
  readonly doubtful: boolean
}

/** The leases of this store, and the items that wait for their next run under a lease that it has left on them. */
export class Leases extends HeldLeases<Lease> {
  readonly #waiting = new Map<string, Instant>()

  add(job: Job, value: string): void {
    this.put({ job, value, doubtful: false })
    this.#waiting.delete(job.id)
  }

  doubt(lease: Lease): void {
    if (this.of(lease.job) !== undefined) this.put({ ...lease, doubtful: true })
  }

  /** The job as whoever holds it has it. */
  overlay(job: Job, lease: string): Job {
    const held = this.get(job.id)
    if (held?.value === lease) return held.job
    const dueAt = job.state === 'pending' ? this.#waiting.get(job.id) : undefined
    return dueAt === undefined || lease === '' ? job : { ...job, runAt: dueAt }
  }

  /** Left on an item until its next run. */
  waits(id: string, dueAt: Instant): void {
    this.#waiting.set(id, dueAt)
  }

  /** Those that wait no longer, taken out; and when the next is due. */
  due(now: Instant): { readonly ids: readonly string[]; readonly nextAt: Instant | undefined } {
    const ids = [...this.#waiting].filter(([, dueAt]) => dueAt <= now).map(([id]) => id)
    let nextAt: Instant | undefined
    for (const dueAt of this.#waiting.values()) if (dueAt > now && dueAt < (nextAt ?? Infinity)) nextAt = dueAt
    return { ids, nextAt }
  }

  /** Not ours to wake any more. */
  woken(ids: readonly string[]): void {
    for (const id of ids) this.#waiting.delete(id)
  }
}
