import type { Instant } from './job.ts'

/** What a worker tells others of itself, every few seconds while it lives. Times in milliseconds since 1970. */
export interface Presence {
  /** Of this one worker: a process may have several. */
  readonly id: string
  /** The name of its machine. */
  readonly host: string
  readonly pid: number
  /** When it was first started. */
  readonly startedAt: Instant
  /** Of jobferry. */
  readonly version: string
  readonly state: 'working' | 'stopping'
  /** Only these queues; all if absent. */
  readonly queues?: readonly string[]
  /** The tasks it knows, by name. */
  readonly tasks: readonly string[]
  readonly concurrency: number
  /** How many jobs it runs. */
  readonly running: number
  /** What it runs, the longest first: at most `mostRuns` of them. */
  readonly runs: readonly Run[]
  /** What came of its runs since it was first started, for each task that had any. */
  readonly tallies: Readonly<Record<string, TaskTally>>
}

/** A run under way. */
export interface Run {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly attempt: number
  readonly since: Instant
}

/** How a run can end: as the events are called. */
export const ends = ['completed', 'retrying', 'failed', 'snoozed', 'cancelled', 'released', 'lost'] as const

export type End = (typeof ends)[number]

/** Counts of one task, which only grow. */
export interface TaskTally {
  readonly ends: Readonly<Record<End, number>>
  /** From the start of a run to its end. */
  readonly ran: Spread
  /** From when a job was due to the start of its run. */
  readonly waited: Spread
}

/** Lengths of time, coarsely: how many, their sum, and how many lie between one of `spreadBoundsMs` and the next. */
export interface Spread {
  readonly count: number
  readonly sumMs: number
  /** `counts[i]` is of those up to `spreadBoundsMs[i]` and beyond the bound before; the last of those beyond all bounds. */
  readonly counts: readonly number[]
}

/** Upper bounds, inclusive, in milliseconds. */
export const spreadBoundsMs = [5, 20, 100, 500, 1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000] as const

/** The most runs that a presence names. */
export const mostRuns = 200

/** A worker as others see it. */
export interface PresentWorker extends Presence {
  /** When it last told, by its own clock. */
  readonly toldAt: Instant
  /** Unless it tells again, it counts as gone from then on. */
  readonly until: Instant
}
