/**
 * One change of one job, in the order in which the database made them. Recorded by triggers inside the transaction that makes it: nobody can
 * forget to, and a kill cannot come between. `state` 0 to 4 as in the tables; `null` before and after there was a job.
 */
export interface Change {
  readonly seq: number
  /** When, who and in which call, by the clock of the fleet: `1700000000000 worker-3 claim`. */
  readonly witness: string
  readonly job: string
  readonly wasState: number | null
  readonly state: number | null
  readonly wasAttempt: number | null
  readonly attempt: number | null
  readonly maxAttempts: number | null
  readonly wasRev: number | null
  readonly rev: number | null
  readonly wasLease: string | null
  readonly lease: string | null
  readonly wasUntil: number | null
  readonly until: number | null
  /** When it is due. */
  readonly runAt: number | null
  readonly concurrencyKey: string | null
  /** The unique key, while it is held. */
  readonly held: string | null
  readonly cancel: string | null
  /** The name of the error that was noted with this change. */
  readonly failure: string | null
  /** With the first change of a job. */
  readonly payload: string | null
}
