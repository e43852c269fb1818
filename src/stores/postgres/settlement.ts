import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import type { Lanes } from './lanes.ts'
import { onlyEnds, stateNumbers, toRecord, withoutNul } from './row.ts'

/**
 * Writes sorted by how they are stored: removals and mere ends as columns, for one statement each; the others one by one, as JSON. Only
 * where their order does not matter: no job twice, and no key that one gives up and another takes. Otherwise all go one by one.
 */
export interface Settlement {
  readonly gone: readonly Write[]
  readonly ended: readonly Write[]
  readonly others: readonly Write[]
}

export function toSettlement(writes: readonly Write[]): Settlement {
  const gone: Write[] = []
  const ended: Write[] = []
  const others: Write[] = []
  const seen = new Set<string>()
  for (const write of writes) {
    if (seen.size === seen.add(write.before.id).size) return { gone: [], ended: [], others: writes }
    if (write.after === undefined) gone.push(write)
    else if (onlyEnds(write)) ended.push(write)
    else if (write.after.unique?.held === true) return { gone: [], ended: [], others: writes }
    else others.push(write)
  }
  return { gone: gone.toSorted(byId), ended: ended.toSorted(byId), others: others.toSorted(byId) }
}

/** The first twelve parameters of `exchange`. */
export function settlementColumns({ gone, ended, others }: Settlement, lanes: Lanes): readonly (string | null)[] {
  return [
    textArray(gone.map(({ before }) => before.id)),
    numberArray(gone.map(({ before }) => before.rev)),
    textArray(gone.map(({ before }) => before.lease)),
    textArray(ended.map(({ before }) => before.id)),
    numberArray(ended.map(({ before }) => before.rev)),
    textArray(ended.map(({ before }) => before.lease)),
    numberArray(ended.map(({ after }) => (after === undefined ? undefined : stateNumbers[after.state]))),
    numberArray(ended.map(({ after }) => after?.finishedAt)),
    numberArray(ended.map(({ after }) => after?.forgetAt)),
    textArray(ended.map(({ after }) => after?.result)),
    textArray(ended.map(({ after }) => withoutNul(after?.cancel))),
    others.length === 0 ? null : writesJson(others, lanes),
  ]
}

/** Writes for `write_each`. */
export function writesJson(writes: readonly Write[], lanes: Lanes): string {
  return JSON.stringify(writes.map((write) => toWrite(write, lanes)))
}

export function toWrite({ before, after }: Write, lanes: Lanes): Readonly<Record<string, unknown>> {
  const decided = { id: before.id, decided_on: before.rev, decided_under: before.lease }
  return after === undefined ? decided : { ...toRecord(after, lanes.of(after)), ...decided }
}

/** In one order for all, so that two transactions never hold what the other waits for. */
function byId(a: Write, b: Write): number {
  return a.before.id < b.before.id ? -1 : 1
}

/** Whether a worker may have something to do once it is stored. */
export function wakes({ after }: Write): boolean {
  return after?.state === 'pending'
}

/** Whether it asks a running job to stop. */
export function stops({ after }: Write): boolean {
  return after?.state === 'running' && after.cancel !== undefined
}

/**
 * What became of each write. Once one write of a job was refused, so were all that followed: the refused are the last of each.
 * @param refused an id for each that was refused · current the jobs of these as they are now
 */
export function toWriteResults(
  writes: readonly Write[],
  refused: readonly string[],
  current: ReadonlyMap<string, Job | undefined>,
): readonly WriteResult[] {
  const left = new Map<string, number>()
  for (const id of refused) left.set(id, (left.get(id) ?? 0) + 1)
  const results = writes.toReversed().map(({ before: { id } }): WriteResult => {
    const times = left.get(id) ?? 0
    left.set(id, times - 1)
    return times > 0 ? { ok: false, current: current.get(id) } : { ok: true }
  })
  return results.toReversed()
}
