import { hash } from 'node:crypto'

import type { Instant, Job, State } from '../../core/job.ts'
import type { Row } from '../sqlite-file/connection.ts'
import { readErrors, toFailures } from './error-list.ts'
import { type Flavour, ownVisibilityS } from './format.ts'
import { fromColumn } from './keys.ts'
import { type PayloadKind, taskOf, toPayload } from './payload.ts'

/** The only place where the columns of liteq become our types: hence the only `as`. */

/** The end of time, the last instant that a Date can hold. */
export const never: Instant = 8_640_000_000_000_000

/** Go's integers may be larger than ours, so those that a program chooses come as text. The order is that of `toStored`. */
export const jobColumns: string = `cast(j.id as text), j.queue, j.job, j.job_status, cast(j.execute_after as text),
    cast(j.remaining_attempts as text), cast(j.consumer_fetched_at as text), cast(j.finished_at as text), j.deduping_key, j.errors,
    cast(j.created_at as text), cast(j.updated_at as text)`

/** A row as it stands in the table; times in seconds. */
export interface Stored {
  readonly id: string
  readonly queue: string
  readonly job: string
  readonly status: string
  readonly executeAfter: number
  /** As it stands there, and as a number within ours. */
  readonly remaining: string
  readonly attemptsLeft: number
  readonly fetchedAt: number
  readonly finishedAt: number
  readonly key: string
  readonly errors: readonly string[]
  readonly createdAt: number
  readonly updatedAt: number
  /** Tells this state of the row from any other. */
  readonly rev: number
}

/** What has to be known to read a row. */
export interface Reading {
  readonly flavour: Flavour
  readonly payload: PayloadKind
  readonly visibilityS: number | undefined
}

export function toStored(row: Row): Stored {
  const text = row.map(toText)
  const remaining = text[5] ?? '0'
  return {
    id: text[0] ?? '',
    queue: text[1] ?? '',
    job: text[2] ?? '',
    status: text[3] ?? '',
    executeAfter: Number(text[4]),
    remaining,
    attemptsLeft: Math.min(Number(remaining), Number.MAX_SAFE_INTEGER),
    fetchedAt: Number(text[6]),
    finishedAt: Number(text[7]),
    key: text[8] ?? '',
    errors: readErrors(text[9] ?? ''),
    createdAt: Number(text[10]),
    updatedAt: Number(text[11]),
    rev: hash('sha1', text.join('\0'), 'buffer').readUIntBE(0, 6),
  }
}

export function toJob(stored: Stored, reading: Reading): Job {
  const { id, queue, status, executeAfter, fetchedAt, errors, key, updatedAt } = stored
  const state = stateOf(stored)
  const attempt = state === 'running' || state === 'completed' ? errors.length + 1 : errors.length
  const most = Math.min(errors.length + stored.attemptsLeft, Number.MAX_SAFE_INTEGER)
  const uniqueKey = key === '' ? undefined : fromColumn(key, queue, reading.flavour)
  return {
    id,
    task: taskOf(queue),
    queue,
    state,
    priority: 0,
    runAt: toInstant(executeAfter > 0 ? executeAfter : stored.createdAt),
    payload: toPayload(stored.job, reading.payload),
    attempt,
    maxAttempts: Math.max(most, attempt, 1),
    rev: stored.rev,
    lease: state === 'running' ? leaseOf(fetchedAt) : undefined,
    leaseUntil: state === 'running' ? endOf(stored, reading) : undefined,
    createdAt: toInstant(stored.createdAt),
    startedAt: state === 'running' ? toInstant(updatedAt) : undefined, // a renewal leaves it
    finishedAt:
      status === 'completed' ? toInstant(stored.finishedAt) : state === 'failed' ? toInstant(updatedAt) : undefined,
    forgetAt: undefined,
    unique: uniqueKey === undefined ? undefined : { key: uniqueKey, until: 'claimed', held: state === 'pending' },
    concurrencyKey: reading.flavour === 'scoped' ? uniqueKey : undefined,
    cancel: undefined,
    failures: toFailures(errors, toInstant(updatedAt)),
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}

/** The lease of a job that somebody else has. */
export function leaseOf(fetchedAt: number): string {
  return `fetched ${fetchedAt}`
}

/** Whether a worker of ours has fetched it: it writes a later second for that than for the change of the row; liteq writes one for both. */
export function isOurs({ fetchedAt, updatedAt }: Pick<Stored, 'fetchedAt' | 'updatedAt'>): boolean {
  return fetchedAt > updatedAt
}

export function toText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  return value instanceof ArrayBuffer ? Buffer.from(value).toString() : (value as string)
}

export function toNumber(value: unknown): number {
  return Number(value)
}

export function toState(value: unknown): State {
  return value as State
}

/** Milliseconds of seconds, within what a Date can hold. */
export function toInstant(seconds: number): Instant {
  return Math.min(Math.max(seconds * 1_000, 0), never)
}

/** A row that waits without an attempt left is never offered by liteq: it has failed, in all but name. */
function stateOf({ status, attemptsLeft }: Stored): State {
  switch (status) {
    case 'fetched':
      return 'running'
    case 'completed':
      return 'completed'
    case 'queued':
      return attemptsLeft > 0 ? 'pending' : 'failed'
    default:
      return 'failed'
  }
}

/** It is taken back once it is more than the timeout ago, in whole seconds. */
function endOf(stored: Stored, { visibilityS }: Reading): Instant {
  const timeout = isOurs(stored) ? ownVisibilityS : visibilityS
  return timeout === undefined ? never : toInstant(stored.fetchedAt + timeout + 1)
}
