import type { Batch, BatchResult } from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import type { Lane, Lanes } from './lanes.ts'
import { type BatchAnswer, fromPolicy, fromUntil, isPlain, toHex, toJob, toRecord } from './row.ts'
import { toWrite } from './settlement.ts'

/** Whether all of a batch can be added without looking at anything first. */
export function isPlainBatch(batch: Batch): boolean {
  return batch.writes === undefined && batch.jobs.every(({ job }) => isPlain(job))
}

/** The parameters of `add`, but for the bell: a column each, then how many of each lane. */
export function plainColumns(batches: readonly Batch[], lanes: Lanes): readonly (string | null)[] {
  const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
  const ofJob = jobs.map((job) => lanes.of(job))
  const counts = new Map<Lane, number>()
  for (const lane of ofJob) counts.set(lane, (counts.get(lane) ?? 0) + 1)
  return [
    textArray(jobs.map(({ id }) => id)),
    numberArray(ofJob.map(({ id }) => id)),
    numberArray(ofJob.map(({ queueId }) => queueId)),
    numberArray(jobs.map(({ runAt }) => runAt)),
    numberArray(jobs.map(({ maxAttempts }) => maxAttempts)),
    numberArray(jobs.map(({ createdAt }) => createdAt)),
    textArray(jobs.map(({ payload }) => (typeof payload === 'string' ? payload : undefined))),
    textArray(jobs.map(({ payload }) => (payload instanceof Uint8Array ? toHex(payload) : undefined))),
    textArray(jobs.map(({ unique }) => unique?.key)),
    numberArray(jobs.map(({ unique }) => fromUntil(unique))),
    textArray(jobs.map(({ concurrencyKey }) => concurrencyKey)),
    textArray(jobs.map(({ parent }) => parent)),
    textArray(jobs.map(({ policy }) => fromPolicy(policy))),
    numberArray([...counts.keys()].map(({ id }) => id)),
    numberArray([...counts.values()]),
  ]
}

/** The batches for `insert_batches`. */
export function batchesJson(batches: readonly Batch[], lanes: Lanes): string {
  return JSON.stringify(
    batches.map(({ jobs, writes = [] }) => ({
      writes: writes.map((write) => toWrite(write, lanes)),
      jobs: jobs.map(({ job }) => toRecord(job, lanes.of(job))),
      refuse: jobs.flatMap(({ ifHeld }, i) => (ifHeld === 'refuse' ? [i] : [])),
    })),
  )
}

export function toBatchResults(answers: readonly BatchAnswer[]): readonly BatchResult[] {
  return answers.map(({ ok, holders }) => ({
    ok,
    holders: holders.map((row) => (row === null ? undefined : toJob(row))),
  }))
}
