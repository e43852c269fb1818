import type { Instant } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { type Change, changeOf, type Put } from './change.ts'
import type { Lease, Leases } from './leases.ts'

/** A write, what it comes to, and our run of that job if we have it. */
export interface Planned {
  readonly write: Write
  readonly change: Change
  readonly lease: Lease | undefined
}

/**
 * What writes come to: those of runs that are ours are fenced by the run, which nobody but us can end; those of jobs that were only seen, by the
 * row's version. What was decided under a lease that we do not have is left out, and so refused, as is the end of another's run that is not over.
 */
export function plan(writes: readonly Write[], leases: Leases, now: Instant): readonly Planned[] {
  const planned: Planned[] = []
  const met = new Set<string>()
  for (const write of writes) {
    const { before } = write
    if (met.has(before.id)) continue // what builds on another write of this call is decided again on what that has left
    met.add(before.id)
    const lease = leases.unchanged(before)
    if (lease === undefined && before.state === 'running' && !isOverOrGoesOn(write, now)) continue
    planned.push({ write, change: changeOf(write, now), lease })
  }
  return planned
}

/** The parameters of `settle`. */
export function settleValues(planned: readonly Planned[]): readonly (string | null)[] {
  const puts = planned.map(({ change }): Partial<Put> => (change === 'remove' ? {} : change))
  return [
    textArray(planned.map(({ write }) => write.before.id)),
    textArray(planned.map(({ write }) => write.before.state)),
    numberArray(planned.map(({ lease }) => lease?.run.attempt)),
    textArray(planned.map(({ lease }) => lease?.run.startedUs)),
    textArray(planned.map(({ write, lease }) => (lease === undefined ? String(write.before.rev) : undefined))),
    textArray(planned.map((one) => String(mayBeAsked(one)))),
    textArray(planned.map(({ change }) => (change === 'remove' ? 'remove' : undefined))),
    textArray(puts.map(({ status }) => status)),
    numberArray(puts.map(({ priority }) => priority)),
    numberArray(puts.map(({ attempt }) => attempt)),
    numberArray(puts.map(({ maxRetries }) => maxRetries)),
    textArray(puts.map(({ parameters }) => (parameters === undefined ? undefined : 'set'))),
    textArray(puts.map(({ parameters }) => parameters?.json)),
    numberArray(puts.map(({ queuedAt }) => queuedAt)),
    numberArray(puts.map(({ afterMs }) => afterMs)),
    numberArray(puts.map(({ completedAt }) => completedAt)),
    textArray(puts.map(({ result }) => (result === undefined ? undefined : 'set'))),
    textArray(puts.map(({ result }) => result?.json)),
    numberArray(puts.map(({ ttlMs }) => ttlMs)),
    textArray(planned.map((one) => (ends(one) ? one.lease?.keepalive : undefined))),
    textArray(puts.map(({ note }) => note?.level)),
    textArray(puts.map(({ note }) => note?.message)),
    numberArray(puts.map(({ note }) => note?.at)),
  ]
}

/** Whether our run of the job is over with it. */
export function ends({ write: { after } }: Planned): boolean {
  return after?.state !== 'running'
}

/** Whether it holds although somebody has asked the job to stop: a success does, and whatever was decided knowing it. */
function mayBeAsked({ write: { before, after } }: Planned): boolean {
  return before.state !== 'running' || before.cancel !== undefined || after === undefined || after.state === 'completed'
}

/** Whether another's run may be written to: to ask it to stop, or once its lease is over. */
function isOverOrGoesOn({ before, after }: Write, now: Instant): boolean {
  if (!isForeign(before.lease)) return false
  return after?.state === 'running' || (before.leaseUntil ?? now) <= now
}

/** Whether a lease is none of ours, but what a row says of another's run: see `foreignLease`. */
function isForeign(lease: string | undefined): boolean {
  return /^run \d+ since \d+$/.test(lease ?? '')
}
