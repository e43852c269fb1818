import { type Instant, states } from '../../core/job.ts'
import type { Counts, JobFilter, QueueStats } from '../../store.ts'
import type { Row, SqliteValue } from '../sqlite-file/connection.ts'
import type { Flavour } from './format.ts'
import { queuesOf, taskOf } from './payload.ts'
import { jobColumns, toInstant, toNumber, toState, toText } from './row.ts'
import { stateColumn } from './statements.ts'

/** One page, by id. No job has a parent. */
export function listQuery(
  filter: JobFilter,
  flavour: Flavour,
): { readonly text: string; readonly values: readonly SqliteValue[] } {
  const oldest = filter.order === 'oldest'
  const conditions: string[] = []
  const values: SqliteValue[] = []
  const add = (text: string, ...given: readonly SqliteValue[]): void => {
    conditions.push(text)
    values.push(...given)
  }
  if (filter.queue !== undefined) add('j.queue = ?', filter.queue)
  if (filter.task !== undefined)
    add('j.queue in (select value from json_each(?))', JSON.stringify(queuesOf(filter.task)))
  if (filter.state !== undefined) add(`${stateColumn} = ?`, filter.state)
  if (filter.createdFrom !== undefined) add('j.created_at >= ?', Math.ceil(filter.createdFrom / 1_000))
  if (filter.createdUntil !== undefined) add('j.created_at < ?', Math.ceil(filter.createdUntil / 1_000))
  if (filter.uniqueKey !== undefined) add(keyIs(flavour), filter.uniqueKey, filter.uniqueKey)
  if (filter.parent !== undefined) add('false')
  if (filter.after !== undefined)
    if (/^-?\d{1,19}$/.test(filter.after)) add(`j.id ${oldest ? '>' : '<'} ?`, filter.after)
    else add('false')
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  return {
    text: `select ${jobColumns} from jobs j ${where} order by j.id ${oldest ? 'asc' : 'desc'} limit ?`,
    values: [...values, filter.limit],
  }
}

/** From rows of queue, state, count and the earliest due second. */
export function toQueueStats(rows: readonly Row[]): readonly QueueStats[] {
  const queues = new Map<string, { counts: Counts; nextRunAt: Instant | undefined }>()
  for (const [name, kind, count, due] of rows) {
    const [queue, state] = [toText(name), toState(kind)]
    const { counts, nextRunAt } = queues.get(queue) ?? { counts: none, nextRunAt: undefined }
    queues.set(queue, {
      counts: states.includes(state) ? { ...counts, [state]: toNumber(count) } : counts,
      nextRunAt: state === 'pending' ? toInstant(toNumber(due)) : nextRunAt,
    })
  }
  return [...queues].map(([queue, { counts, nextRunAt }]) => ({
    queue,
    counts,
    tasks: { [taskOf(queue)]: counts },
    nextRunAt,
    paused: false,
    concurrency: null,
    priority: 0,
  }))
}

const none: Counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

/** As it is, or with the scope of its queue: rows from before there were scopes have none. */
function keyIs(flavour: Flavour): string {
  const scoped = flavour === 'raw' ? '?' : `length(cast(j.queue as blob)) || ':' || j.queue || ':' || ?`
  return `j.deduping_key != '' and j.deduping_key in (?, ${scoped})`
}
