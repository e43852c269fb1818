import type { Instant, Job } from '../../core/job.ts'
import type { Renewed } from '../../store.ts'
import type { Read, Run } from './row.ts'

/** A run of ours: no column has its token, nor what it was before we set our own keepalive. */
export interface Lease {
  readonly job: Job
  readonly run: Run
  /** The row's own keepalive_interval, in nanoseconds, to be put back when the run ends. */
  readonly keepalive: string
}

/** The runs that this store has begun. Each is told by its attempt and its beginning; a row of another run is not ours any more. */
export class Leases {
  readonly #held = new Map<string, Lease>()

  get all(): readonly Lease[] {
    return [...this.#held.values()]
  }

  /** The run under which a write was decided, if it is still held, and has not changed since. */
  of({ id, lease, rev }: Pick<Job, 'id' | 'lease' | 'rev'>): Lease | undefined {
    const held = this.holding(id, lease)
    return held?.job.rev === rev ? held : undefined
  }

  /** The run of a lease, whatever has become of it since. */
  holding(id: string, lease: string | undefined): Lease | undefined {
    const held = this.#held.get(id)
    return held !== undefined && held.job.lease === lease ? held : undefined
  }

  add(lease: Lease): void {
    this.#held.set(lease.job.id, lease)
  }

  remove(id: string): void {
    this.#held.delete(id)
  }

  renew(id: string, lease: string, until: Instant, cancel: string | undefined): Renewed | undefined {
    const held = this.holding(id, lease)
    if (held === undefined) return undefined
    const job = { ...held.job, rev: held.job.rev + 1, leaseUntil: until, cancel }
    this.#held.set(id, { ...held, job })
    return { rev: job.rev, cancel }
  }

  /** Forgets runs whose lease ended before then: those completed in a transaction, of which nobody has told us more. */
  forget(before: Instant): void {
    for (const { job } of this.all) if ((job.leaseUntil ?? 0) < before) this.#held.delete(job.id)
  }

  /** The job as whoever runs it has it: if the row is still that of our run, it is ours, and says anew whether it was asked to stop. */
  overlay({ job, run }: Read): Job {
    const held = this.#held.get(job.id)
    if (held === undefined || job.state !== 'running') return job
    if (held.run.attempt !== run.attempt || held.run.startedUs !== run.startedUs) return job
    if (held.job.cancel === job.cancel) return held.job
    const changed = { ...held.job, cancel: job.cancel, rev: held.job.rev + 1 }
    this.#held.set(job.id, { ...held, job: changed })
    return changed
  }
}
