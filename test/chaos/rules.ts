import type { State } from '../../src/core/job.ts'
import { readAcks } from './acks.ts'
import { backends } from './backend.ts'
import { fast, speedFor } from './clock.ts'
import { type Point, points } from './failpoints.ts'
import type { End } from './fleet.ts'
import type { Kind } from './kinds.ts'
import type { Remains } from './ledger.ts'
import type { Complain, Life, Lives } from './lives.ts'
import { readLogs } from './log.ts'
import { leastFired } from './plan.ts'

/** Kinds whose effect is written in the transaction that completes them. */
const transactional: ReadonlySet<Kind> = new Set<Kind>([
  'transfer',
  'fleeting',
  'flaky',
  'keyed',
  'unique',
  'once',
  'parent',
  'child',
  'snoozing',
  'long',
  'unwanted',
])

const stateNames: readonly State[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

/** Nothing that was acknowledged is lost, and nothing goes on after the run. */
export function judgeAcks({ plan }: Remains, lives: Lives, complain: Complain): void {
  const { enqueued, cancellations } = readAcks(plan.dir)
  for (const id of enqueued) if (!lives.byId.has(id)) complain('lost', `job ${id} was acknowledged and is not there`)
  for (const { id, state, kind } of lives.byId.values())
    if (state < 2) complain('lost', `job ${id} (${kind}) is still ${stateNames[state]}`)
  for (const [id, answer] of cancellations) {
    const life = lives.byId.get(id)
    const state = stateNames[life?.state ?? 0]
    if (answer === 'missing') complain('cancellation', `job ${id} was not there to be cancelled`)
    if (answer === 'cancelled' && state !== 'cancelled')
      complain('cancellation', `job ${id} was cancelled while it waited, and is ${state}`)
    if (answer === 'requested' && state !== 'cancelled' && state !== 'completed')
      complain('cancellation', `job ${id} was to be cancelled while it ran, and is ${state}`)
  }
}

/** Exactly one effect for each completed job, under the lease that completed it, and none for any other; at least one where it stood outside. */
export function judgeEffects({ plan, effects }: Remains, lives: Lives, complain: Complain): void {
  const leasesOf = new Map<string, string[]>()
  for (const { job, lease } of effects) {
    const known = leasesOf.get(job)
    if (known === undefined) leasesOf.set(job, [lease])
    else known.push(lease)
    const life = lives.byId.get(job)
    if (life === undefined) complain('effects', `an effect of job ${job}, which was never enqueued`)
    else if (!life.leases.has(lease)) complain('fence', `an effect of job ${job} under a lease it never had`)
  }
  for (const life of lives.byId.values())
    judgeEffectsOf(life, leasesOf.get(life.id) ?? [], backends[plan.backend].transactional, complain)
}

function judgeEffectsOf(
  { id, kind, completedUnder }: Life,
  leases: readonly string[],
  exactly: boolean,
  complain: Complain,
): void {
  if (exactly && transactional.has(kind)) {
    const expected = completedUnder === undefined ? 0 : 1
    if (leases.length !== expected)
      complain('effects', `job ${id} (${kind}) had ${leases.length} effects, not ${expected}`)
    if (completedUnder !== undefined && leases.some((lease) => lease !== completedUnder))
      complain('fence', `job ${id} (${kind}) had an effect under a lease other than the one that completed it`)
  } else if ((kind === 'plain' || transactional.has(kind)) && completedUnder !== undefined && leases.length === 0)
    complain('effects', `job ${id} (${kind}) completed without its effect`)
}

/** Each kind comes to what it must come to. */
export function judgeEnds(lives: Lives, complain: Complain): void {
  for (const { id, kind, state, attempt, maxAttempts } of lives.byId.values()) {
    if (state < 2) continue
    const name = stateNames[state]
    if (kind === 'poison' || kind === 'doomed') {
      if (name !== 'failed' || attempt !== maxAttempts)
        complain('attempts', `job ${id} (${kind}) is ${name} after ${attempt} of ${maxAttempts} attempts`)
    } else if (name !== 'completed' && !(kind === 'unwanted' && name === 'cancelled'))
      complain('states', `job ${id} (${kind}) is ${name} after ${attempt} attempts`)
  }
}

/** A parent that completed has exactly one child; a child has a parent that completed. Without transactions: at least one, and whatever a parent had that did not come to its end. */
export function judgeChildren({ plan, families }: Remains, lives: Lives, complain: Complain): void {
  const exactly = backends[plan.backend].transactional
  const children = new Map<string, number>()
  for (const { parent, child } of families) {
    children.set(parent, (children.get(parent) ?? 0) + 1)
    if (!lives.byId.has(child)) complain('lost', `child ${child} of job ${parent} is not there`)
  }
  for (const { id, kind, completedUnder } of lives.byId.values()) {
    if (kind !== 'parent') continue
    const expected = completedUnder === undefined ? 0 : 1
    if (exactly ? (children.get(id) ?? 0) !== expected : (children.get(id) ?? 0) < expected)
      complain('effects', `job ${id} (parent) has ${children.get(id) ?? 0} children, not ${expected}`)
  }
  const born = [...lives.byId.values()].filter(({ kind }) => kind === 'child').length
  if (exactly && born !== families.length)
    complain('effects', `${born} children were enqueued, and ${families.length} belong to a parent`)
}

/** Jobs enqueued together are there together; one under a window's unique key is there once, however often it was enqueued. */
export function judgeBatches(lives: Lives, complain: Complain): void {
  const batches = new Map<string, { of: number; there: number }>()
  const once = new Map<number, number>()
  for (const { kind, payload } of lives.byId.values()) {
    if (kind === 'once') once.set(payload.n, (once.get(payload.n) ?? 0) + 1)
    if (kind === 'once' || kind === 'unique' || payload.of === 0) continue
    const batch = batches.get(payload.batch)
    if (batch === undefined) batches.set(payload.batch, { of: payload.of, there: 1 })
    else batch.there++
  }
  for (const [batch, { of, there }] of batches)
    if (there !== of) complain('batches', `of batch ${batch} ${there} jobs of ${of} are there`)
  for (const [n, times] of once)
    if (times > 1) complain('keys', `job number ${n} was added ${times} times under one unique key`)
}

/**
 * What the workers say they ran: each claim at most once, under a lease that the job had. A server that was crashed may have forgotten the
 * last claims, as it is allowed to.
 */
export function judgeRuns({ plan, crashes }: Remains, lives: Lives, complain: Complain): void {
  const ran = new Set<string>()
  for (const { run, lease } of readLogs(plan.dir, 'worker') as Iterable<{ run?: string; lease: string }>) {
    if (run === undefined) continue
    if (ran.has(`${run} ${lease}`)) complain('leases', `job ${run} was run twice under one lease`)
    if (crashes.length === 0 && lives.byId.get(run)?.leases.has(lease) !== true)
      complain('leases', `job ${run} was run under a lease it never had`)
    ran.add(`${run} ${lease}`)
  }
}

/** The database is sound, its rows are as the tape says, and its counters are those of a recount. */
export function judgeDatabase({ rows, recount, faults, stats }: Remains, lives: Lives, complain: Complain): void {
  for (const fault of faults) complain('integrity', fault)
  for (const { id, state, attempt, parked } of rows) {
    const life = lives.byId.get(id)
    if (life?.state !== state || life.attempt !== attempt || parked !== 0)
      complain('integrity', `the row of job ${id} is not as the tape says`)
  }
  const counted = stats.flatMap(({ queue, tasks }) =>
    Object.entries(tasks).flatMap(([task, counts]) =>
      stateNames.map((name) => [`${name} jobs of ${queue}/${task}`, counts[name]] as const),
    ),
  )
  const there = new Map(
    recount.map(({ queue, task, state, n }) => [`${stateNames[state]} jobs of ${queue}/${task}`, n]),
  )
  for (const [what, n] of counted)
    if (n !== (there.get(what) ?? 0))
      complain('counters', `${n} ${what} are counted, and ${there.get(what) ?? 0} there`)
}

/** How soon after a graceful stop a crash of the server may undo what was stored in it, in milliseconds. */
const undoneMs = 1_000

/** Nobody ended by an accident, and a graceful stop left nothing running behind. */
export function judgeProcesses({ plan, epoch, ends, crashes }: Remains, lives: Lives, complain: Complain): void {
  const stoppedAt = new Map<string, number>()
  for (const { who, cause, code, at } of ends) {
    if (cause === 'crashed') complain('processes', `${who} ended by itself (${code}); see output.txt`)
    const undone = crashes.some((crash) => crash >= at && crash < at + undoneMs)
    if (cause === 'stopped' && !undone) stoppedAt.set(who, fast(at, epoch, speedFor(plan.leaseMs)))
  }
  for (const { who, job, until } of lives.rescues)
    if (until > (stoppedAt.get(who) ?? Infinity))
      complain('processes', `${who} stopped gracefully, and left job ${job} running`)
}

/** A run that did not hit what it was to hit proves nothing. */
export function judgeCoverage({ plan, ends }: Remains, lives: Lives, complain: Complain): void {
  const least = leastFired(plan)
  for (const point of points) {
    const times = timesFired(point, ends)
    if (times < least) complain('coverage', `${point} fired ${times} times, where ${least} are the least`)
  }
  const kills = killsOf(ends).length
  if (kills < plan.kills) complain('coverage', `${kills} kills were made, where ${plan.kills} were asked for`)
  const share = rerunPercent(ends, lives)
  if (share < 10) complain('coverage', `only ${share} % of the kills made a job run again`)
}

export function killsOf(ends: readonly End[]): readonly End[] {
  return ends.filter(({ cause }) => cause === 'killed' || cause === 'failpoint')
}

export function timesFired(point: Point, ends: readonly End[]): number {
  return ends.filter((end) => end.point === point).length
}

/** Of how many killed workers jobs were taken back. */
export function rerunPercent(ends: readonly End[], lives: Lives): number {
  const killed = killsOf(ends).filter(({ role }) => role === 'worker')
  const robbed = new Set(lives.rescues.map(({ who }) => who))
  return Math.round((killed.filter(({ who }) => robbed.has(who)).length / Math.max(1, killed.length)) * 100)
}
