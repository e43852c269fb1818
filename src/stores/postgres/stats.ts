import { type State, states } from '../../core/job.ts'
import type { QueueStats } from '../../store.ts'
import { type Row, toOptionalNumber, toText } from './row.ts'

type Counts = Record<State, number>

/** Makes the rows of `queues`, one a lane, into one entry a queue. */
export function toQueueStats(rows: readonly Row[]): readonly QueueStats[] {
  const ofQueue = new Map<string, Row[]>()
  for (const row of rows) ofQueue.set(toText(row[0]), [...(ofQueue.get(toText(row[0])) ?? []), row])
  return [...ofQueue.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([queue, lanes]) => toStats(queue, lanes))
}

function toStats(queue: string, rows: readonly Row[]): QueueStats {
  const counts = noCounts()
  const tasks = new Map<string, Counts>()
  let nextRunAt: number | undefined
  for (const [, , , , task, ...rest] of rows) {
    if (task === null) continue // a queue that has settings, and no jobs yet
    const ofTask = tasks.get(toText(task)) ?? noCounts()
    tasks.set(toText(task), ofTask)
    for (const [i, state] of states.entries()) {
      counts[state] += Number(rest[i])
      ofTask[state] += Number(rest[i])
    }
    const at = toOptionalNumber(rest[states.length])
    if (at !== undefined && (nextRunAt === undefined || at < nextRunAt)) nextRunAt = at
  }
  const [first] = rows
  return {
    queue,
    paused: Number(first?.[1]) === 1,
    concurrency: toOptionalNumber(first?.[2]) ?? null,
    priority: Number(first?.[3]),
    counts,
    tasks: Object.fromEntries([...tasks.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    nextRunAt,
  }
}

function noCounts(): Counts {
  return { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
}
