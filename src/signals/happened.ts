import { StoreError } from '../core/errors.ts'
import { spreadBoundsMs } from '../core/presence.ts'
import type { Jobs } from '../jobs.ts'
import type { JobEvent, JobFacts } from '../runtime/events.ts'
import type { Family } from './exposition.ts'
import type { QueueAndTask, Seats } from './seats.ts'
import { Lengths, Sums } from './sums.ts'

/** What has happened in this process since it was made: counted from the events, so that it costs nothing where nobody asks for it. */
export class Happened {
  readonly #seats: Seats
  readonly #enqueued = new Sums()
  readonly #ends = new Sums()
  readonly #ran = new Lengths(spreadBoundsMs)
  readonly #waited = new Lengths(spreadBoundsMs)
  readonly #rescued = new Sums()
  readonly #pruned = new Sums()
  readonly #errors = new Sums()
  /** Ends the listening. */
  readonly end: () => void

  constructor(jobs: Jobs, seats: Seats) {
    this.#seats = seats
    this.#pruned.add({}, 0)
    this.end = jobs.on('*', (event) => this.#count(event))
  }

  get families(): readonly Family[] {
    const ofProcess = 'in this process since it began'
    return [
      counter('jobferry_enqueued_total', `Jobs enqueued ${ofProcess}, and what came of it.`, this.#enqueued),
      counter('jobferry_run_ends_total', `Runs that have ended ${ofProcess}, and how.`, this.#ends),
      histogram('jobferry_run_seconds', `How long runs took ${ofProcess}.`, this.#ran),
      histogram('jobferry_wait_seconds', `How long jobs were due before they were run ${ofProcess}.`, this.#waited),
      counter('jobferry_rescued_total', `Jobs that this process has taken back from dead workers.`, this.#rescued),
      counter('jobferry_pruned_total', `Finished jobs that this process has forgotten.`, this.#pruned),
      counter(
        'jobferry_errors_total',
        `What went wrong in the background ${ofProcess}, and during what.`,
        this.#errors,
      ),
    ]
  }

  #count(event: JobEvent): void {
    switch (event.type) {
      case 'enqueued':
        return this.#enqueued.add({ ...this.#seats.of(event.queue, event.task), outcome: event.outcome })
      case 'started':
        return this.#waited.add({ ...this.#of(event.job) }, event.waitedMs)
      case 'completed':
      case 'retrying':
      case 'failed':
      case 'snoozed':
        this.#ran.add({ ...this.#of(event.job) }, event.ranMs)
        return this.#ends.add({ ...this.#of(event.job), end: event.type })
      case 'released':
      case 'cancelled':
      case 'lost':
        return this.#ends.add({ ...this.#of(event.job), end: event.type })
      case 'rescued':
        return this.#rescued.add({ ...this.#of(event.job) })
      case 'pruned':
        return this.#pruned.add({}, event.count)
      case 'error':
        return this.#errors.add({ during: event.during, store: String(event.error instanceof StoreError) })
    }
  }

  #of({ queue, task }: JobFacts): QueueAndTask {
    return this.#seats.of(queue, task)
  }
}

export function counter(name: string, help: string, { samples }: Sums): Family {
  return { kind: 'counter', name, help, samples }
}

export function histogram(name: string, help: string, { samples }: Lengths): Family {
  return { kind: 'histogram', name, help, samples }
}
