import type { Instant, Job } from '../../core/job.ts'
import { HeldLeases } from '../guest/leases.ts'

/** A job that we have claimed: what a claim makes of it that no column has. */
export interface Lease {
  readonly job: Job
  /** What `claimed_at` says; with the attempt, it tells our claim from all others. */
  readonly claimedAt: Instant
}

/** The claims of one store. */
export class Leases extends HeldLeases<Lease> {
  readonly #completing = new Set<string>()

  /** Those that were completed in a caller's transaction, of which nobody tells us whether it has been committed. */
  get completing(): readonly Lease[] {
    return [...this.#completing].flatMap((id) => this.get(id) ?? [])
  }

  complete(id: string): void {
    this.#completing.add(id)
  }

  override remove(id: string): void {
    super.remove(id)
    this.#completing.delete(id)
  }

  override clear(): boolean {
    this.#completing.clear()
    return super.clear()
  }

  /** The job as whoever has it has it, if the row is as our claim, or its last renewal, left it. */
  overlay(job: Job, claimedAt: Instant | undefined): Job {
    const held = this.get(job.id)
    const ours = held !== undefined && held.claimedAt === claimedAt && held.job.attempt === job.attempt
    return ours && job.state === 'running' ? held.job : job
  }
}
