import type { Job } from '../../core/job.ts'
import type { JobFilter } from '../../store.ts'
import type { Connection, SqliteValue } from './connection.ts'
import type { Lane, Lanes } from './lanes.ts'
import { jobColumns, stateNumbers, toJob } from './row.ts'

/** Up to so many waiting or running jobs are gathered by lane and sorted; beyond, walking by id meets enough of them. */
const fewWaiting = 20_000

/**
 * One page, by id. Each filter leads to an index that is in the order wanted, or to few enough rows to sort:
 * a unique key and a parent have their own; finished jobs are indexed by lane, state and id; waiting jobs are either few, or so many that
 * a walk over all ids finds a page of them soon.
 */
export function listJobs(connection: Connection, prefix: string, lanes: Lanes, filter: JobFilter): readonly Job[] {
  const chosen = [...lanes.all()].filter(
    (lane) =>
      (filter.queue === undefined || lane.queue.name === filter.queue) &&
      (filter.task === undefined || lane.task === filter.task),
  )
  const text: string[] = []
  const values: SqliteValue[] = []
  function narrow(condition: string, ...given: SqliteValue[]): void {
    text.push(condition)
    values.push(...given)
  }
  const oldest = filter.order === 'oldest'
  if (filter.uniqueKey !== undefined) narrow('unique_key = ?', filter.uniqueKey)
  if (filter.parent !== undefined) narrow('parent = ?', filter.parent)
  if (filter.after !== undefined) narrow(oldest ? 'id > ?' : 'id < ?', filter.after)
  if (filter.createdFrom !== undefined) narrow('created_at >= ?', filter.createdFrom)
  if (filter.createdUntil !== undefined) narrow('created_at < ?', filter.createdUntil)
  if (filter.state !== undefined) narrow(stateCondition(filter, chosen))
  if (filter.queue !== undefined || filter.task !== undefined || usesLanes(filter)) {
    narrow(
      `${byLane(filter, chosen) ? '' : '+'}lane in (select value from json_each(?))`,
      JSON.stringify(chosen.map((lane) => lane.id)),
    )
  }
  const where = text.length === 0 ? '' : `where ${text.join(' and ')}`
  const sql = `select ${jobColumns} from ${prefix}job ${where} order by id ${oldest ? 'asc' : 'desc'} limit ?`
  return connection
    .sql(sql)
    .rows(...values, filter.limit)
    .map((row) => toJob(row, lanes.byId(row[2])))
}

function usesLanes(filter: JobFilter): boolean {
  return filter.state !== undefined
}

/** Whether the lanes lead to the index, or only narrow what another one finds. */
function byLane(filter: JobFilter, lanes: readonly Lane[]): boolean {
  if (filter.uniqueKey !== undefined || filter.parent !== undefined || filter.state === undefined) return false
  if (filter.state === 'running') return false
  return filter.state !== 'pending' || lanes.reduce((sum, lane) => sum + lane.counts.pending, 0) <= fewWaiting
}

function stateCondition(filter: JobFilter, lanes: readonly Lane[]): string {
  const number = stateNumbers[filter.state ?? 'pending']
  if (filter.state === 'pending') return byLane(filter, lanes) ? 'state = 0' : '+state = 0'
  return filter.state === 'running' ? 'state = 1 and lease_until > 0' : `state = ${number} and state > 1`
}
