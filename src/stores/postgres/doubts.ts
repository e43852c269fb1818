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
  /** By the id of the job. */
  readonly #writes = new Map<string, Write>()

  add(writes: readonly Write[]): void {
    if (this.#writes.size > most) this.#writes.clear() // they would be told as lost; a whole store of them never comes again
    for (const write of writes) this.#writes.set(write.before.id, write)
  }

  /** The results of writes, with those set right that were stored before. What there is a result of is no longer in doubt. */
  resolve(writes: readonly Write[], results: readonly WriteResult[]): readonly WriteResult[] {
    if (this.#writes.size === 0) return results
    const doubted = writes.map(({ before }) => this.#writes.get(before.id))
    for (const { before } of writes) this.#writes.delete(before.id)
    return results.map((result, i) => {
      const [write, before] = [writes[i], doubted[i]]
      if (result.ok || write === undefined || before === undefined) return result
      const same = write.before.rev === before.before.rev && write.after?.state === before.after?.state
      return same && isThere(before.after, result.current) ? { ok: true } : result
    })
  }
}
