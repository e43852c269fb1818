import type { Job } from '../../core/job.ts'
import { HeldLeases } from '../guest/leases.ts'
import type { Stored } from './row.ts'

/** A job that we took: what no column has of it, and what the row must still be like for it to be ours. */
export interface Lease {
  readonly job: Job
  /** The second that we wrote last: nobody else has written it. */
  readonly fetchedAt: number
  /** Whoever takes a job back leaves less. */
  readonly remaining: string
}

/** The leases of one store. */
export class Leases extends HeldLeases<Lease> {
  /** The lease of a row that is still as we left it. */
  on(stored: Stored): Lease | undefined {
    const held = this.get(stored.id)
    return held !== undefined && holds(held, stored) ? held : undefined
  }
}

/** Whether a row is still that of a lease. */
export function holds(lease: Lease, { status, fetchedAt, remaining }: Stored): boolean {
  return status === 'fetched' && fetchedAt === lease.fetchedAt && remaining === lease.remaining
}
