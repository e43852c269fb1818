import { CancelledError, LeaseLostError } from '../core/errors.ts'
import { expectWhole } from '../core/expect.ts'
import { type Ids, makeIds } from '../core/id.ts'
import type { Job } from '../core/job.ts'
import { claimed } from '../core/lifecycle.ts'
import { prepare } from '../enqueue.ts'
import type { EnqueueOptions } from '../enqueue-options.ts'
import type { Jobs } from '../jobs.ts'
import type { EventOf, JobEvent } from '../runtime/events.ts'
import type { Claimed, ClaimRequest, Store } from '../store.ts'
import type { HandledTask } from '../task.ts'
import type { ManualClock } from './manual-clock.ts'
import { throughStore } from './through-store.ts'
import { unhurried } from './unhurried.ts'

/** As in an enqueue, and which attempt it is to be. */
export interface RunOptions extends EnqueueOptions {
  /** What the handler sees as `job.attempt`: from 1, the default, to the job's `maxAttempts`. */
  readonly attempt?: number
}

/** Later than anything: no worker takes a job that is due then. */
const never = 8_640_000_000_000_000

/**
 * Runs single jobs at once, past all that wait, on a worker like any other.
 *
 * The job is stored where no worker finds it, and given to the claim of one worker, which names no queue but this job's token.
 */
export class Inline {
  /** The store, with a door for the jobs to run. */
  readonly store: Store<unknown>
  readonly #inner: Store<unknown>
  readonly #hidden = new Map<string, Job>()
  readonly #ids: Ids

  constructor(store: Store<unknown>, clock: ManualClock) {
    this.#inner = store
    this.#ids = makeIds(() => clock.random())
    this.store = throughStore(store, ({ verb, args }, next) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the arguments of `claim`
      const [request] = args as readonly ClaimRequest[]
      if (verb !== 'claim' || this.#hidden.size === 0 || request === undefined) return next()
      const token = request.queues?.[0] ?? ''
      const job = this.#hidden.get(token)
      if (job === undefined) return next()
      this.#hidden.delete(token)
      return this.#claim(job, request)
    })
  }

  /** What the handler returned; throws what it threw. */
  async run<In, Out, Result>(
    jobs: Jobs,
    clock: ManualClock,
    task: HandledTask<In, Out, Result>,
    payload: unknown,
    { attempt, ...options }: RunOptions,
  ): Promise<Result> {
    const { job } = await prepare({ task, payload, options }, this.#ids, clock.now(), undefined)
    const started = attempt === undefined ? 1 : expectWhole(attempt, 'attempt', 1, job.maxAttempts)
    const hidden = { ...job, unique: undefined, runAt: never }
    await this.#inner.insert([{ jobs: [{ job: hidden, ifHeld: 'keep' }] }], clock.now())
    const token = `the inline run of ${job.id}`
    this.#hidden.set(token, { ...hidden, runAt: job.runAt, attempt: started - 1 })
    const returned: Result[] = []
    const run: typeof task.run = async (stored, running) => {
      const result = await task.run(stored, running)
      returned.push(result)
      return result
    }
    const ended = endOf(jobs, job.id)
    const worker = jobs.work([{ ...task, run }], { ...unhurried, queues: [token], concurrency: 1 })
    const event = await ended
    await clock.during(worker.stop({ grace: 0 }))
    await this.#forget(job.id, clock)
    return resultOf(event, returned)
  }

  async #claim(job: Job, request: ClaimRequest): Promise<Claimed> {
    const { settled } = await this.#inner.claim({ ...request, limit: 0 })
    const after = claimed(job, request.lease, request.until, request.now)
    await this.#inner.apply([{ before: job, after }], request.now)
    return { jobs: [after], settled, nextRunAt: undefined }
  }

  /** Nothing of it is to wait, or to be counted, afterwards. */
  async #forget(id: string, clock: ManualClock): Promise<void> {
    const [before] = await this.#inner.get([id])
    if (before !== undefined) await this.#inner.apply([{ before, after: undefined }], clock.now())
  }
}

type End = EventOf<'completed' | 'retrying' | 'failed' | 'snoozed' | 'released' | 'cancelled' | 'lost'>

function endOf(jobs: Jobs, id: string): Promise<End> {
  return new Promise((resolve) => {
    const endListening = jobs.on('*', (event) => {
      if (!ends(event) || event.job.id !== id) return
      endListening()
      resolve(event)
    })
  })
}

function ends(event: JobEvent): event is End {
  return 'job' in event && event.type !== 'started' && event.type !== 'rescued'
}

function resultOf<Result>(event: End, returned: readonly Result[]): Result {
  if (event.type === 'failed' || event.type === 'retrying') throw event.error
  for (const result of returned) return result
  if (event.type === 'cancelled') throw new CancelledError(event.reason)
  throw new LeaseLostError(event.job.id)
}
