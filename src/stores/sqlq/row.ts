import type { Failure, Instant, Job, JobPolicy, State } from '../../core/job.ts'
import { finished } from '../../core/job.ts'
import type { LogLevel } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import type { Candidate } from './choose.ts'
import { isNote, toFailure } from './note.ts'
import { toPayload } from './parameters.ts'

/** The only place where sqlq's columns become our types: hence the only `as`. Every column arrives as text, or null. */

/** A run, as its row tells it from every other: no token is kept there, but no two runs have the same attempt and beginning. */
export interface Run {
  readonly attempt: number
  /** Microseconds since 1970. */
  readonly startedUs: string
}

/** What a row says, and what a Job has no place for. */
export interface Read {
  readonly job: Job
  readonly run: Run
  /** Nanoseconds. */
  readonly keepalive: string
}

/** The end of time, for what is never due: the last instant that a Date can hold. */
const never: Instant = 8_640_000_000_000_000

/** How long a worker of sqlq's may take to see that its job was asked to stop; it looks every 3 s. Until then nobody may take that job back. */
const heardWithin = `interval '10 seconds'`

/** An instant, given in milliseconds or microseconds, as PostgreSQL has it. */
export function at(number: string, unit: 'millisecond' | 'microsecond' = 'millisecond'): string {
  return `to_timestamp(0) + (${number})::bigint * interval '1 ${unit}'`
}

/** A column's milliseconds, rounded down; infinity is null. */
export function ms(column: string): string {
  return `case when isfinite(${column}) then floor(extract(epoch from ${column}) * 1000)::bigint end`
}

/** The same rounded up, so that "not before" means the same of both. */
export function msUp(column: string): string {
  return `case when isfinite(${column}) then ceil(extract(epoch from ${column}) * 1000)::bigint end`
}

/** A column's microseconds, exactly; infinity is null. */
export function us(column: string): string {
  return `case when isfinite(${column}) then (extract(epoch from ${column}) * 1000000)::bigint end`
}

/** When `j` is due. Null, as sqlq's own dequeue has it, without a run_after. */
export const dueAt: string = `(j.last_queued_at + (j.run_after / 1000) * interval '1 microsecond')`

/** When the lease of `j` ends. */
export const leaseEnd: string = `(coalesce(j.last_keepalive, j.started_at, j.last_queued_at) + (j.keepalive_interval / 1000) * interval '1 microsecond'
    + case when j.status = 'cancelling' then ${heardWithin} else interval '0' end)`

/** When `j` is to be forgotten, once it has finished; null for never. */
export const forgetAt: string = `case when j.retention_ttl > 0 then j.completed_at + (j.retention_ttl / 1000) * interval '1 microsecond' end`

/** The state of `j`. What was asked to stop before it had ever run is taken up by nobody any more. */
export const stateOf: string = `case j.status when 'success' then 'completed' when 'errored' then 'failed'
    when 'cancelling' then case when j.attempt > 0 then 'running' else 'cancelled' end else j.status::text end`

/** The last failures of `j`, oldest first. */
const failures = `case when j.attempt > 0 then (
    select json_agg(json_build_array(n.message, ${ms('n.logged_at')}) order by n.logged_at, n.position)::text
    from (
      select l.message, l.logged_at, l.position from sqlq.job_logs l
      where l.job = j.id and ${isNote}
      order by l.logged_at desc, l.position desc limit 20
    ) n
  ) end`

/** The columns of a whole job, of `j`. */
export const jobColumns: string = [
  'j.id::text',
  'j.queue',
  'j.typename',
  stateOf,
  `(j.status = 'cancelling')::text`,
  'j.priority::text',
  'j.parameters::text',
  'j.result::text',
  'coalesce(j.max_retries, 1)::text',
  'coalesce(j.attempt, 0)::text',
  `(${msUp(dueAt)})::text`,
  `(${ms('j.created_at')})::text`,
  `(${us('j.started_at')})::text`,
  `(${ms(`coalesce(j.completed_at, j.last_queued_at)`)})::text`,
  `(${msUp(leaseEnd)})::text`,
  `(${msUp(`(${forgetAt})`)})::text`,
  'ceil(j.retention_ttl / 1000000.0)::bigint::text',
  'j.keepalive_interval::text',
  'j.xmin::text',
  failures,
]
  .map((column, i) => `${column} as c${i}`)
  .join(',\n    ')

export function toRead(row: Row): Read {
  const state = row[3] as State
  const attempt = Number(row[9])
  const runs = state === 'running'
  const startedUs = row[12] as string | null
  const started = startedUs === null ? undefined : Math.floor(Number(startedUs) / 1_000)
  const run = { attempt, startedUs: startedUs ?? '0' }
  const job: Job = {
    id: row[0] as string,
    task: row[2] as string,
    queue: row[1] as string,
    state,
    priority: Math.max(-32_768, Math.min(32_767, Number(row[5]))), // theirs may be larger, and are taken in their order
    runAt: toInstant(row[10]) ?? never,
    payload: toPayload(row[6] as string | null),
    attempt,
    maxAttempts: Math.max(Number(row[8]), state === 'pending' ? attempt + 1 : attempt, 1),
    rev: Number(row[18]),
    lease: runs ? foreignLease(run) : undefined,
    leaseUntil: runs ? (toInstant(row[14]) ?? never) : undefined,
    createdAt: toInstant(row[11]) ?? 0,
    startedAt: started,
    finishedAt: finished(state) ? (toInstant(row[13]) ?? 0) : undefined,
    forgetAt: finished(state) ? toInstant(row[15]) : undefined,
    unique: undefined,
    concurrencyKey: undefined,
    cancel: row[4] === 'true' ? 'cancelled' : undefined,
    failures: toFailures(row[19]),
    result: (row[7] as string | null) ?? undefined,
    parent: undefined,
    policy: toPolicy(Number(row[16])),
  }
  return { job, run, keepalive: row[17] as string }
}

export function toCandidate(row: Row): Candidate {
  const room = row[4] as string | null
  return {
    id: row[0] as string,
    queue: row[1] as string,
    task: row[2] as string,
    keepalive: row[3] as string,
    room: room === null ? undefined : Number(room),
  }
}

/** What stands for the lease of a run that is not this store's. */
export function foreignLease({ attempt, startedUs }: Run): string {
  return `run ${attempt} since ${startedUs}`
}

export function toText(value: unknown): string {
  return value as string
}

export function toInstant(value: unknown): Instant | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

export function toVersion(row: Row | undefined): number | undefined {
  return toInstant(row?.[0])
}

export function toState(value: unknown): State {
  return value as State
}

export function toLevel(value: unknown): LogLevel {
  return (value as LogLevel | null) ?? 'info'
}

/** What the row says for itself of how long it is kept: the same whatever its end. */
function toPolicy(ttlMs: number): JobPolicy | undefined {
  if (ttlMs <= 0) return undefined
  return { retention: { completed: ttlMs, failed: ttlMs, cancelled: ttlMs, payload: 'all' } }
}

function toFailures(value: unknown): readonly Failure[] {
  if (value === null) return []
  const all: Failure[] = []
  for (const [message, loggedAt] of JSON.parse(value as string) as readonly (readonly [string, number])[]) {
    const failure = toFailure(message, loggedAt, all.at(-1))
    if (failure !== undefined) all.push(failure)
  }
  return all
}
