import type { Instant } from '../core/job.ts'
import type { Series, SeriesPoint } from './shapes.ts'

/** How far points are apart, in milliseconds, and how many are kept: twenty minutes. */
export const stepMs = 5_000
const mostPoints = 240

/** What all workers have done since they were started, added up; times in milliseconds. */
export interface Done {
  readonly completed: number
  readonly failed: number
  readonly waitedMs: number
  readonly ranMs: number
}

/** One look at the store. */
export interface Sample {
  readonly at: Instant
  readonly pending: number
  readonly running: number
  /** By worker: one that comes or goes must not look as if its work had been done, or undone, in between. `undefined` where workers do not tell. */
  readonly done: ReadonlyMap<string, Done> | undefined
}

/** What was seen lately, as rates. Holds nothing but numbers, and no more than 240 points. */
export class History {
  #points: readonly SeriesPoint[] = []
  #last: Sample | undefined

  /** Whether it is time for another look. */
  due(at: Instant): boolean {
    return this.#last === undefined || at - this.#last.at >= stepMs || at < this.#last.at
  }

  add(sample: Sample): void {
    this.#points = [...this.#points, pointOf(this.#last, sample)].slice(-mostPoints)
    this.#last = sample
  }

  toSeries(): Series {
    return { stepMs, points: this.#points }
  }
}

/** Rates since the look before; after a pause of nobody watching they are averages over it. */
export function pointOf(before: Sample | undefined, now: Sample): SeriesPoint {
  const { at, pending, running } = now
  const unknown = { at, pending, running, completed: null, failed: null, waitMs: null, runMs: null }
  if (before?.done === undefined || now.done === undefined || at <= before.at) return unknown
  const since = difference(before.done, now.done)
  const seconds = (at - before.at) / 1_000
  const runs = since.completed + since.failed
  return {
    at,
    pending,
    running,
    completed: round(since.completed / seconds),
    failed: round(since.failed / seconds),
    waitMs: runs === 0 ? null : round(since.waitedMs / runs),
    runMs: runs === 0 ? null : round(since.ranMs / runs),
  }
}

function difference(before: ReadonlyMap<string, Done>, now: ReadonlyMap<string, Done>): Done {
  let sum: Done = { completed: 0, failed: 0, waitedMs: 0, ranMs: 0 }
  for (const [worker, done] of now) {
    const was = before.get(worker) ?? { completed: 0, failed: 0, waitedMs: 0, ranMs: 0 }
    sum = {
      completed: sum.completed + Math.max(0, done.completed - was.completed),
      failed: sum.failed + Math.max(0, done.failed - was.failed),
      waitedMs: sum.waitedMs + Math.max(0, done.waitedMs - was.waitedMs),
      ranMs: sum.ranMs + Math.max(0, done.ranMs - was.ranMs),
    }
  }
  return sum
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}
