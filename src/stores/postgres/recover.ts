import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'

/** Looks jobs up, as they are now. */
type Get = (ids: readonly string[]) => Promise<readonly (Job | undefined)[]>

/**
 * What became of writes whose answer was lost with the connection: they were stored together or not at all, so one that can be seen tells
 * of all. `undefined` when none can be seen: then they may be sent again, and will be refused where they must be.
 */
export async function settledAfterLoss(
  writes: readonly Write[],
  get: Get,
): Promise<readonly WriteResult[] | undefined> {
  if (writes.length === 0) return undefined
  const current = await get(writes.map(({ before }) => before.id))
  const seen = new Set<string>()
  const results = writes.map((_, i): WriteResult => ({ ok: false, current: current[i] }))
  // From the last on: of several writes of one job only the last can be seen, and they were stored together too.
  for (const [i, { before, after }] of [...writes.entries()].toReversed()) {
    if (!seen.has(before.id) && !isThere(after, current[i])) continue
    seen.add(before.id)
    results[i] = { ok: true }
  }
  return seen.size === 0 ? undefined : results
}

/** Whether a job is what a write was to make of it. */
export function isThere(after: Job | undefined, current: Job | undefined): boolean {
  if (after === undefined || current === undefined) return after === current
  return current.rev === after.rev && current.state === after.state && current.lease === after.lease
}
