import type { Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'
import { isThere } from './recover.ts'

/** So many are kept in mind at most. */
const most = 10_000

/**
 * Writes of which it is not known whether they were stored, because the answer was lost, and whoever could be asked was not to be reached
 * either. When such a write comes again and is refused because the job is already what it was to become, then by us.
 */
export class Doubts {
  /** By the id of the job, the `rev` it was decided on. */
  readonly #revs = new Map<string, number>()

  add(writes: readonly Write[]): void {
    if (this.#revs.size > most) this.#revs.clear() // they would be told as lost; a whole store of them never comes again
    for (const { before } of writes) this.#revs.set(before.id, before.rev)
  }

  /** The results of writes, with those set right that were stored before. What there is a result of is no longer in doubt. */
  resolve(writes: readonly Write[], results: readonly WriteResult[]): readonly WriteResult[] {
    if (this.#revs.size === 0) return results
    return results.map((result, i) => {
      const write = writes[i]
      if (write === undefined) return result
      const rev = this.#revs.get(write.before.id)
      this.#revs.delete(write.before.id)
      return !result.ok && rev === write.before.rev && isThere(write.after, result.current) ? { ok: true } : result
    })
  }
}
