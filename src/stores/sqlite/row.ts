import type { Failure, Job, JobPolicy, Payload, State, Unique } from '../../core/job.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import type { LogLevel, StoredLogLine } from '../../store.ts'
import type { Row, SqliteValue } from '../sqlite-file/connection.ts'
import type { Lane } from './lanes.ts'

/** The only place where SQLite's values become our types: hence the only `as`. */

export const stateNames: readonly State[] = ['pending', 'running', 'completed', 'failed', 'cancelled']
export const stateNumbers: Readonly<Record<State, number>> = {
  pending: 0,
  running: 1,
  completed: 2,
  failed: 3,
  cancelled: 4,
}

/** The columns of a whole job, in the order that `toJob` reads. */
export const jobColumns = `seq, id, lane, state, run_at, attempt, max_attempts, rev, lease, lease_until, created_at, started_at, finished_at,
  forget_at, unique_key, unique_until, unique_held, concurrency_key, cancel, parent, failures, policy, result, payload`

/** By index, not by destructuring: this runs for every job, and an array's iterator takes as long as the rest of it. */
export function toJob(row: Row, lane: Lane): Job {
  const uniqueKey = row[14]
  const failures = row[20]
  const policy = row[21]
  return {
    id: row[1] as string,
    task: lane.task,
    queue: lane.queue.name,
    state: stateNames[row[3] as number] as State,
    priority: lane.priority,
    runAt: row[4] as number,
    payload: toPayload(row[23]),
    attempt: row[5] as number,
    maxAttempts: row[6] as number,
    rev: row[7] as number,
    lease: (row[8] ?? undefined) as string | undefined,
    leaseUntil: (row[9] ?? undefined) as number | undefined,
    createdAt: row[10] as number,
    startedAt: (row[11] ?? undefined) as number | undefined,
    finishedAt: (row[12] ?? undefined) as number | undefined,
    forgetAt: (row[13] ?? undefined) as number | undefined,
    unique: uniqueKey === null ? undefined : toUnique(uniqueKey as string, row[15] as number, row[16] as number),
    concurrencyKey: (row[17] ?? undefined) as string | undefined,
    cancel: (row[18] ?? undefined) as string | undefined,
    failures: failures === null ? none : (JSON.parse(failures as string) as Failure[]),
    result: (row[22] ?? undefined) as string | undefined,
    parent: (row[19] ?? undefined) as string | undefined,
    policy: policy === null ? undefined : (JSON.parse(policy as string) as JobPolicy),
  }
}

/** Adds the values for `insertPlain`, of a job that has never run, to those of others. */
export function pushPlain(values: SqliteValue[], job: Job, lane: Lane): void {
  values.push(
    job.id,
    lane.id,
    lane.queue.id,
    job.runAt,
    job.maxAttempts,
    job.createdAt,
    job.unique?.key ?? null,
    fromUntil(job.unique),
    job.unique?.held === true ? 1 : 0,
    job.concurrencyKey ?? null,
    job.parent ?? null,
    job.policy === undefined ? null : JSON.stringify(job.policy),
    job.payload ?? null,
  )
}

/** Whether `insertPlain` stores all of the job: what it leaves out has its default. */
export function isPlain(job: Job): boolean {
  return (
    job.rev === 0 &&
    job.attempt === 0 &&
    job.state === 'pending' &&
    job.startedAt === undefined &&
    job.failures.length === 0
  )
}

/** Whether `finish`, the hot statement for the end of a run, stores all that has changed. */
export function onlyEnds(before: Job, after: Job): boolean {
  return (
    after.finishedAt !== undefined &&
    after.payload === before.payload &&
    after.failures === before.failures &&
    after.unique === before.unique &&
    after.maxAttempts === before.maxAttempts &&
    after.attempt === before.attempt &&
    after.policy === before.policy
  )
}

/** The values for `put` and `insertWhole`: all that can change. */
export function wholeValues(job: Job, lane: Lane): SqliteValue[] {
  return [
    lane.id,
    lane.queue.id,
    stateNumbers[job.state],
    job.runAt,
    job.attempt,
    job.maxAttempts,
    job.rev,
    job.lease ?? null,
    job.leaseUntil ?? null,
    job.startedAt ?? null,
    job.finishedAt ?? null,
    job.forgetAt ?? null,
    job.unique?.key ?? null,
    fromUntil(job.unique),
    job.unique?.held === true ? 1 : 0,
    job.concurrencyKey ?? null,
    job.cancel ?? null,
    job.parent ?? null,
    job.failures.length === 0 ? null : JSON.stringify(job.failures),
    job.policy === undefined ? null : JSON.stringify(job.policy),
    job.result ?? null,
    job.payload ?? null,
  ]
}

export function toLogLine(row: Row): StoredLogLine {
  const [seq, jobId, attempt, at, level, message, data] = row
  return {
    seq: seq as number,
    jobId: jobId as string,
    attempt: attempt as number,
    at: at as number,
    level: level as LogLevel,
    message: message as string,
    data: (data ?? undefined) as string | undefined,
  }
}

export function toPresentWorker([toldAt, until, presence]: Row): PresentWorker {
  return { ...(JSON.parse(presence as string) as Presence), toldAt: toldAt as number, until: until as number }
}

/** A column that is known to hold a whole number. */
export function toNumber(value: unknown): number {
  return value as number
}

/** A column that is known to hold text. */
export function toText(value: unknown): string {
  return value as string
}

/** A column that holds text or nothing. */
export function toOptionalText(value: unknown): string | undefined {
  return (value ?? undefined) as string | undefined
}

/** A column that holds a whole number or nothing. */
export function toOptionalNumber(value: unknown): number | undefined {
  return (value ?? undefined) as number | undefined
}

const none: readonly Failure[] = []

/** libsql gives bytes as an ArrayBuffer, better-sqlite3 as a Buffer, node:sqlite as a Uint8Array. */
function toPayload(value: unknown): Payload | undefined {
  if (value === null) return undefined
  if (typeof value === 'string') return value
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value as Uint8Array)
}

function toUnique(key: string, until: number, held: number): Unique {
  return { key, until: until === 0 ? 'claimed' : until === -1 ? 'settled' : until, held: held === 1 }
}

function fromUntil(unique: Unique | undefined): number | null {
  if (unique === undefined) return null
  return unique.until === 'claimed' ? 0 : unique.until === 'settled' ? -1 : unique.until
}
