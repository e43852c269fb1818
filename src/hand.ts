import { type Duration, toMs } from './core/duration.ts'
import { UsageError } from './core/errors.ts'
import { expectKnown, expectName, expectWhole, show } from './core/expect.ts'
import type { Instant, Job } from './core/job.ts'
import { HeldJob } from './held-job.ts'
import type { Ferry } from './ferry.ts'
import type { AnyTask } from './task.ts'

/** What to take by hand. */
export interface LeaseOptions {
  /** Only from this queue. Default: any. */
  readonly queue?: string
  /** Only jobs of these tasks, given as tasks or names. Default: any. */
  readonly tasks?: readonly (AnyTask | string)[]
  /** How long the lease is; `extend` makes it longer. Default '30s', at least '100ms'. */
  readonly for?: Duration
  /** How long to wait for a job when none is due. Default: not at all. */
  readonly wait?: Duration
  /** Ends the waiting early, with nothing taken. */
  readonly signal?: AbortSignal
}

/** The longest time between two looks while waiting: a safety net under the bells. */
const pollMs = 5_000

/** Takes jobs for callers who run them themselves. */
export class Hand {
  readonly #ferry: Ferry

  constructor(ferry: Ferry) {
    this.#ferry = ferry
  }

  async take(options: LeaseOptions & { readonly limit: number }): Promise<readonly HeldJob[]> {
    expectKnown(options, ['queue', 'tasks', 'for', 'wait', 'signal', 'limit'], 'lease()')
    const limit = expectWhole(options.limit, 'limit', 1, 10_000)
    const forMs = options.for === undefined ? 30_000 : toMs(options.for, 'for', 100)
    const waitMs = options.wait === undefined ? 0 : toMs(options.wait, 'wait')
    const queues = options.queue === undefined ? undefined : [expectName(options.queue, 'queue', 255, 0)]
    const tasks = options.tasks === undefined ? undefined : new Map(options.tasks.map((task) => [nameOf(task), limit]))
    this.#ferry.expectWork(forMs)
    const { clock } = this.#ferry
    const end = clock.now() + waitMs
    let rung = (): void => undefined
    let heard = false
    const endListening =
      waitMs === 0
        ? undefined
        : await this.#ferry.store.listen(() => {
            heard = true
            rung()
          })
    try {
      while (options.signal?.aborted !== true) {
        heard = false // before the claim, so that nothing rung during it is missed
        const now = clock.now()
        const lease = this.#ferry.ids(now)
        const { jobs, nextRunAt } = await this.#ferry.store.claim({
          tasks,
          queues,
          limit,
          lease,
          until: now + forMs,
          now,
        })
        if (jobs.length > 0) return jobs.map((job) => this.#held(job, lease))
        if (clock.now() >= end) return []
        if (!heard)
          await this.#pause(Math.min(end, nextRunAt ?? end, now + pollMs), options.signal, (wake) => (rung = wake))
      }
      return []
    } finally {
      endListening?.()
    }
  }

  #held(job: Job, lease: string): HeldJob {
    const maxAttempts = this.#ferry.attemptsOfTask(job.task) ?? job.maxAttempts
    return new HeldJob({ ...job, maxAttempts }, lease, this.#ferry)
  }

  #pause(until: Instant, signal: AbortSignal | undefined, onWake: (wake: () => void) => void): Promise<void> {
    const { clock } = this.#ferry
    if (signal?.aborted === true) return Promise.resolve() // while it looked
    return new Promise((resolve) => {
      const callOff = clock.after(Math.max(0, until - clock.now()), wake)
      function wake(): void {
        callOff()
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      signal?.addEventListener('abort', wake)
      onWake(wake)
    })
  }
}

function nameOf(task: AnyTask | string): string {
  if (typeof task === 'string') return expectName(task, 'tasks')
  if (typeof task?.name === 'string') return task.name
  throw new UsageError(`Expected \`tasks\` to be tasks or their names, got ${show(task)}`)
}
