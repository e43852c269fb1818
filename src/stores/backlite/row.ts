import { failureBounds } from '../../core/failure.ts'
import type { Failure, Instant, Job, Payload, State } from '../../core/job.ts'
import type { Row } from '../sqlite-file/connection.ts'
import { toPayload } from './payload.ts'

/** The only place where the columns of backlite become our types: hence the only `as`. */

/** The end of time, the last instant that a Date can hold: Go can write later ones, and they must not break a number. */
export const never: Instant = 8_640_000_000_000_000

/** A whole number of a column, within what a number of ours can hold. */
export function whole(column: string): string {
  return `min(max(${column}, ${-never}), ${never})`
}

/** The columns of a whole job, in the order that `toJob` reads. */
export const waitingColumns: string = `id, queue, ${whole('created_at')}, ${whole('attempts')}, ${whole('last_executed_at')}, task,
    ${whole('wait_until')}, ${whole('claimed_at')}, null, null, null, 0`

/** The same of a finished one. */
export const finishedColumns: string = `id, queue, ${whole('created_at')}, ${whole('attempts')}, ${whole('last_executed_at')}, task,
    null, null, ${whole('last_duration_micro')}, ${whole('expires_at')}, error, 1`

/** What holds of every row of a store. Times in milliseconds. */
export interface RowRules {
  readonly releaseMs: number
  readonly maxAttempts: number
}

export function toJob(row: Row, { releaseMs, maxAttempts }: RowRules): Job {
  const [id, queue, createdAt, attempts, executedAt, , waitUntil, claimedAt, , expiresAt, error, done] = row
  const state = stateOf(done === 1, error, claimedAt)
  const startedAt = toInstant(claimedAt) ?? toInstant(executedAt)
  const runs = state === 'running'
  const attempt = runs ? Math.max(attempts as number, 1) : Math.max(attempts as number, 0)
  const finishedAt = done === 1 ? endOf(row) : undefined
  return {
    id: id as string,
    task: queue as string,
    queue: queue as string,
    state,
    priority: 0,
    runAt: toInstant(waitUntil) ?? (done === 1 ? startedAt : undefined) ?? (createdAt as number),
    payload: payloadOf(row),
    attempt,
    maxAttempts: Math.max(maxAttempts, state === 'pending' ? attempt + 1 : attempt),
    rev: attempt,
    lease: runs ? `claimed at ${claimedAt as number}` : undefined,
    // A claim is over when it is older than the time given, not when it is as old.
    leaseUntil: runs ? Math.min((claimedAt as number) + releaseMs + 1, never) : undefined,
    createdAt: createdAt as number,
    startedAt,
    finishedAt,
    forgetAt: toInstant(expiresAt),
    unique: undefined,
    concurrencyKey: undefined,
    cancel: undefined,
    failures: error === null ? [] : [toFailure(error as string, attempt, finishedAt ?? 0)],
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}

/** When the row was claimed, if it is. */
export function toClaimedAt(row: Row): Instant | undefined {
  return toInstant(row[7])
}

export function toInstant(value: unknown): Instant | undefined {
  return (value ?? undefined) as Instant | undefined
}

export function toNumber(value: unknown): number {
  return value as number
}

export function toText(value: unknown): string {
  return value as string
}

export function toState(value: unknown): State {
  return value as State
}

/** A column of a table: its name and type, and whether each row must have a value for it. */
export interface Column {
  readonly words: string
  readonly needed: boolean
}

export function toColumn([name, type, notNull, preset]: Row): Column {
  return { words: `${name as string} ${type as string}`, needed: notNull === 1 && preset === null }
}

/** Of a finished task, backlite tells success by there being no error. */
function stateOf(done: boolean, error: unknown, claimedAt: unknown): State {
  if (done) return error === null ? 'completed' : 'failed'
  return claimedAt === null ? 'pending' : 'running'
}

/** The last run began when it was executed, and took so many microseconds. */
function endOf(row: Row): Instant {
  const beganAt = toInstant(row[4]) ?? (row[2] as number)
  return Math.min(beganAt + Math.ceil(((row[8] ?? 0) as number) / 1_000), never)
}

function payloadOf(row: Row): Payload | undefined {
  const task = row[5]
  if (task === null) return undefined
  return toPayload(task instanceof ArrayBuffer ? new Uint8Array(task) : (task as Uint8Array))
}

/** Go keeps the message alone. */
function toFailure(error: string, attempt: number, at: Instant): Failure {
  return { attempt, at, name: 'Error', message: error.slice(0, failureBounds.message) }
}
