import type { Instant } from '../../core/job.ts'
import { claimed } from '../../core/lifecycle.ts'
import type { ClaimRequest } from '../../store.ts'
import { toSeconds } from './change.ts'
import { ownVisibilityS } from './format.ts'
import type { Lease } from './leases.ts'
import { queuesOf, taskOf } from './payload.ts'
import type { Session } from './session.ts'
import { type Stored, toInstant, toJob, toNumber, toStored, toText } from './row.ts'
import { makeStatements, statements } from './statements.ts'

/** What a claim has taken, and when the next job falls due, if it was short. */
export interface Taken {
  readonly leases: readonly Lease[]
  readonly nextRunAt: Instant | undefined
}

/** The answer to a claim that finds nothing to take; `undefined` when there is something. Only reads. */
export function takeNothing(session: Session, request: ClaimRequest): Taken | undefined {
  const queues = queuesOfRequest(session, request)
  const { anyDue } = makeStatements(session.reading.flavour)
  const second = toSeconds(request.now)
  const any =
    request.limit > 0 && queues.some((queue) => session.connection.sql(anyDue).row(queue, second) !== undefined)
  return any ? undefined : { leases: [], nextRunAt: nextRunAt(session, queues, request.now) }
}

/** Takes the first due jobs, in liteq's order over all queues: those for at once, then by their time, then by id. */
export function take(session: Session, request: ClaimRequest): Taken {
  const { tasks, limit, lease, until, now } = request
  const queues = queuesOfRequest(session, request)
  const { due } = makeStatements(session.reading.flavour)
  const second = toSeconds(now)
  const fetchedAt = fetchedSecond(until, now)
  const left = new Map(tasks)
  const leases: Lease[] = []
  const found = queues.flatMap((queue) => {
    const most = Math.min(limit, tasks === undefined ? limit : (tasks.get(taskOf(queue)) ?? 0))
    return most <= 0 ? [] : session.connection.sql(due).rows(queue, second, most).map(toStored)
  })
  for (const stored of found.toSorted(inTurn)) {
    if (leases.length >= limit) break
    const task = taskOf(stored.queue)
    const most = tasks === undefined ? 1 : (left.get(task) ?? 0)
    if (most <= 0) continue
    if (session.connection.sql(statements.take).run(fetchedAt, second, stored.id) !== 1) continue
    left.set(task, most - 1)
    const job = claimed(toJob(stored, session.reading), lease, until, now)
    leases.push({ job, fetchedAt, remaining: stored.remaining })
  }
  const short = limit === 0 || leases.length < limit
  return { leases, nextRunAt: short ? nextRunAt(session, queues, now) : undefined }
}

/**
 * The second to write for a lease until an instant: the shortest timeout there is before its end, so that no consumer takes the job back sooner,
 * whatever its timeout, and never before the next one. That makes it later than the change of the row, by which ours are told from
 * those of Go (`isOurs`).
 */
export function fetchedSecond(until: Instant, now: Instant): number {
  return Math.max(toSeconds(now) + 1, Math.ceil(until / 1_000) - ownVisibilityS)
}

/** The queues that a request is about: named by its tasks or by itself, or all that there are. */
function queuesOfRequest(session: Session, { tasks, queues }: ClaimRequest): readonly string[] {
  const named = tasks === undefined ? queues : [...tasks.keys()].flatMap(queuesOf)
  if (named === undefined)
    return session.connection
      .sql(statements.queueNames)
      .rows()
      .map(([queue]) => toText(queue))
  const unique = [...new Set(named)]
  return queues === undefined ? unique : unique.filter((queue) => queues.includes(queue))
}

function nextRunAt(session: Session, queues: readonly string[], now: Instant): Instant | undefined {
  let next: number | undefined
  for (const queue of queues) {
    const second = session.connection.sql(statements.next).row(queue, toSeconds(now))?.[0]
    if (second !== undefined) next = Math.min(next ?? Infinity, toNumber(second))
  }
  return next === undefined ? undefined : toInstant(next)
}

function inTurn(a: Stored, b: Stored): number {
  return a.executeAfter - b.executeAfter || a.id.length - b.id.length || (a.id < b.id ? -1 : 1)
}
