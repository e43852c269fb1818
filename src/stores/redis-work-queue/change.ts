import type { Instant } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import { fromPayload } from './bytes.ts'
import type { Change } from './items.ts'
import type { Leases } from './leases.ts'
import type { Session } from './names.ts'
import { abandoned } from './row.ts'

/**
 * What a write comes to in the queue; `undefined` when it is refused, because the job is run by somebody else.
 *
 * An item has no end but to be gone: completed, failed for good and cancelled are one. One that is to run again later stays under a lease until
 * then. One that was given back goes to where it was taken from.
 */
export function changeOf({ before, after }: Write, leases: Leases, session: Session, now: Instant): Change | undefined {
  const { id } = before
  const ends = after === undefined || after.finishedAt !== undefined
  if (before.state === 'running') {
    const held = leases.of(before)
    if (held === undefined)
      return before.lease === abandoned && !ends && after.state === 'pending' ? { what: 'clean', id } : undefined
    const lease = held.value
    if (ends) return { what: 'end', id, lease }
    if (after.state !== 'pending') return undefined
    if (after.attempt < before.attempt && after.runAt === before.runAt) return { what: 'back', id, lease }
    return { what: 'wait', id, lease, text: session.waiting(), ms: Math.max(0, after.runAt - now) }
  }
  if (ends) return { what: 'remove', id }
  return after.payload === before.payload ? { what: 'due', id } : { what: 'put', id, text: fromPayload(after.payload) }
}
