import { finished, type Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Batch, BatchResult, ClaimRequest, WriteResult } from '../../store.ts'
import { toPlace } from './add.ts'
import { escape, toHeld, toJob, toLane, toList, toRev, toRow, toText } from './row.ts'

/** The most jobs of one lane and revision in one group of removals: Lua's stack holds no more arguments. */
const mostInGroup = 2_000

/** Ends of runs that share a lane, a revision, a lease and a fate: `-` for removed, or where they are kept. */
interface Ends {
  readonly lane: string
  readonly rev: string
  readonly lease: string
  readonly place: string
  readonly ids: string[]
  readonly rows: string[]
  readonly forgets: string[]
  /** Where each stands among the writes given. */
  readonly at: number[]
}

/** Writes in the form that `scripts/settle.ts` takes, and the way back from its answer. */
export class Writes {
  readonly args: string[] = []
  readonly #given: readonly Write[]
  /** Where each write, in the order of the script, stands among those given. */
  readonly #order: number[] = []

  /** @param turns the seq of jobs that were claimed here: with it the end of a run can be kept without a look at its row */
  constructor(writes: readonly Write[], turns: WeakMap<Job, string>) {
    this.#given = writes
    const groups: Ends[] = []
    const latest = new Map<string, Ends>()
    const others: number[] = []
    const repeated = idsTwice(writes)
    for (const [i, { before, after }] of writes.entries()) {
      const place = repeated.has(before.id) ? undefined : placeOf(before, after, turns)
      if (place === undefined) {
        others.push(i)
        continue
      }
      const [lane, rev, lease] = [toLane(before), toRev(before.rev), toLease(before)]
      const key = `${rev}${place}${lease}\n${lane}`
      let group = latest.get(key)
      if (group === undefined || group.ids.length >= mostInGroup) {
        group = { lane, rev, lease, place, ids: [], rows: [], forgets: [], at: [] }
        latest.set(key, group)
        groups.push(group)
      }
      group.ids.push(before.id)
      group.at.push(i)
      if (after === undefined) continue
      group.rows.push((turns.get(before) ?? '') + toRow(after))
      group.forgets.push(after.forgetAt === undefined ? '' : String(after.forgetAt))
    }
    this.args.push(String(groups.length))
    for (const { lane, rev, lease, place, ids, rows, forgets, at } of groups) {
      this.args.push(lane, rev, lease, place, String(ids.length), ...ids, ...rows, ...forgets)
      this.#order.push(...at)
    }
    this.args.push(String(others.length))
    for (const i of others) {
      const write = writes[i]
      if (write !== undefined) pushWrite(this.args, write)
      this.#order.push(i)
    }
  }

  results(refused: unknown): readonly WriteResult[] {
    const results: WriteResult[] = this.#given.map(() => stored)
    for (const entry of toList(refused)) {
      const [index, row, held] = toList(entry)
      const at = this.#order[Number(index)]
      const id = at === undefined ? undefined : this.#given[at]?.before.id
      if (at === undefined || id === undefined) continue
      const text = toText(row)
      results[at] = { ok: false, current: text === '' ? undefined : toJob(id, text, toText(held)) }
    }
    return results
  }
}

/** The batches as `insertLua` takes them. */
export function toInsert(batches: readonly Batch[]): readonly string[] {
  const args = [String(batches.length)]
  let place = 0
  for (const { jobs, writes = [] } of batches) {
    args.push(String(writes.length))
    for (const write of writes) pushWrite(args, write)
    args.push(String(jobs.length))
    for (const { job, ifHeld } of jobs)
      args.push(toPlace(place++), ifHeld === 'refuse' ? 'r' : 'k', job.id, toRow(job), toHeld(job))
  }
  return args
}

export function toBatchResult(result: unknown): BatchResult {
  const [ok, met] = toList(result)
  const holders: (Job | undefined)[] = []
  for (const entry of toList(met)) {
    const [index, id, row, held] = toList(entry)
    const at = Number(index)
    while (holders.length < at) holders.push(undefined)
    holders[at] = toJob(toText(id), toText(row), toText(held))
  }
  return { ok: ok === 1, holders }
}

/** What a claim asks for, without what it settles. */
export function toClaim({ now, until, lease, limit, tasks, queues }: ClaimRequest): string[] {
  const args = [String(now), String(until), escape(lease), String(limit), String(tasks?.size ?? -1)]
  for (const [task, most] of tasks ?? []) args.push(escape(task), String(most))
  args.push(String(queues?.length ?? -1))
  for (const queue of queues ?? []) args.push(escape(queue))
  return args
}

const stored: WriteResult = { ok: true }

/** A server that has lost its last moments makes a revision again: only the lease tells two runs apart then (docs/decisions/011). */
function toLease({ lease }: Job): string {
  return lease === undefined ? '' : escape(lease)
}

function pushWrite(args: string[], { before, after }: Write): void {
  args.push(
    before.id,
    toRev(before.rev),
    toLease(before),
    after === undefined ? '' : toRow(after),
    after === undefined ? '' : toHeld(after),
  )
}

/**
 * Where the end of a run is kept, `-` for nowhere, if nothing leads to the job but what leads to every one, before and after; `undefined` for
 * any other write.
 */
function placeOf(before: Job, after: Job | undefined, turns: WeakMap<Job, string>): string | undefined {
  if (before.state !== 'running' || !isPlain(before)) return undefined
  if (after === undefined) return '-'
  if (!finished(after.state) || !isPlain(after) || !turns.has(before) || toLane(after) !== toLane(before))
    return undefined
  return `${after.state}:`
}

function isPlain({ unique, concurrencyKey, parent }: Job): boolean {
  return unique === undefined && concurrencyKey === undefined && parent === undefined
}

function idsTwice(writes: readonly Write[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { before } of writes) {
    if (seen.has(before.id)) twice.add(before.id)
    else seen.add(before.id)
  }
  return twice
}
