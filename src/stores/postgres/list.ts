import { firstIdAt } from '../../core/id.ts'
import { finished } from '../../core/job.ts'
import type { JobFilter } from '../../store.ts'
import { jobColumns, jobTables, stateNumbers } from './row.ts'

/** A statement with its values. */
export interface ListQuery {
  readonly text: string
  readonly values: readonly string[]
}

/**
 * One page, by id. Finished jobs of a state are read lane by lane, each in the order of the index job_finished; for everything else the
 * planner knows best, which is why this is planned anew for every filter.
 */
export function listQuery(filter: JobFilter): ListQuery {
  const values: string[] = []
  const parameter = (value: string | number): string => `$${values.push(String(value))}`
  const order = filter.order === 'oldest' ? 'asc' : 'desc'
  const ofJob = [...conditions(filter, parameter)]
  const ofLane: string[] = []
  if (filter.queue !== undefined) ofLane.push(`u.name = ${parameter(filter.queue)}`)
  if (filter.task !== undefined) ofLane.push(`l.task = ${parameter(filter.task)}`)
  const limit = `${parameter(filter.limit)}::integer`
  if (
    filter.state === undefined ||
    !finished(filter.state) ||
    filter.uniqueKey !== undefined ||
    filter.parent !== undefined
  ) {
    return {
      text: `select ${jobColumns} from ${jobTables} ${where([...ofJob, ...ofLane])} order by j.id ${order} limit ${limit}`,
      values,
    }
  }
  return {
    text: `
      select ${jobColumns}
      from @.lane l join @.queue u on u.id = l.queue cross join lateral (
        select * from @.job j ${where(['j.lane = l.id', 'j.state > 1', ...ofJob])} order by j.id ${order} limit ${limit}
      ) j
      ${where(ofLane)}
      order by j.id ${order}
      limit ${limit}`,
    values,
  }
}

function* conditions(filter: JobFilter, parameter: (value: string | number) => string): Generator<string> {
  const { state, uniqueKey, parent, after, createdFrom, createdUntil, order } = filter
  // Those that wait are in two partial indexes: said as these say it, for few of them beside many others need no walk over all.
  if (state === 'pending') yield `((j.state = ${stateNumbers.pending} and not j.parked) or j.parked)`
  else if (state !== undefined) yield `j.state = ${stateNumbers[state]}`
  if (uniqueKey !== undefined) yield `j.unique_key = ${parameter(uniqueKey)}`
  if (parent !== undefined) yield `j.parent = ${parameter(parent)}`
  if (after !== undefined) yield `j.id ${order === 'oldest' ? '>' : '<'} ${parameter(after)}`
  // An id is never older than its job, though it may be younger, where a clock went back.
  if (createdFrom !== undefined)
    yield `j.id >= ${parameter(firstIdAt(createdFrom))} and j.created_at >= ${parameter(createdFrom)}::bigint`
  if (createdUntil !== undefined) yield `j.created_at < ${parameter(createdUntil)}::bigint`
}

function where(all: readonly string[]): string {
  return all.length === 0 ? '' : `where ${all.join(' and ')}`
}
