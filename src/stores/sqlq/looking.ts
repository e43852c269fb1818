import { type Instant, type Job, type State, states } from '../../core/job.ts'
import type { Counts, JobFilter, QueueStats, StoredLogLine } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import { at, jobColumns, ms, stateOf, toInstant, toLevel, toState, toText, us } from './row.ts'

/** A uuid as PostgreSQL prints it: whatever else it would read as one is the id of nobody. */
export function isId(id: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
}

export interface Query {
  readonly text: string
  readonly values: readonly string[]
}

/**
 * One page, by when jobs were added: ids of sqlq's tell nothing of that. `place` is that of `filter.after` in microseconds. No job of sqlq's has a
 * unique key or a parent.
 */
export function listQuery(filter: JobFilter, place: string | undefined): Query {
  const values: string[] = []
  const value = (given: string | number): string => `$${values.push(String(given))}`
  const conditions: string[] = []
  if (filter.queue !== undefined) conditions.push(`j.queue = ${value(filter.queue)}`)
  if (filter.task !== undefined) conditions.push(`j.typename = ${value(filter.task)}`)
  if (filter.state !== undefined) conditions.push(`${stateOf} = ${value(filter.state)}`)
  if (filter.createdFrom !== undefined) conditions.push(`${ms('j.created_at')} >= ${value(filter.createdFrom)}::bigint`)
  if (filter.createdUntil !== undefined)
    conditions.push(`${ms('j.created_at')} < ${value(filter.createdUntil)}::bigint`)
  if (filter.uniqueKey !== undefined || filter.parent !== undefined) conditions.push('false')
  const oldest = filter.order === 'oldest'
  if (filter.after !== undefined && place !== undefined)
    conditions.push(
      `(j.created_at, j.id) ${oldest ? '>' : '<'} (${at(value(place), 'microsecond')}, ${value(filter.after)}::uuid)`,
    )
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  const order = oldest ? 'asc' : 'desc'
  return {
    text: `select ${jobColumns}, (${us('j.created_at')})::text as place
      from (
        select j.*, j.xmin from sqlq.jobs j ${where}
        order by j.created_at ${order}, j.id ${order} limit ${value(filter.limit)}::bigint
      ) j
      order by j.created_at ${order}, j.id ${order}`,
    values,
  }
}

/** How many ends of pages are remembered. */
const mostPlaces = 1_000

/** Where pages have ended: whoever goes on behind a job may have removed it meanwhile, and its id does not tell its place. */
export class Places {
  readonly #places = new Map<string, string>()

  get(id: string): string | undefined {
    return this.#places.get(id)
  }

  /** The last row of a page, which has its place as its last column. */
  remember(row: Row | undefined): void {
    if (row === undefined) return
    const [id, place] = [toText(row[0]), toText(row.at(-1))]
    this.#places.delete(id)
    this.#places.set(id, place)
    const [first] = this.#places.keys()
    if (this.#places.size > mostPlaces && first !== undefined) this.#places.delete(first)
  }
}

/** From rows of queue, concurrency, priority, type, state, count and the earliest due time of those that wait. */
export function toQueueStats(rows: readonly Row[]): readonly QueueStats[] {
  const queues = new Map<string, QueueStats>()
  for (const row of rows) {
    const queue = toText(row[0])
    const limit = toInstant(row[1])
    const found = queues.get(queue) ?? {
      queue,
      counts: none,
      tasks: {},
      nextRunAt: undefined,
      paused: false,
      concurrency: limit === undefined ? null : Math.max(0, limit),
      priority: Number(row[2]),
    }
    queues.set(queue, row[3] === null ? found : counted(found, row))
  }
  return [...queues.values()]
}

/** From rows of ordinal, time, level, message and attempt. */
export function toLines(jobId: string, rows: readonly Row[]): readonly StoredLogLine[] {
  return rows.map((row) => ({
    jobId,
    seq: Number(row[0]),
    at: toInstant(row[1]) ?? 0,
    level: toLevel(row[2]),
    message: row[3] === null ? '' : toText(row[3]),
    attempt: Number(row[4]),
    data: undefined,
  }))
}

/** In the order asked for. */
export function inOrder(ids: readonly string[], jobs: readonly Job[]): readonly (Job | undefined)[] {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  return ids.map((id) => byId.get(id))
}

const none: Counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

function counted(stats: QueueStats, row: Row): QueueStats {
  const [task, state, count, due] = [toText(row[3]), toState(row[4]), Number(row[5]), toInstant(row[6])]
  const tasks = new Map(Object.entries(stats.tasks))
  tasks.set(task, plus(tasks.get(task) ?? none, state, count))
  return {
    ...stats,
    counts: plus(stats.counts, state, count),
    tasks: Object.fromEntries(tasks),
    nextRunAt: earliest(stats.nextRunAt, due),
  }
}

function earliest(one: Instant | undefined, other: Instant | undefined): Instant | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

function plus(counts: Counts, state: State, count: number): Counts {
  return states.includes(state) ? { ...counts, [state]: counts[state] + count } : counts
}
