import type { Instant, Job } from '../../core/job.ts'
import { HeldLeases } from '../guest/leases.ts'
import type { Read, Run } from './row.ts'

/** A run of ours: no column has its token, nor what it was before we set our own keepalive. */
export interface Lease {
  readonly job: Job
  readonly run: Run
  /** The row's own keepalive_interval, in nanoseconds, to be put back when the run ends. */
  readonly keepalive: string
}

/** The runs that this store has begun. Each is told by its attempt and its beginning; a row of another run is not ours any more. */
export class Leases extends HeldLeases<Lease> {
  /** The run under which a write was decided, if it has not changed since. */
  unchanged(job: Pick<Job, 'id' | 'lease' | 'rev'>): Lease | undefined {
    const held = this.of(job)
    return held?.job.rev === job.rev ? held : undefined
  }

  /** Forgets runs whose lease ended before then: those completed in a transaction, of which nobody has told us more. */
  forget(before: Instant): void {
    for (const { job } of this.all) if ((job.leaseUntil ?? 0) < before) this.remove(job.id)
  }

  /** The job as whoever runs it has it: if the row is still that of our run, it is ours, and says anew whether it was asked to stop. */
  overlay({ job, run }: Read): Job {
    const held = this.get(job.id)
    if (held === undefined || job.state !== 'running') return job
    if (held.run.attempt !== run.attempt || held.run.startedUs !== run.startedUs) return job
    if (held.job.cancel === job.cancel) return held.job
    const changed = { ...held.job, cancel: job.cancel, rev: held.job.rev + 1 }
    this.put({ ...held, job: changed })
    return changed
  }
}
