import { type Instant, type State, states } from '../../core/job.ts'
import type { QueueStats } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import type { Lane, Lanes } from './lanes.ts'
import { toOptionalNumber } from './row.ts'
import type { Statements } from './statements.ts'

/** Every queue with its counts: sums over its lanes, which were counted while jobs moved. */
export function queueStats(connection: Connection, statements: Statements, lanes: Lanes): readonly QueueStats[] {
  const ofQueue = new Map<number, Lane[]>()
  for (const lane of lanes.all()) ofQueue.set(lane.queue.id, [...(ofQueue.get(lane.queue.id) ?? []), lane])
  return [...lanes.queues()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ id, name, paused, concurrency, priority }) => {
      const own = ofQueue.get(id) ?? []
      const tasks = [...new Set(own.map((lane) => lane.task))].toSorted()
      return {
        queue: name,
        paused,
        concurrency,
        priority,
        counts: sum(own),
        tasks: Object.fromEntries(tasks.map((task) => [task, sum(own.filter((lane) => lane.task === task))])),
        nextRunAt: firstWaiting(connection, statements, own),
      }
    })
}

function sum(lanes: readonly Lane[]): Record<State, number> {
  const counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const lane of lanes) for (const state of states) counts[state] += lane.counts[state]
  return counts
}

function firstWaiting(connection: Connection, statements: Statements, lanes: readonly Lane[]): Instant | undefined {
  const instants = lanes
    .filter((lane) => lane.counts.pending > 0)
    .flatMap((lane) => toOptionalNumber(connection.sql(statements.firstWaiting).row(lane.id, lane.id)?.[0]) ?? [])
  return instants.length === 0 ? undefined : instants.reduce((a, b) => Math.min(a, b))
}
