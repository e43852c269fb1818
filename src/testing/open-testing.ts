import { UsageError } from '../core/errors.ts'
import { expectKnown, show } from '../core/expect.ts'
import type { JobInfo } from '../info.ts'
import type { Jobs } from '../jobs.ts'
import { open, type OpenOptions } from '../open.ts'
import { MemoryStore } from '../stores/memory/index.ts'
import { SqliteStore } from '../stores/sqlite/index.ts'
import type { Store } from '../store.ts'
import type { AnyHandledTask, EnqueueArgs, HandledTask, Task } from '../task.ts'
import { drain, type Drained, type DrainOptions } from './drain.ts'
import { enqueued, type WaitingJob } from './expect-enqueued.ts'
import { Inline, type RunOptions } from './inline.ts'
import { ManualClock, type ManualClockOptions } from './manual-clock.ts'

/** How to open jobs for a test. */
export interface TestingOptions extends ManualClockOptions, Pick<OpenOptions, 'logger'> {}

/**
 * Opens jobs for a test: a store that lives and dies with it, and a clock that moves when told. Nothing is run until the test asks for it, with `drain`,
 * `run`, or a worker of its own.
 * @param source `'memory:'`, the default, has no transactions; `'sqlite::memory:'` is the default store in all but the file; or a store of your own
 * @throws UsageError for another source or a bad option
 */
export async function openTesting(
  source: 'memory:' | 'sqlite::memory:' | Store<unknown> = 'memory:',
  options: TestingOptions = {},
): Promise<Testing> {
  expectKnown(options, ['now', 'seed', 'logger'], 'openTesting()')
  const { logger, ...clockOptions } = options
  const clock = new ManualClock(clockOptions)
  const inline = new Inline(toStore(source), clock)
  const jobs = await open(inline.store, { clock, ...(logger === undefined ? {} : { logger }) })
  return new Testing(jobs, clock, inline)
}

/** Jobs and a clock, both for one test. */
export class Testing {
  readonly jobs: Jobs
  readonly clock: ManualClock
  readonly #inline: Inline

  /** Made by `openTesting`. */
  constructor(jobs: Jobs, clock: ManualClock, inline: Inline) {
    this.jobs = jobs
    this.clock = clock
    this.#inline = inline
  }

  /** The jobs of a task, or of all tasks, that wait now, the oldest first. */
  async enqueued<In, Out>(task: Task<In, Out>): Promise<readonly WaitingJob<In>[]>
  async enqueued(): Promise<readonly JobInfo[]>
  async enqueued<In, Out>(task?: Task<In, Out>): Promise<readonly JobInfo[]> {
    return task === undefined ? await enqueued(this.jobs) : await enqueued(this.jobs, task)
  }

  /**
   * Runs every job of these tasks that is due, and what these jobs enqueue, until none is, and says what the runs came to.
   *
   * The runs go through a worker like any other: payloads are checked, middleware is called, failures are followed by another attempt. A
   * handler that waits for a time gets it from `clock.advance`, called beside.
   * @throws UsageError for bad options · Error after 2,000 runs · with `throws`, whatever the first handler to fail threw
   */
  async drain(tasks: readonly AnyHandledTask[], options: DrainOptions = {}): Promise<Drained> {
    return await drain(this.jobs, this.clock, tasks, options)
  }

  /**
   * Runs one job at once, whatever else waits, and answers with what its handler returned. It goes through a worker like any other, except
   * that no unique key is in its way and that nothing of it is left: no other attempt, nothing to look at. What it enqueues stays.
   * @throws PayloadError, UsageError as an enqueue · whatever the run failed with: the handler's error, a TimeoutError, …
   */
  async run<In, Out, Result>(
    task: HandledTask<In, Out, Result>,
    ...[payload, options = {}]: EnqueueArgs<In, RunOptions>
  ): Promise<Result> {
    return await this.#inline.run(this.jobs, this.clock, task, payload, options)
  }

  /** Stops every worker without waiting for what still runs, and forgets everything. A second call does nothing. */
  async close(): Promise<void> {
    await this.clock.during(this.jobs.close({ grace: 0 }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function toStore(source: string | Store<unknown>): Store<unknown> {
  if (source === 'memory:') return new MemoryStore()
  if (source === 'sqlite::memory:') return new SqliteStore({ file: ':memory:' })
  if (typeof source === 'object' && source !== null) return source
  throw new UsageError(`Expected 'memory:', 'sqlite::memory:' or a store to test with, got ${show(source)}`)
}
