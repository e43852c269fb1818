import { type Duration, toMs } from '../core/duration.ts'
import { expectKnown } from '../core/expect.ts'
import type { Jobs } from '../jobs.ts'
import type { JobEvent } from '../runtime/events.ts'
import type { AnyHandledTask } from '../task.ts'
import { enqueued } from './expect-enqueued.ts'
import type { ManualClock } from './manual-clock.ts'
import { unhurried } from './unhurried.ts'

/** How to drain. */
export interface DrainOptions {
  /**
   * Whether to let time pass as well, up to each next job, until none waits: `true`, or at most so much time in all. Default false: only what
   * is due now, and what these jobs enqueue for now.
   */
  readonly later?: boolean | Duration
  /**
   * Whether to throw what the first failed attempt threw, as soon as nothing more is due, and let no more time pass. Default false: failures
   * are counted.
   */
  readonly throws?: boolean
  /** How many jobs to run at a time. Default 1: one after the other, in the order a worker takes them. */
  readonly concurrency?: number
}

/** How many runs came to what: a job that fails twice and then completes is two `retrying` and one `completed`. */
export interface Drained {
  readonly completed: number
  /** Attempts that failed and are followed by another. */
  readonly retrying: number
  /** Jobs that failed for good. */
  readonly failed: number
  readonly snoozed: number
  readonly cancelled: number
}

/** A job that always enqueues or snoozes itself would go on for ever. */
const mostRuns = 2_000

const outcomes = ['completed', 'retrying', 'failed', 'snoozed', 'cancelled'] as const

/**
 * Works the tasks until nothing of theirs is due, with a worker like any other.
 * @throws UsageError for bad options · Error after 2,000 runs · with `throws`, whatever the handler threw
 */
export async function drain(
  jobs: Jobs,
  clock: ManualClock,
  tasks: readonly AnyHandledTask[],
  options: DrainOptions,
): Promise<Drained> {
  expectKnown(options, ['later', 'throws', 'concurrency'], 'drain()')
  const { later = false, throws = false, concurrency = 1 } = options
  const mostMs = typeof later === 'boolean' ? (later ? Number.POSITIVE_INFINITY : 0) : toMs(later, 'later')
  const end = clock.now() + mostMs
  const counts = { completed: 0, retrying: 0, failed: 0, snoozed: 0, cancelled: 0 }
  let runs = 0
  let thrown: { readonly error: unknown } | undefined
  const worker = jobs.work(tasks, { concurrency, ...unhurried })
  const started = new Set<string>()
  const endListening = jobs.on('*', (event) => {
    if (event.type === 'started') started.add(event.job.id)
    const outcome = outcomes.find((one) => one === event.type)
    // A job that was cancelled while it waited was not run.
    if (outcome === undefined || !('job' in event) || !started.delete(event.job.id)) return
    counts[outcome]++
    if (throws && failed(event)) thrown ??= { error: event.error }
    if (++runs < mostRuns) return
    thrown ??= { error: new Error(`Still not drained after ${mostRuns} runs`) }
    void worker.stop({ grace: 0 })
  })
  try {
    for (;;) {
      await clock.settle()
      if (worker.running > 0) await nextEvent(jobs)
      else if (thrown !== undefined) throw thrown.error
      else if (!(await passTime(jobs, clock, tasks, end))) return counts
    }
  } finally {
    await clock.during(worker.stop({ grace: 0 }))
    endListening()
  }
}

function failed(event: JobEvent): event is JobEvent & { readonly error: unknown } {
  return event.type === 'retrying' || event.type === 'failed'
}

async function nextEvent(jobs: Jobs): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = jobs.on('*', () => {
      end()
      resolve()
    })
  })
}

/** Goes to the time of the next job, if that is not beyond the end; says whether it did. */
async function passTime(
  jobs: Jobs,
  clock: ManualClock,
  tasks: readonly AnyHandledTask[],
  end: number,
): Promise<boolean> {
  const names = new Set(tasks.map(({ name }) => name))
  const now = clock.now()
  const later = (await enqueued(jobs)).filter(({ task, runAt }) => names.has(task) && runAt > now && runAt <= end)
  if (later.length === 0) return false
  await clock.advance(later.reduce((next, { runAt }) => Math.min(next, runAt), end) - now)
  return true
}
