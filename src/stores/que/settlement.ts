import type { Instant } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Row } from '../pg/query.ts'
import { type Change, changeOf } from './change.ts'
import type { Format } from './format.ts'
import { heldTarget, isPut, putValues, seenTarget, type Target, targetValues } from './keys.ts'
import type { Leases } from './leases.ts'
import { toText } from './row.ts'
import type { Statements } from './statements.ts'

/** Runs one statement, on whatever connection. */
export type Run = (text: string, values: readonly (string | null)[]) => Promise<readonly Row[]>

/** A write and what it comes to. */
export interface Planned {
  readonly write: Write
  readonly change: Change
  readonly target: Target
}

/**
 * What writes come to: those of jobs that we hold, fenced by the lease, and those of jobs that were only seen, for which the lock has to be
 * had first. A job that somebody else runs, or whose lease we have lost, is in neither.
 */
export function plan(
  writes: readonly Write[],
  leases: Leases,
  format: Format,
  now: Instant,
): { readonly held: readonly Planned[]; readonly seen: readonly Planned[] } {
  const held: Planned[] = []
  const seen: Planned[] = []
  const met = new Set<string>()
  for (const write of writes) {
    const { before } = write
    if (met.has(before.id)) continue // what builds on another write of this call is decided again on what that has left
    met.add(before.id)
    const change = changeOf(write, format, now)
    const lease = leases.of(before)
    if (lease !== undefined) held.push({ write, change, target: heldTarget(lease) })
    else if (before.state !== 'running' && leases.get(before.id) === undefined)
      seen.push({ write, change, target: seenTarget(before) })
  }
  return { held, seen }
}

/** Changes the rows, and says of which jobs. What has nothing to store counts as stored. */
export async function carryOut(
  planned: readonly Planned[],
  statements: Statements,
  run: Run,
): Promise<ReadonlySet<string>> {
  const done = new Set(planned.filter(({ change }) => change === 'nothing').map(({ target }) => target.key.id))
  const removed = planned.filter(({ change }) => change === 'remove').map(({ target }) => target)
  if (removed.length > 0)
    for (const row of await run(statements.remove, targetValues(removed))) done.add(toText(row[0]))
  const puts = planned.flatMap(({ change, target }) => (isPut(change) ? [{ put: change, target }] : []))
  if (puts.length > 0) {
    const values = [...targetValues(puts.map(({ target }) => target)), ...putValues(puts.map(({ put }) => put))]
    for (const row of await run(statements.put, values)) done.add(toText(row[0]))
  }
  return done
}
