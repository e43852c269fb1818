import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Renewed, WriteResult } from '../../store.ts'

/**
 * The jobs that one store of a guest has taken, each with what tells its row from what others make of it: what a claim and renewals change of a
 * job is kept here, since the format has no place for it. They are gone with the process; the row alone says whether one still holds.
 */
export class HeldLeases<Lease extends { readonly job: Job }> {
  readonly #held = new Map<string, Lease>()

  get all(): readonly Lease[] {
    return [...this.#held.values()]
  }

  /** What we have taken of this id, under whatever lease. */
  get(id: string): Lease | undefined {
    return this.#held.get(id)
  }

  /** The lease under which something was decided, if we have it. */
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

  /** The same until later, and with the next revision. */
  renew(lease: Lease, until: Instant, cancel?: string): Renewed {
    const job = { ...lease.job, rev: lease.job.rev + 1, leaseUntil: until, cancel }
    this.put({ ...lease, job })
    return { rev: job.rev, cancel }
  }

  /** Says whether there were any. */
  clear(): boolean {
    const any = this.#held.size > 0
    this.#held.clear()
    return any
  }

  /** What has been stored, or has turned out to be somebody else's, is held no more. */
  settled(writes: readonly Write[], results: readonly WriteResult[]): void {
    for (const [i, { before }] of writes.entries()) {
      const result = results[i]
      if (this.of(before) === undefined || result === undefined) continue
      if (result.ok || result.current?.lease !== before.lease) this.remove(before.id)
    }
  }
}
