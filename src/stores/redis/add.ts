import type { Instant } from '../../core/job.ts'
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

/**
 * The jobs of all batches as `addLua` takes them; `undefined` if something could be in their way.
 * @param beginning what the keys of all rows begin with
 * @param turn the number that this call is expected to have among all that add
 */
export function toAdd(batches: readonly Batch[], beginning: string, turn: number): string[] | undefined {
  const args: string[] = [toTurnText(turn), '']
  const lanes = new Map<string, Lane>()
  let lane: Lane | undefined
  let place = 0
  for (const { jobs, writes } of batches) {
    if (writes !== undefined && writes.length > 0) return undefined
    for (const { job } of jobs) {
      if (job.state !== 'pending' || job.unique !== undefined || job.parent !== undefined) return undefined
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
      lane.members.push(`${seq}${job.concurrencyKey === undefined ? '-' : 'k'}${job.id}`)
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
  return args
}

/** Where a job stands among those of its call: five hex digits. */
export function toPlace(place: number): string {
  return place.toString(16).padStart(5, '0')
}

/** The number of a call among all that add, as it stands in rows: eleven hex digits. */
function toTurnText(turn: number): string {
  return turn.toString(16).padStart(11, '0')
}
