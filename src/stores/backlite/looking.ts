import type { Instant } from '../../core/job.ts'
import { type Counts, defaultQueueSettings, type JobFilter, type QueueStats } from '../../store.ts'
import type { Row, SqliteValue } from '../sqlite-file/connection.ts'
import { finishedColumns, toInstant, toNumber, toState, toText, waitingColumns } from './row.ts'

/** One page over both tables, by id. A queue is its task, and no task of backlite has a unique key or a parent. */
export function listQuery(filter: JobFilter): { readonly text: string; readonly values: readonly SqliteValue[] } {
  const { queue, task, state, createdFrom, createdUntil, uniqueKey, parent, after } = filter
  const oldest = filter.order === 'oldest'
  const given: (readonly [string, SqliteValue | undefined])[] = [
    ['queue = ?', queue],
    ['queue = ?', task],
    ['created_at >= ?', createdFrom],
    ['created_at < ?', createdUntil],
    [oldest ? 'id > ?' : 'id < ?', after],
  ]
  const shared = given.filter(([, value]) => value !== undefined)
  const values = shared.map(([, value]) => value ?? null)
  const none = uniqueKey !== undefined || parent !== undefined || state === 'cancelled'
  const conditions = [...shared.map(([text]) => text), ...(none ? ['false'] : [])]
  const waits = state === undefined || state === 'pending' || state === 'running'
  const parts = [
    ...(waits ? [from('backlite_tasks', waitingColumns, conditions, waitingWhere(state))] : []),
    ...(state === undefined || !waits
      ? [from('backlite_tasks_completed', finishedColumns, conditions, finishedWhere(state))]
      : []),
  ]
  return {
    text: `${parts.join(' union all ')} order by 1 ${oldest ? 'asc' : 'desc'} limit ?`,
    values: [...parts.flatMap(() => values), filter.limit],
  }
}

/** From rows of queue, state, count and the earliest due time of those that wait. */
export function toQueueStats(rows: readonly Row[]): readonly QueueStats[] {
  const queues = new Map<string, { readonly counts: Counts; readonly nextRunAt: Instant | undefined }>()
  for (const row of rows) {
    const queue = toText(row[0])
    const { counts, nextRunAt } = queues.get(queue) ?? { counts: none, nextRunAt: undefined }
    queues.set(queue, {
      counts: { ...counts, [toState(row[1])]: toNumber(row[2]) },
      nextRunAt: toInstant(row[3]) ?? nextRunAt,
    })
  }
  return [...queues].map(([queue, { counts, nextRunAt }]) => ({
    queue,
    counts,
    tasks: Object.fromEntries([[queue, counts]]),
    nextRunAt,
    ...defaultQueueSettings,
  }))
}

const none: Counts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

function from(table: string, columns: string, conditions: readonly string[], own: string | undefined): string {
  const all = own === undefined ? conditions : [...conditions, own]
  return `select ${columns} from ${table} ${all.length === 0 ? '' : `where ${all.join(' and ')}`}`
}

function waitingWhere(state: JobFilter['state']): string | undefined {
  if (state === undefined) return undefined
  return state === 'pending' ? 'claimed_at is null' : 'claimed_at is not null'
}

function finishedWhere(state: JobFilter['state']): string | undefined {
  if (state === undefined) return undefined
  return state === 'completed' ? 'error is null' : 'error is not null'
}
