/**
 * `full`: what has returned is on disk, for everything. `relaxed`: it will be, soon. `default`: whatever the contender does when nobody says.
 * What that is on an engine, its home's `conditions` tell.
 */
export type Durability = 'full' | 'relaxed' | 'default'

export type Awaitable<T> = T | Promise<T>

/**
 * One that is measured: our queue, a peer, or the raw limit. Each lives in a process of its own, see `runner.ts`.
 *
 * A contender that has no such verb leaves it out of its sessions, and is reported as absent; nothing is imitated.
 */
export interface Contender {
  readonly name: string
  /** The same commands without a queue on them: no handler is called, so it counts for itself that each job was taken exactly once. */
  readonly raw?: boolean
  /** What can become of a finished job: it is removed, or it is kept. */
  readonly finished: readonly ('removed' | 'kept')[]
  /**
   * Opens a fresh store, or one that another process has made. `keep`: finished jobs are to be kept, if there is a choice. `idle`: pick-ups by
   * an idle worker are measured, so what speeds them up may cost throughput.
   */
  open(place: string, durability: Durability, keep: boolean, idle: boolean): Awaitable<Session>
  /** Brings a fresh store into the state of one that has been in use. */
  ripen?(place: string): void
  /**
   * Gives the database's planner statistics of what is stored now, as they come by themselves within a minute. A round is over before that,
   * and a plan that was made for an empty table is a work of its own.
   */
  learn?(place: string): Awaitable<void>
  /** Counts what is really stored, through a connection that is not the contender's own. */
  count(place: string): Awaitable<Counts>
}

export interface Counts {
  readonly stored: number
  /** Those that wait or run. */
  readonly unfinished: number
}

/** One open store. Only `fill` and what a `Claim` gives back are free of charge; everything else is timed. */
export interface Session {
  /** Stores each alone, the next when the one before is stored. */
  oneByOne(jobs: readonly BenchJob[]): Awaitable<void>
  /** Stores them with `width` under way at any time, each caller awaiting its own. Raw: `width` in one transaction. */
  concurrent?(jobs: readonly BenchJob[], width: number): Awaitable<void>
  /** Stores them in arrays of `size`. */
  bulk?(jobs: readonly BenchJob[], size: number): Awaitable<void>
  /** Stores them as fast as it can. */
  fill(jobs: readonly BenchJob[]): Awaitable<void>
  /** Runs all `total` waiting jobs, at most `concurrency` at a time, calling `ran` from each handler; done when the last one is settled. */
  drain?(total: number, concurrency: number, ran: (payload: Payload) => void): Awaitable<void>
  /** Starts an idle worker that calls `picked` as the first thing in each handler; the returned function ends it. */
  listen?(picked: (n: number) => void): Awaitable<() => Awaitable<void>>
  /** Takes the next `limit` jobs without running them. The returned function settles them as done. */
  claim?(limit: number): Awaitable<() => Awaitable<void>>
  /** Stores jobs that come before all others in claim order, but cannot run, for this reason. */
  stick?(stuck: Stuck, jobs: readonly BenchJob[]): Awaitable<void>
  close(): Awaitable<void>
}

/**
 * Why a job cannot run: its queue is paused, no worker knows its task, another with its concurrency key runs, or it once ran in a worker that
 * is gone (and no worker now knows its task).
 */
export const stuckReasons = ['paused', 'unknown', 'key', 'expired'] as const
export type Stuck = (typeof stuckReasons)[number]

/** About 100 bytes as JSON. */
export interface Payload {
  readonly n: number
  readonly to: string
  readonly subject: string
  readonly body: string
}

export interface BenchJob {
  readonly payload: Payload
  /** Ready to be bound, so that the raw limit is nothing but its commands; empty for the others, which make their own. */
  readonly id: string
  readonly text: string
}

/** Makes `count` jobs whose `n` begins at `from`. */
export function makeJobs(count: number, from: number, raw: boolean): readonly BenchJob[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    const payload = {
      n,
      to: `user-${n % 100_000}@example.com`,
      subject: 'Your order was shipped',
      body: 'x'.repeat(22),
    }
    if (!raw) return { payload, id: '', text: '' }
    return { payload, id: `job-${String(n).padStart(20, '0')}`, text: JSON.stringify(payload) }
  })
}

/** Cuts a list into arrays of `size`. */
export function* batches<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < list.length; i += size) yield list.slice(i, i + size)
}

/** `width` loops side by side, each awaiting its own call before it takes the next job. */
export async function inFlight(
  jobs: readonly BenchJob[],
  width: number,
  store: (job: BenchJob) => Awaitable<unknown>,
): Promise<void> {
  const rest = jobs.values()
  const loop = async (): Promise<void> => {
    for (const job of rest) await store(job)
  }
  await Promise.all(Array.from({ length: width }, loop))
}
