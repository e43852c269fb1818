import { firstIdAt } from '../../core/id.ts'
import type { Job } from '../../core/job.ts'
import type { JobFilter } from '../../store.ts'
import type { Connection, SqliteValue } from '../sqlite-file/connection.ts'
import type { Lanes } from './lanes.ts'
import { jobColumns, stateNumbers, toJob } from './row.ts'

/** Up to so many jobs are gathered by lane and sorted; beyond, walking by id meets enough of them. */
const few = 20_000

/** A condition of the where clause with its values. A plus before a column keeps the planner from looking it up in an index. */
interface Condition {
  readonly text: string
  readonly values: readonly SqliteValue[]
  /** Whether it leads to few rows, to be sorted, by an index that is not in the order of ids. */
  readonly finds?: boolean
}

/**
 * One page, by id. Each filter leads to an index that is in the order wanted, or to few enough rows to sort: a unique key and a parent
 * have their own; finished jobs are indexed by lane, state and id; the others of a lane are either few, or so many that a walk over all
 * ids finds a page of them soon.
 */
export function listJobs(connection: Connection, prefix: string, lanes: Lanes, filter: JobFilter): readonly Job[] {
  const oldest = filter.order === 'oldest'
  const conditions = [...byJob(filter, oldest), ...byLane(`${prefix}job`, lanes, filter)]
  const where = conditions.length === 0 ? '' : `where ${conditions.map(({ text }) => text).join(' and ')}`
  const id = conditions.some(({ finds }) => finds === true) ? '+id' : 'id'
  const sql = `select ${jobColumns} from ${prefix}job ${where} order by ${id} ${oldest ? 'asc' : 'desc'} limit ?`
  return connection
    .sql(sql)
    .rows(...conditions.flatMap(({ values }) => values), filter.limit)
    .map((row) => toJob(row, lanes.byId(row[2])))
}

function byJob(filter: JobFilter, oldest: boolean): readonly Condition[] {
  const { uniqueKey, parent, after, createdFrom, createdUntil } = filter
  const conditions: Condition[] = []
  if (uniqueKey !== undefined) conditions.push({ text: 'unique_key = ?', values: [uniqueKey], finds: true })
  if (parent !== undefined) conditions.push({ text: 'parent = ?', values: [parent], finds: true })
  if (after !== undefined) conditions.push({ text: oldest ? 'id > ?' : 'id < ?', values: [after] })
  // An id is never older than its job, though it may be younger, where a clock went back.
  if (createdFrom !== undefined)
    conditions.push({ text: 'id >= ? and created_at >= ?', values: [firstIdAt(createdFrom), createdFrom] })
  if (createdUntil !== undefined) conditions.push({ text: 'created_at < ?', values: [createdUntil] })
  return conditions
}

function byLane(job: string, lanes: Lanes, filter: JobFilter): readonly Condition[] {
  const { queue, task, state } = filter
  if (queue === undefined && task === undefined && state === undefined) return []
  const chosen = [...lanes.all()].filter(
    (lane) => (queue === undefined || lane.queue.name === queue) && (task === undefined || lane.task === task),
  )
  const ids = JSON.stringify(chosen.map((lane) => lane.id))
  const inLanes = 'lane in (select value from json_each(?))'
  const narrowed: Condition = {
    text: `+${inLanes}${state === undefined ? '' : ` and +state = ${stateNumbers[state]}`}`,
    values: [ids],
  }
  if (filter.uniqueKey !== undefined || filter.parent !== undefined) return [narrowed]
  if (state === 'running') return [{ text: 'state = 1 and lease_until > 0', values: [], finds: true }, narrowed]
  if (state !== undefined && state !== 'pending')
    return [{ text: `${inLanes} and state = ${stateNumbers[state]} and state > 1`, values: [ids] }]

  const counts = chosen.map((lane) => lane.counts)
  const total = counts.reduce((sum, { pending, running, completed, failed, cancelled }) => {
    return sum + pending + (state === 'pending' ? 0 : running + completed + failed + cancelled)
  }, 0)
  if (total > few) return [narrowed]
  const waiting = [`state = 0 and parked = 0 and ${inLanes}`, `parked = 1 and ${inLanes}`]
  const others = [`state = 1 and lease_until > 0 and +${inLanes}`, `state > 1 and ${inLanes}`]
  const parts = state === 'pending' ? waiting : [...waiting, ...others]
  const seqs = parts.map((part) => `select seq from ${job} where ${part}`).join(' union all ')
  return [{ text: `seq in (${seqs})`, values: parts.map(() => ids), finds: true }]
}
