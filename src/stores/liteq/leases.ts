import type { Job } from '../../core/job.ts'
import type { Stored } from './row.ts'

/** A job that we took: what no column has of it, and what the row must still be like for it to be ours. */
export interface Lease {
  readonly job: Job
  /** The second that we wrote last: nobody else has written it. */
  readonly fetchedAt: number
  /** Whoever takes a job back leaves less. */
  readonly remaining: string
}

/** The leases of one store. They are gone with its process. */
export class Leases {
  readonly #held = new Map<string, Lease>()

  get all(): readonly Lease[] {
    return [...this.#held.values()]
  }

  /** The lease under which something was decided, if it is still held. */
  of({ id, lease }: Pick<Job, 'id' | 'lease'>): Lease | undefined {
    const held = this.#held.get(id)
    return held !== undefined && held.job.lease === lease ? held : undefined
  }

  put(lease: Lease): void {
    this.#held.set(lease.job.id, lease)
  }

  remove(id: string): void {
    this.#held.delete(id)
  }

  clear(): void {
    this.#held.clear()
  }

  /** The lease of a row that is still as we left it. */
  on(stored: Stored): Lease | undefined {
    const held = this.#held.get(stored.id)
    return held !== undefined && holds(held, stored) ? held : undefined
  }
}

/** Whether a row is still that of a lease. */
export function holds(lease: Lease, { status, fetchedAt, remaining }: Stored): boolean {
  return status === 'fetched' && fetchedAt === lease.fetchedAt && remaining === lease.remaining
}
