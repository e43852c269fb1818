import type { Flavour } from './format.ts'
import { jobColumns } from './row.ts'

/** Only rows that no other keeps from running: of a scoped key, one is fetched at a time. By the index `no_concurrent`. */
const free = `(j.deduping_key = '' or not exists (
    select 1 from jobs other where other.deduping_key = j.deduping_key and other.deduping_key != '' and other.job_status = 'fetched'
  ))`

/** The statements of one flavour. Times are in seconds; ids come and go as text. */
export interface Statements {
  readonly due: string
  readonly anyDue: string
}

export function makeStatements(flavour: Flavour): Statements {
  const due = `from jobs j
    where j.queue = ? and j.job_status = 'queued' and j.execute_after <= ? and j.remaining_attempts > 0
      ${flavour === 'scoped' ? `and ${free}` : ''}`
  return {
    /** The first due of a queue, in liteq's order: along the index todo. */
    due: `select ${jobColumns} ${due} order by j.execute_after, j.id limit ?`,
    anyDue: `select 1 ${due} limit 1`,
  }
}

/** Every queue with a job that waits or runs: by leaps over the index `todo`, whatever is in them. */
const lanes = `with recursive lane(queue) as (
    select min(j.queue) from jobs j where j.job_status = 'queued' or j.job_status = 'fetched'
    union all
    select (select min(j.queue) from jobs j where j.queue > lane.queue and (j.job_status = 'queued' or j.job_status = 'fetched'))
    from lane where lane.queue is not null
  )`

/** The state of a row, as `row.ts` has it. */
export const stateColumn: string = `case j.job_status
    when 'fetched' then 'running' when 'completed' then 'completed' when 'queued' then iif(j.remaining_attempts > 0, 'pending', 'failed')
    else 'failed' end`

/** Of what is fetched, what a worker of ours has: as `isOurs`. */
const ours = `j.consumer_fetched_at > j.updated_at`

/** When a row is due, in seconds: 0 stands for when it was made. */
const dueAt = `iif(j.execute_after > 0, j.execute_after, j.created_at)`

type StatementName =
  | 'insert'
  | 'holder'
  | 'get'
  | 'queueNames'
  | 'next'
  | 'take'
  | 'renew'
  | 'expired'
  | 'nextExpiry'
  | 'remove'
  | 'put'
  | 'putErrors'
  | 'noteExpiry'
  | 'sibling'
  | 'stats'
  | 'savepoint'
  | 'rollbackTo'
  | 'release'

/** The statements that are the same for both flavours. */
export const statements: Readonly<Record<StatementName, string>> = {
  /** As liteq adds a job, the one whose key waits left out. */
  insert: `
    insert into jobs (queue, job, execute_after, job_status, created_at, updated_at, remaining_attempts, deduping_key)
    values (?, ?, ?, 'queued', ?, ?, ?, ?)
    on conflict (deduping_key, job_status) where deduping_key != '' and job_status = 'queued' do nothing
    returning cast(id as text)`,

  /** By the index dedupe. */
  holder: `select ${jobColumns} from jobs j where j.deduping_key = ? and j.deduping_key != '' and j.job_status = 'queued'`,

  get: `select ${jobColumns} from jobs j where j.id = ?`,

  queueNames: `${lanes} select queue from lane where queue is not null`,

  /** The earliest time behind now at which a job of a queue falls due: along the index todo. */
  next: `
    select cast(j.execute_after as text) from jobs j
    where j.queue = ? and j.job_status = 'queued' and j.execute_after > ? and j.remaining_attempts > 0
    order by j.execute_after limit 1`,

  take: `
    update jobs set job_status = 'fetched', consumer_fetched_at = ?, updated_at = ?
    where id = ? and job_status = 'queued'`,

  /** No change of the job, so the time of its change stays. */
  renew: `
    update jobs set consumer_fetched_at = ?
    where id = ? and job_status = 'fetched' and consumer_fetched_at = ? and cast(remaining_attempts as text) = ?`,

  /** What was fetched before a second, one for ours and one for those of Go programs. */
  expired: `
    ${lanes}
    select ${jobColumns} from lane cross join jobs j
    where j.queue = lane.queue and j.job_status = 'fetched' and j.consumer_fetched_at < iif(${ours}, ?, ?)
    order by j.consumer_fetched_at, j.id limit ?`,

  /** When the earliest of the others is over: for how long each is held, then the seconds again, then whether Go's are looked at. */
  nextExpiry: `
    ${lanes}
    select cast(min(j.consumer_fetched_at + iif(${ours}, ?, ?)) as text) from lane cross join jobs j
    where j.queue = lane.queue and j.job_status = 'fetched'
      and j.consumer_fetched_at >= iif(${ours}, ?, ?) and (${ours} or ?)`,

  remove: `delete from jobs where id = ?`,

  /** Every column that a change of ours can change, but for the errors; null leaves one as it is. */
  put: `
    update jobs set
      job_status = ?, job = coalesce(?, job), execute_after = coalesce(?, execute_after),
      remaining_attempts = coalesce(?, remaining_attempts), consumer_fetched_at = 0, finished_at = ?, deduping_key = ?, updated_at = ?
    where id = ?`,

  putErrors: `update jobs set errors = ? where id = ?`,

  /** As liteq notes that it took a job back: as text, whatever was there. */
  noteExpiry: `
    update jobs set errors = json_insert(iif(json_valid(cast(errors as text)), cast(errors as text), json_array(cast(errors as text))), '$[#]', ?)
    where id = ?`,

  /** Whether another waits with a key: by the index `dedupe`. */
  sibling: `select 1 from jobs where deduping_key = ? and deduping_key != '' and job_status = 'queued' and id != ?`,

  /** A scan. */
  stats: `
    select j.queue, ${stateColumn} as state, count(*), cast(min(${dueAt}) as text)
    from jobs j group by 1, 2 order by 1, 2`,

  savepoint: 'savepoint jobferry_batch',
  rollbackTo: 'rollback to jobferry_batch',
  release: 'release jobferry_batch',
}
