import type { Instant } from '../core/job.ts'
import { type PresentWorker, type Spread, spreadBoundsMs, type TaskTally } from '../core/presence.ts'
import type { Series, SeriesPoint } from './shapes.ts'

/** How far points are apart at least, in milliseconds, and how many are kept: twenty minutes. */
export const stepMs = 5_000
const mostPoints = 240

/** One look at the store. `workers` is `undefined` where it cannot tell. */
export interface Sample {
  readonly at: Instant
  readonly pending: number
  readonly running: number
  readonly workers: readonly PresentWorker[] | undefined
}

/** What runs came to, added up. */
interface Done {
  readonly completed: number
  readonly failed: number
  readonly waited: Spread
  readonly ran: Spread
}

/** A worker as it last told, and what it did between the two last times. */
interface Known {
  readonly toldAt: Instant
  readonly done: Done
  readonly lately: (Done & { readonly ms: number }) | undefined
}

/**
 * What was seen lately, as rates. Holds nothing but numbers, and no more than 240 points.
 *
 * Workers tell at a pace of their own: a rate is what one did between its two last tellings, by its own clock, so that it does not flicker
 * with when somebody looked.
 */
export class History {
  #points: readonly SeriesPoint[] = []
  #known: ReadonlyMap<string, Known> = new Map()
  #at: Instant | undefined

  /** Whether it is time for another look. */
  due(at: Instant): boolean {
    return this.#at === undefined || at - this.#at >= stepMs || at < this.#at
  }

  add({ at, pending, running, workers }: Sample): void {
    const before = this.#at
    this.#at = at
    const known = (workers ?? []).map(
      (worker) => [worker.id, next(this.#known.get(worker.id), worker, before)] as const,
    )
    this.#known = new Map(known)
    const rates =
      workers === undefined
        ? unknown
        : ratesOf(known.flatMap(([, { lately }]) => (lately === undefined ? [] : [lately])))
    const told = workers?.length === 0 || known.some(([, { lately }]) => lately !== undefined)
    this.#points = [...this.#points, { at, pending, running, ...(told ? rates : unknown) }].slice(-mostPoints)
  }

  toSeries(): Series {
    return { stepMs, points: this.#points }
  }
}

/** What a worker did in all, of every task. */
export function doneBy(tallies: readonly TaskTally[]): Done {
  return {
    completed: sum(tallies.map(({ ends }) => ends.completed)),
    failed: sum(tallies.map(({ ends }) => ends.failed + ends.retrying)),
    waited: together(tallies.map(({ waited }) => waited)),
    ran: together(tallies.map(({ ran }) => ran)),
  }
}

/** The mean, in milliseconds; `null` of nothing. */
export function meanOf({ count, sumMs }: Spread): number | null {
  return count === 0 ? null : round(sumMs / count)
}

/** What 95 of 100 stay below, as well as the bounds tell; `null` of nothing. */
export function p95Of({ count, counts }: Spread): number | null {
  if (count === 0) return null
  let left = count * 0.95
  for (const [i, within] of counts.entries()) {
    const low = spreadBoundsMs[i - 1] ?? 0
    const high = spreadBoundsMs[i] ?? low
    if (within >= left) return round(low + (high - low) * (left / within))
    left -= within
  }
  return spreadBoundsMs.at(-1) ?? null
}

const nothing: Spread = { count: 0, sumMs: 0, counts: [] }

const unknown = { completed: null, failed: null, waitMs: null, waitP95Ms: null, runMs: null, runP95Ms: null }

function next(before: Known | undefined, worker: PresentWorker, lookedAt: Instant | undefined): Known {
  const { toldAt, startedAt } = worker
  if (before?.toldAt === toldAt) return before
  const done = doneBy(Object.values(worker.tallies))
  // One that started since the look before has done all of it since.
  const fresh = before === undefined && lookedAt !== undefined && startedAt >= lookedAt
  const from = before ?? (fresh ? { toldAt: startedAt, done: doneBy([]) } : undefined)
  if (from === undefined || toldAt <= from.toldAt) return { toldAt, done, lately: undefined }
  return { toldAt, done, lately: { ...since(from.done, done), ms: toldAt - from.toldAt } }
}

function ratesOf(
  lately: readonly (Done & { readonly ms: number })[],
): typeof unknown | Omit<SeriesPoint, 'at' | 'pending' | 'running'> {
  const waited = together(lately.map((one) => one.waited))
  const ran = together(lately.map((one) => one.ran))
  return {
    completed: round(sum(lately.map(({ completed, ms }) => (completed / ms) * 1_000))),
    failed: round(sum(lately.map(({ failed, ms }) => (failed / ms) * 1_000))),
    waitMs: meanOf(waited),
    waitP95Ms: p95Of(waited),
    runMs: meanOf(ran),
    runP95Ms: p95Of(ran),
  }
}

/** Counts only grow; should one have shrunk all the same, nothing was done. */
function since(before: Done, now: Done): Done {
  return {
    completed: Math.max(0, now.completed - before.completed),
    failed: Math.max(0, now.failed - before.failed),
    waited: spreadSince(before.waited, now.waited),
    ran: spreadSince(before.ran, now.ran),
  }
}

function spreadSince(before: Spread, now: Spread): Spread {
  if (now.count < before.count) return nothing
  return {
    count: now.count - before.count,
    sumMs: now.sumMs - before.sumMs,
    counts: now.counts.map((count, i) => count - (before.counts[i] ?? 0)),
  }
}

function together(spreads: readonly Spread[]): Spread {
  const places = Math.max(0, ...spreads.map(({ counts }) => counts.length))
  return {
    count: sum(spreads.map(({ count }) => count)),
    sumMs: sum(spreads.map(({ sumMs }) => sumMs)),
    counts: Array.from({ length: places }, (_, i) => sum(spreads.map(({ counts }) => counts[i] ?? 0))),
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
