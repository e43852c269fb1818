import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'

/**
 * The jobs that one store of a guest has taken, each with what tells its row from what others make of it. They are gone with its process; the
 * row alone says whether one still holds.
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

  clear(): void {
    this.#held.clear()
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
