import { type Instant, type Job, type State, states } from '../../core/job.ts'
import type { Counts, JobFilter, QueueStats } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import type { Format } from './format.ts'
import { ms, toInstant, toState, toText } from './row.ts'

/** The largest bigint: whatever is longer, or no number, is the id of nobody. */
const largestId = 9_223_372_036_854_775_807n

export function isId(id: string): boolean {
  return /^-?\d{1,19}$/.test(id) && BigInt(id) <= largestId && BigInt(id) >= -largestId
}

/** Narrows the statement `list`. No job of Que has a unique key or a parent. */
export function listQuery(
  list: string,
  filter: JobFilter,
  { keeps }: Format,
): { readonly text: string; readonly values: readonly string[] } {
  const id = keeps ? 'j.id' : 'j.job_id'
  const values: string[] = []
  const value = (given: string | number): string => `$${values.push(String(given))}`
  const conditions: string[] = []
  if (filter.queue !== undefined) conditions.push(`j.queue = ${value(filter.queue)}`)
  if (filter.task !== undefined) conditions.push(`j.job_class = ${value(filter.task)}`)
  if (filter.state !== undefined) conditions.push(`s.state = ${value(filter.state)}`)
  if (filter.createdFrom !== undefined) conditions.push(`${ms('j.run_at')} >= ${value(filter.createdFrom)}::bigint`)
  if (filter.createdUntil !== undefined) conditions.push(`${ms('j.run_at')} < ${value(filter.createdUntil)}::bigint`)
  if (filter.uniqueKey !== undefined || filter.parent !== undefined) conditions.push('false')
  const oldest = filter.order === 'oldest'
  if (filter.after !== undefined)
    conditions.push(isId(filter.after) ? `${id} ${oldest ? '>' : '<'} ${value(filter.after)}::bigint` : 'false')
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  return {
    text: `${list} ${where} order by ${id} ${oldest ? 'asc' : 'desc'} limit ${value(filter.limit)}::bigint`,
    values,
  }
}

/** From rows of queue, class, state, count and the earliest run_at of those that wait. */
export function toQueueStats(rows: readonly Row[]): readonly QueueStats[] {
  const queues = new Map<string, { counts: Counts; tasks: Map<string, Counts>; nextRunAt: Instant | undefined }>()
  for (const row of rows) {
    const [queue, task, state, count] = [toText(row[0]), toText(row[1]), toState(row[2]), Number(row[3])]
    const earliest = toInstant(row[4])
    const { counts, tasks, nextRunAt } = queues.get(queue) ?? {
      counts: none,
      tasks: new Map<string, Counts>(),
      nextRunAt: undefined,
    }
    tasks.set(task, plus(tasks.get(task) ?? none, state, count))
    queues.set(queue, {
      counts: plus(counts, state, count),
      tasks,
      nextRunAt: earliest === undefined ? nextRunAt : Math.min(earliest, nextRunAt ?? earliest),
    })
  }
  return [...queues].map(([queue, { counts, tasks, nextRunAt }]) => ({
    queue,
    counts,
    tasks: Object.fromEntries(tasks),
    nextRunAt,
    paused: false,
    concurrency: null,
    priority: 0,
  }))
}

/** In the order asked for. */
export function inOrder(ids: readonly string[], jobs: readonly Job[]): readonly (Job | undefined)[] {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  return ids.map((id) => byId.get(id))
}

const none: Counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

function plus(counts: Counts, state: State, count: number): Counts {
  return states.includes(state) ? { ...counts, [state]: counts[state] + count } : counts
}
