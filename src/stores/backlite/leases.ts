import type { Instant, Job } from '../../core/job.ts'

/** A job that we have claimed: what a claim makes of it that no column has. */
export interface Lease {
  readonly job: Job
  /** What `claimed_at` says; with the attempt, it tells our claim from all others. */
  readonly claimedAt: Instant
}

/** The claims of one store. The row alone says whether one still holds. */
export class Leases {
  readonly #held = new Map<string, Lease>()
  readonly #completing = new Set<string>()

  get all(): readonly Lease[] {
    return [...this.#held.values()]
  }

  /** Those that were completed in a caller's transaction, of which nobody tells us whether it has been committed. */
  get completing(): readonly Lease[] {
    return [...this.#completing].flatMap((id) => this.#held.get(id) ?? [])
  }

  /** The claim under a lease, if we have it. */
  of({ id, lease }: Pick<Job, 'id' | 'lease'>): Lease | undefined {
    const held = this.#held.get(id)
    return held !== undefined && held.job.lease === lease ? held : undefined
  }

  put(lease: Lease): void {
    this.#held.set(lease.job.id, lease)
  }

  complete(id: string): void {
    this.#completing.add(id)
  }

  remove(id: string): void {
    this.#held.delete(id)
    this.#completing.delete(id)
  }

  clear(): void {
    this.#held.clear()
    this.#completing.clear()
  }

  /** The job as whoever has it has it, if the row is as our claim, or its last renewal, left it. */
  overlay(job: Job, claimedAt: Instant | undefined): Job {
    const held = this.#held.get(job.id)
    const ours = held !== undefined && held.claimedAt === claimedAt && held.job.attempt === job.attempt
    return ours && job.state === 'running' ? held.job : job
  }
}
