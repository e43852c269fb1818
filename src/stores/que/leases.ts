import type { Job } from '../../core/job.ts'
import { HeldLeases } from '../guest/leases.ts'
import type { Key } from './row.ts'

/** A job whose lock our session holds. */
export interface Lease {
  readonly key: Key
  /** The error_count at the claim: no other is ours. */
  readonly errors: string
  readonly job: Job
  /** Whether it was completed inside a transaction that may not have ended yet. */
  readonly completing: boolean
}

/** The leases that our session's locks stand for. They are gone with the session. */
export class Leases extends HeldLeases<Lease> {
  /** From now on its row may be locked by the transaction that completes it. */
  completing(lease: Lease): void {
    this.put({ ...lease, completing: true })
  }

  /** The job as whoever holds it has it. */
  overlay(job: Job): Job {
    const held = this.get(job.id)
    return held === undefined || job.state !== 'running' ? job : held.job
  }
}
