import type { Instant, Job } from '../../core/job.ts'
import type { Batch } from '../../store.ts'
import { toLane, toRow } from './row.ts'

/** How many jobs one call may add: five hex digits number them. */
export const mostInCall = 0x10_00_00

/** The jobs of one lane, and when they are due: at one time mostly, and then it is said once. */
interface Lane {
  readonly queue: string
  readonly task: string
  readonly priority: number
  readonly name: string
  readonly runAt: Instant
  readonly members: string[]
  /** When each is due, once they differ. */
  times: Instant[] | undefined
}

/** A call that adds jobs: the script, and what it is to be given. */
export interface Add {
  readonly script: 'add' | 'addOne'
  readonly args: readonly string[]
}

/**
 * The jobs of all batches as `addLua` takes them, or `addOneLua`; `undefined` if something could be in their way.
 * @param beginning what the keys of all rows begin with
 * @param turn the number that this call is expected to have among all that add
 */
export function toAdd(batches: readonly Batch[], beginning: string, turn: number): Add | undefined {
  const [first] = batches
  if (batches.length === 1 && first?.jobs.length === 1) return toAddOne(first, beginning, turn)
  const args: string[] = [toTurnText(turn), '']
  const lanes = new Map<string, Lane>()
  let lane: Lane | undefined
  let place = 0
  for (const { jobs, writes } of batches) {
    if (writes !== undefined && writes.length > 0) return undefined
    for (const { job } of jobs) {
      if (!isPlain(job)) return undefined
      if (lane?.task !== job.task || lane.queue !== job.queue || lane.priority !== job.priority) {
        const { queue, task, priority, runAt } = job
        const name = toLane(job)
        lane = lanes.get(name) ?? { queue, task, priority, name, runAt, members: [], times: undefined }
        lanes.set(name, lane)
      }
      const seq = `${args[0]}${toPlace(place++)}`
      args.push(beginning + job.id, seq + toRow(job))
      if (lane.times === undefined && job.runAt !== lane.runAt) {
        const { runAt } = lane
        lane.times = lane.members.map(() => runAt)
      }
      lane.members.push(toMember(seq, job))
      lane.times?.push(job.runAt)
    }
  }
  args[1] = String(place)
  for (const { name, priority, runAt, members, times } of lanes.values()) {
    args.push(name, String(priority), String(members.length), times === undefined ? String(runAt) : '')
    for (const [i, member] of members.entries()) {
      if (times !== undefined) args.push(String(times[i]))
      args.push(member)
    }
  }
  return { script: 'add', args }
}

function toAddOne({ jobs: [one], writes }: Batch, beginning: string, turn: number): Add | undefined {
  if (one === undefined || !isPlain(one.job) || (writes !== undefined && writes.length > 0)) return undefined
  const { job } = one
  const seq = `${toTurnText(turn)}${toPlace(0)}`
  const row = [beginning + job.id, seq + toRow(job)]
  const lane = [toLane(job), String(job.priority), String(job.runAt), toMember(seq, job)]
  return { script: 'addOne', args: [toTurnText(turn), ...row, ...lane] }
}

/** Whether nothing but what every waiting job has leads to this one. */
function isPlain({ state, unique, parent }: Job): boolean {
  return state === 'pending' && unique === undefined && parent === undefined
}

function toMember(seq: string, { id, concurrencyKey }: Job): string {
  return `${seq}${concurrencyKey === undefined ? '-' : 'k'}${id}`
}

/** Where a job stands among those of its call: five hex digits. */
export function toPlace(place: number): string {
  return place.toString(16).padStart(5, '0')
}

/** The number of a call among all that add, as it stands in rows: eleven hex digits. */
function toTurnText(turn: number): string {
  return turn.toString(16).padStart(11, '0')
}
