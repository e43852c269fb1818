import type { Job } from '../../core/job.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { bounded } from './change.ts'
import type { Moments } from './moments.ts'
import { toParameters, toRunAfter, ttlOf } from './parameters.ts'

/** The parameters of `insert`, for jobs that a row can hold. */
export function insertValues(jobs: readonly Job[], keepAliveMs: number, moments: Moments): readonly (string | null)[] {
  const due = jobs.map(({ runAt, createdAt }) => toRunAfter(runAt, createdAt))
  return [
    textArray(jobs.map(({ queue }) => queue)),
    textArray(jobs.map(({ task }) => task)),
    numberArray(jobs.map(({ priority }) => priority)),
    textArray(jobs.map(({ payload }) => toParameters(payload))),
    numberArray(jobs.map(({ maxAttempts }) => bounded(maxAttempts))),
    numberArray(jobs.map(({ attempt }) => attempt)),
    numberArray(due.map(({ queuedAt }) => queuedAt)),
    numberArray(due.map(({ afterMs }) => afterMs)),
    numberArray(jobs.map(({ createdAt, runAt }, i) => moments.next(Math.min(createdAt, runAt), i))),
    numberArray(jobs.map(({ policy }) => ttlOf(policy))),
    String(keepAliveMs),
  ]
}
