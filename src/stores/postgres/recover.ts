import { isDeepStrictEqual } from 'node:util'

import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'
import { withoutNul } from './row.ts'

/** Looks jobs up, as they are now. */
type Get = (ids: readonly string[]) => Promise<readonly (Job | undefined)[]>

/**
 * What became of writes whose answer was lost with the connection: they were stored together or not at all, so one that can be seen tells
 * of all. What was taken in the same trip is no longer as it was written: `taken` says what that is. `undefined` when none can be seen:
 * then they may be sent again, and will be refused where they must be.
 */
export async function settledAfterLoss(
  writes: readonly Write[],
  get: Get,
  taken: readonly Job[] = [],
): Promise<readonly WriteResult[] | undefined> {
  if (writes.length === 0) return undefined
  const current = await get(writes.map(({ before }) => before.id))
  const stored = new Set<number>()
  const done = new Set<string>()
  for (const [i, { before, after }] of writes.entries()) {
    if (done.has(before.id) || !(isThere(after, current[i]) || taken.some((job) => follows(job, after)))) continue
    done.add(before.id)
    for (const n of leadingTo(writes, i)) stored.add(n)
  }
  if (stored.size === 0) return undefined
  return writes.map((_, i) => (stored.has(i) ? { ok: true } : { ok: false, current: current[i] }))
}

/** Whether a job is what a write was to make of it. Only a unique key may have been refused it. */
export function isThere(after: Job | undefined, current: Job | undefined): boolean {
  if (after === undefined || current === undefined) return after === current
  return after.rev === current.rev && isDeepStrictEqual(comparable(after), comparable(current))
}

/** Whether a job that was taken in the same trip is what a write had made of it before. */
function follows(taken: Job, after: Job | undefined): boolean {
  return after !== undefined && taken.id === after.id && taken.rev === after.rev + 1
}

/** A write and those before it, of the same job, that it builds on: only the last of them can be seen. */
function leadingTo(writes: readonly Write[], index: number): readonly number[] {
  const last = writes[index]
  const chain = [index]
  let rev = last?.before.rev
  for (let i = index - 1; i >= 0; i--) {
    const write = writes[i]
    if (write?.before.id !== last?.before.id || write?.after?.rev !== rev) continue
    chain.push(i)
    rev = write?.before.rev
  }
  return chain
}

/** A row as it comes back from the tables. */
function comparable(job: Job): object {
  const { unique, cancel, failures } = job
  return {
    ...job,
    unique: unique === undefined ? undefined : { ...unique, held: undefined },
    cancel: withoutNul(cancel),
    failures: JSON.stringify(failures),
  }
}
