import { ends, type PresentWorker, type Spread, spreadBoundsMs, type TaskTally } from '../core/presence.ts'
import type { Family } from './exposition.ts'
import { counter, histogram } from './happened.ts'
import type { Seats } from './seats.ts'
import { Lengths, Sums } from './sums.ts'

/**
 * What the workers of all processes have done, from what they tell: for whoever can be scraped where the workers cannot.
 *
 * Counters must only grow, and workers come and go. So what counts is what each has done since it was last looked at; of those seen at the
 * first look, from then on. What a worker did between its last telling and its end is lost: some seconds' worth.
 */
export class Fleet {
  readonly #seats: Seats
  readonly #ends = new Sums()
  readonly #ran = new Lengths(spreadBoundsMs)
  readonly #waited = new Lengths(spreadBoundsMs)
  #last: ReadonlyMap<string, PresentWorker> | undefined

  constructor(seats: Seats) {
    this.#seats = seats
  }

  /** Counts what is new. Two looks that come at once may see the workers in either order: an older telling counts for nothing. */
  look(workers: readonly PresentWorker[]): void {
    const last = this.#last
    const seen = new Map<string, PresentWorker>()
    for (const worker of workers) {
      const before = last?.get(worker.id)
      const newer = before === undefined || before.toldAt <= worker.toldAt
      seen.set(worker.id, newer ? worker : before)
      if (last === undefined || !newer) continue
      for (const [task, tally] of Object.entries(worker.tallies)) this.#add(task, tally, before?.tallies[task])
    }
    this.#last = seen
  }

  get families(): readonly Family[] {
    return [
      counter(
        'jobferry_workers_run_ends_total',
        'Runs that have ended in any process, as its workers tell.',
        this.#ends,
      ),
      histogram('jobferry_workers_run_seconds', 'How long runs took in any process, as its workers tell.', this.#ran),
      histogram(
        'jobferry_workers_wait_seconds',
        'How long jobs were due before they were run in any process, as its workers tell.',
        this.#waited,
      ),
    ]
  }

  #add(task: string, now: TaskTally, before: TaskTally | undefined): void {
    const labels = { task: this.#seats.of('', task).task }
    for (const end of ends) this.#ends.add({ ...labels, end }, Math.max(0, now.ends[end] - (before?.ends[end] ?? 0)))
    addSpread(this.#ran, labels, now.ran, before?.ran)
    addSpread(this.#waited, labels, now.waited, before?.waited)
  }
}

function addSpread(lengths: Lengths, labels: { readonly task: string }, now: Spread, before: Spread | undefined): void {
  lengths.addAll(labels, Math.max(0, now.sumMs - (before?.sumMs ?? 0)), 0, 0)
  for (const [i, count] of now.counts.entries())
    lengths.addAll(labels, 0, i, Math.max(0, count - (before?.counts[i] ?? 0)))
}
