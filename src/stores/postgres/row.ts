import type { Failure, Job, JobPolicy, Payload, State, Unique } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import type { LogLevel, StoredLogLine } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import type { Lane } from './lanes.ts'

/** The only place where PostgreSQL's values become our types: hence the only `as`. Every column arrives as text, or null. */

export type { Row } from '../pg/query.ts'

export const stateNames: readonly State[] = ['pending', 'running', 'completed', 'failed', 'cancelled']
export const stateNumbers: Readonly<Record<State, number>> = {
  pending: 0,
  running: 1,
  completed: 2,
  failed: 3,
  cancelled: 4,
}

/** The columns of a whole job, in the order that `toJob` reads: of `job j`, `lane l` and `queue u`. */
const columns: readonly string[] = [
  'j.id',
  'l.task',
  'u.name',
  'j.state',
  'l.priority',
  'j.run_at',
  'j.attempt',
  'j.max_attempts',
  'j.rev',
  'j.lease',
  'j.lease_until',
  'j.created_at',
  'j.started_at',
  'j.finished_at',
  'j.forget_at',
  'j.unique_key',
  'j.unique_until',
  'j.unique_held::integer',
  'j.concurrency_key',
  'j.cancel',
  'j.parent',
  'j.failures',
  'j.policy',
  'j.result',
  'j.payload',
  `encode(j.payload_bytes, 'hex')`,
]

/** Each as text, under a name of its own: what every driver gives back alike. */
export const jobColumns: string = columns.map((column, i) => `${column}::text as c${i}`).join(', ')

/** The same as one JSON array, for functions that answer with jobs. */
export const jobAsJson: string = `json_build_array(${columns.join(', ')})`

export const jobTables = '@.job j join @.lane l on l.id = j.lane join @.queue u on u.id = j.queue'

export function toJob(row: Row): Job {
  return {
    id: row[0] as string,
    task: row[1] as string,
    queue: row[2] as string,
    state: stateNames[Number(row[3])] as State,
    priority: Number(row[4]),
    runAt: Number(row[5]),
    payload: toPayload(row[24], row[25]),
    attempt: Number(row[6]),
    maxAttempts: Number(row[7]),
    rev: Number(row[8]),
    lease: toOptionalText(row[9]),
    leaseUntil: toOptionalNumber(row[10]),
    createdAt: Number(row[11]),
    startedAt: toOptionalNumber(row[12]),
    finishedAt: toOptionalNumber(row[13]),
    forgetAt: toOptionalNumber(row[14]),
    unique: toUnique(row[15], row[16], Number(row[17]) === 1),
    concurrencyKey: toOptionalText(row[18]),
    cancel: toOptionalText(row[19]),
    failures: toFailures(row[21]),
    result: toOptionalText(row[23]),
    parent: toOptionalText(row[20]),
    policy: toPolicy(row[22]),
  }
}

/** A row of `@.taken`: what its claim knows already is not in it. */
export function toTaken(row: Row, lane: Lane, lease: string, leaseUntil: number, now: number): Job {
  const rest = row[8]
  const [uniqueKey, uniqueUntil, uniqueHeld, concurrencyKey, failures, policy, parent, cancel, result, bytes] =
    rest === null ? nothing : (JSON.parse(rest as string) as readonly unknown[])
  return {
    id: row[0] as string,
    task: lane.task,
    queue: lane.queue,
    state: 'running',
    priority: lane.priority,
    runAt: Number(row[2]),
    payload: toPayload(row[7], bytes ?? null),
    attempt: Number(row[3]),
    maxAttempts: Number(row[4]),
    rev: Number(row[5]),
    lease,
    leaseUntil,
    createdAt: Number(row[6]),
    startedAt: now,
    finishedAt: undefined,
    forgetAt: undefined,
    unique: toUnique(uniqueKey, uniqueUntil, uniqueHeld === true),
    concurrencyKey: toOptionalText(concurrencyKey),
    cancel: toOptionalText(cancel),
    failures: toFailures(failures),
    result: toOptionalText(result),
    parent: toOptionalText(parent),
    policy: toPolicy(policy),
  }
}

/** Whether `add` stores all of the job: what it leaves out has its default. */
export function isPlain(job: Job): boolean {
  return (
    job.rev === 0 &&
    job.attempt === 0 &&
    job.state === 'pending' &&
    job.startedAt === undefined &&
    job.cancel === undefined &&
    job.result === undefined &&
    job.failures.length === 0 &&
    job.unique?.held !== true
  )
}

/** Whether `settle`, the hot statement for the end of a run, stores all that has changed. */
export function onlyEnds({ before, after }: Write): boolean {
  return (
    after?.finishedAt !== undefined &&
    before.state === 'running' &&
    after.payload === before.payload &&
    after.failures === before.failures &&
    after.unique === before.unique &&
    after.maxAttempts === before.maxAttempts &&
    after.attempt === before.attempt &&
    after.policy === before.policy &&
    after.runAt === before.runAt &&
    after.concurrencyKey === before.concurrencyKey &&
    after.queue === before.queue &&
    after.task === before.task &&
    after.priority === before.priority
  )
}

/** A whole row as JSON, for the functions that store rows one by one. */
export function toRecord(job: Job, lane: Lane): Readonly<Record<string, unknown>> {
  const { payload } = job
  return {
    id: job.id,
    run_at: job.runAt,
    created_at: job.createdAt,
    lease_until: job.leaseUntil,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    forget_at: job.forgetAt,
    unique_until: fromUntil(job.unique),
    lane: lane.id,
    queue: lane.queueId,
    attempt: job.attempt,
    max_attempts: job.maxAttempts,
    rev: job.rev,
    state: stateNumbers[job.state],
    unique_held: job.unique?.held === true,
    lease: job.lease,
    unique_key: job.unique?.key,
    concurrency_key: job.concurrencyKey,
    cancel: withoutNul(job.cancel),
    parent: job.parent,
    failures: fromFailures(job.failures),
    policy: fromPolicy(job.policy),
    result: job.result,
    payload: typeof payload === 'string' ? payload : undefined,
    payload_bytes: payload instanceof Uint8Array ? toHex(payload) : undefined,
  }
}

export function toLogLine(row: Row): StoredLogLine {
  const [seq, jobId, attempt, at, level, message, data] = row
  return {
    seq: Number(seq),
    jobId: jobId as string,
    attempt: Number(attempt),
    at: Number(at),
    level: level as LogLevel,
    message: message as string,
    data: toOptionalText(data),
  }
}

/** A column that is known to hold text. */
export function toText(value: unknown): string {
  return value as string
}

/** A column that holds text or nothing. */
export function toOptionalText(value: unknown): string | undefined {
  return (value ?? undefined) as string | undefined
}

/** A column that holds a number or nothing. */
export function toOptionalNumber(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

export function toPresentWorker([toldAt, until, presence]: Row): PresentWorker {
  return { ...(JSON.parse(presence as string) as Presence), toldAt: Number(toldAt), until: Number(until) }
}

/** One batch's answer as `insert_batches` gives it. */
export interface BatchAnswer {
  readonly ok: boolean
  readonly holders: readonly (Row | null)[]
}

/** What a function for a caller's transaction answers: what was asked for, or what went wrong and was undone. */
export interface CallerAnswer {
  readonly answers?: readonly BatchAnswer[]
  readonly refused?: readonly string[]
  /** The SQLSTATE of what went wrong. */
  readonly code?: string
  readonly message?: string
}

export function toCallerAnswer(value: unknown): CallerAnswer {
  return JSON.parse(value as string) as CallerAnswer
}

export function toBatchAnswers(value: unknown): readonly BatchAnswer[] {
  return JSON.parse(value as string) as BatchAnswer[]
}

/** The writes of a settling that were refused, by their ids, and the jobs of these as they were then. */
export interface Refusal {
  readonly refused: readonly string[]
  readonly current: readonly Job[]
}

/** The last column of `exchange`. */
export function toRefusal(value: unknown): Refusal {
  const { refused, current } = JSON.parse(value as string) as {
    readonly refused: readonly string[]
    readonly current: readonly Row[] | null
  }
  return { refused, current: (current ?? []).map(toJob) }
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** 0 until claimed, -1 until settled, otherwise an instant. */
export function fromUntil(unique: Unique | undefined): number | undefined {
  if (unique === undefined) return undefined
  return unique.until === 'claimed' ? 0 : unique.until === 'settled' ? -1 : unique.until
}

export function fromPolicy(policy: JobPolicy | undefined): string | undefined {
  return policy === undefined ? undefined : JSON.stringify(policy)
}

/** PostgreSQL cannot keep a NUL in a text. Payloads, results and failures are JSON, where it is escaped; a reason is anybody's words. */
export function withoutNul(text: string | undefined): string | undefined {
  return text?.replaceAll('\0', '\ufffd')
}

const nothing: readonly unknown[] = []
const none: readonly Failure[] = []

function fromFailures(failures: readonly Failure[]): string | undefined {
  return failures.length === 0 ? undefined : JSON.stringify(failures)
}

function toFailures(value: unknown): readonly Failure[] {
  return value === null || value === undefined ? none : (JSON.parse(value as string) as Failure[])
}

function toPolicy(value: unknown): JobPolicy | undefined {
  return value === null || value === undefined ? undefined : (JSON.parse(value as string) as JobPolicy)
}

function toPayload(text: unknown, bytes: unknown): Payload | undefined {
  if (text !== null) return text as string
  return bytes === null ? undefined : new Uint8Array(Buffer.from(bytes as string, 'hex'))
}

function toUnique(key: unknown, until: unknown, held: boolean): Unique | undefined {
  if (key === null || key === undefined) return undefined
  const at = Number(until)
  return { key: key as string, until: at === 0 ? 'claimed' : at === -1 ? 'settled' : at, held }
}
