import { failureBounds } from '../../core/failure.ts'
import type { Failure, Instant, Job, State } from '../../core/job.ts'
import type { Row } from '../pg/query.ts'
import { toPayload } from './args.ts'
import type { Format } from './format.ts'

/** The only place where Que's columns become our types: hence the only `as`. Every column arrives as text, or null. */

/** What must be the same of a row for it to be still the one that was read. */
export interface Key {
  readonly id: string
  readonly queue: string
  readonly priority: string
  /** Microseconds since 1970: what an Instant would round. */
  readonly runAtUs: string
}

/** The end of time, for a lease that lasts as long as a session of somebody else's: the last instant that a Date can hold. */
export const never: Instant = 8_640_000_000_000_000

/** Microseconds of a column, exactly; infinity is null. */
function us(column: string): string {
  return `case when isfinite(${column}) then (extract(epoch from ${column}) * 1000000)::bigint end`
}

/** A column's milliseconds, rounded up, so that "due at" means the same of both. */
export function ms(column: string): string {
  return `case when isfinite(${column}) then ceil(extract(epoch from ${column})::numeric * 1000)::bigint end`
}

/** The columns of a key, of `j`. */
export function keyColumns({ keeps }: Format): string {
  return `j.${keeps ? 'id' : 'job_id'}::text as c0, j.queue as c1, j.priority::text as c2, (${us('j.run_at')})::text as c3`
}

/** The columns of a whole job, of `j`; `holder` is an expression for the process that holds its lock. */
export function jobColumns(format: Format, holder: string): string {
  const { keeps, keywords } = format
  const rest = [
    `(${ms('j.run_at')})::text`,
    'j.job_class',
    'j.args::text',
    keywords ? 'j.kwargs::text' : `'{}'`,
    'j.error_count::text',
    keeps ? 'j.last_error_message' : 'j.last_error',
    keeps ? 'j.last_error_backtrace' : 'null',
    keeps ? `(${ms('j.finished_at')})::text` : 'null',
    keeps ? `(${ms('j.expired_at')})::text` : 'null',
    'j.xmin::text',
    `(${holder})::text`,
  ]
  return [keyColumns(format), ...rest.map((column, i) => `${column} as c${i + 4}`)].join(', ')
}

export function toKey(row: Row): Key {
  return { id: row[0] as string, queue: row[1] as string, priority: row[2] as string, runAtUs: row[3] as string }
}

/** How often the job has failed so far. */
export function toErrorCount(row: Row): string {
  return row[8] as string
}

export function toJob(row: Row, maxAttempts: number): Job {
  const runAt = row[4] === null ? never : Number(row[4])
  const errors = Number(row[8])
  const finishedAt = toInstant(row[11])
  const expiredAt = toInstant(row[12])
  const state = stateOf(finishedAt, expiredAt, row[14] !== null)
  const attempt = state === 'running' || state === 'completed' ? errors + 1 : errors
  return {
    id: row[0] as string,
    task: row[5] as string,
    queue: row[1] as string,
    state,
    priority: Number(row[2]),
    runAt,
    payload: toPayload(row[6] as string, row[7] as string),
    attempt,
    maxAttempts: Math.max(maxAttempts, state === 'pending' ? attempt + 1 : attempt),
    rev: Number(row[13]),
    lease: state === 'running' ? `session ${row[14] as string}` : undefined,
    leaseUntil: state === 'running' ? never : undefined,
    createdAt: runAt,
    startedAt: undefined,
    finishedAt: finishedAt ?? expiredAt,
    forgetAt: undefined,
    unique: undefined,
    concurrencyKey: undefined,
    cancel: undefined,
    failures: toFailures(errors, row[9], row[10], expiredAt ?? runAt),
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}

export function toText(value: unknown): string {
  return value as string
}

export function toInstant(value: unknown): Instant | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

export interface Table {
  readonly comment: string
  readonly columns: ReadonlySet<string>
}

export function toTable(row: Row | undefined): Table | undefined {
  return row === undefined ? undefined : { comment: row[0] as string, columns: new Set((row[1] as string).split(' ')) }
}

export function toState(value: unknown): State {
  return value as State
}

function stateOf(finishedAt: Instant | undefined, expiredAt: Instant | undefined, held: boolean): State {
  if (finishedAt !== undefined) return 'completed'
  if (expiredAt !== undefined) return 'failed'
  return held ? 'running' : 'pending'
}

/** The last failure is all there is, as `Name: message`, if it comes from Ruby or from us. */
function toFailures(errors: number, error: unknown, backtrace: unknown, at: Instant): readonly Failure[] {
  if (error === null) return []
  const text = error as string
  const [, name, message = text] = /^([A-Z][\w:]{0,99}): ([^]*)$/.exec(text) ?? []
  const failure = { attempt: errors, at, name: name ?? 'Error', message: message.slice(0, failureBounds.message) }
  return [backtrace === null ? failure : { ...failure, stack: (backtrace as string).slice(0, failureBounds.stack) }]
}
