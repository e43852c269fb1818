import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Batch, BatchResult, WriteResult } from '../../store.ts'

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
  const seen = writes.map(({ after }, i) => isThere(after, current[i]))
  if (!seen.includes(true)) return undefined
  return writes.map((_, i) => (seen[i] === true ? { ok: true } : { ok: false, current: current[i] }))
}

/**
 * The same of batches: ids are made by us, so one that is there was added by us. A batch of which nothing can be seen was refused or met
 * holders that nobody can name any more: `'unknown'`.
 */
export async function insertedAfterLoss(
  batches: readonly Batch[],
  get: Get,
): Promise<readonly BatchResult[] | 'unknown' | undefined> {
  const ids = batches.flatMap(({ jobs }) => jobs.map(({ job }) => job.id))
  const found = new Set((await get(ids)).flatMap((job) => job?.id ?? []))
  if (found.size === 0) return undefined
  if (found.size < ids.length) return 'unknown'
  return batches.map(() => ({ ok: true, holders: [] }))
}

function isThere(after: Job | undefined, current: Job | undefined): boolean {
  if (after === undefined || current === undefined) return after === current
  return current.rev === after.rev && current.state === after.state && current.lease === after.lease
}
