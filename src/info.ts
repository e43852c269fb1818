import type { Failure, Instant, Job, State } from './core/job.ts'
import { decode } from './core/payload.ts'

/** A job as it was when it was looked at: the stored row with its payload and result decoded. Times in milliseconds since 1970. */
export interface JobInfo extends Omit<Job, 'payload' | 'result' | 'lease' | 'rev' | 'policy'> {
  readonly state: State
  /** `undefined` for no payload, and once retention has dropped it (see `payloadKept`). */
  readonly payload: unknown
  /** False once retention has dropped the payload; the job can then not be retried. */
  readonly payloadKept: boolean
  /** What the handler returned. */
  readonly result: unknown
  readonly failures: readonly Failure[]
  readonly leaseUntil: Instant | undefined
}

export function toInfo(job: Job): JobInfo {
  const { payload, result, lease: _lease, rev: _rev, policy: _policy, ...rest } = job
  return { ...rest, payload: decode(payload), payloadKept: payload !== undefined, result: decode(result) }
}
