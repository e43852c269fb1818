import { type End, type Spread, spreadBoundsMs, type TaskTally } from '../core/presence.ts'

/** Counts what runs come to, task by task. Costs a run two looks into a map and a few additions. */
export class Tally {
  readonly #tasks = new Map<string, OwnTally>()

  started(task: string, waitedMs: number): void {
    add(this.#of(task).waited, waitedMs)
  }

  /** @param ranMs `undefined` for a job that was never started: it was claimed ahead and given back */
  ended(task: string, end: End, ranMs: number | undefined): void {
    const tally = this.#of(task)
    tally.ends[end]++
    if (ranMs !== undefined) add(tally.ran, ranMs)
  }

  /** The counts as of now. */
  read(): Readonly<Record<string, TaskTally>> {
    return Object.fromEntries(
      [...this.#tasks].map(([task, { ends, ran, waited }]) => [
        task,
        { ends: { ...ends }, ran: copy(ran), waited: copy(waited) },
      ]),
    )
  }

  #of(task: string): OwnTally {
    const known = this.#tasks.get(task)
    if (known !== undefined) return known
    const ends = { completed: 0, retrying: 0, failed: 0, snoozed: 0, cancelled: 0, released: 0, lost: 0 }
    const made: OwnTally = { ends, ran: empty(), waited: empty() }
    this.#tasks.set(task, made)
    return made
  }
}

const bounds: readonly number[] = spreadBoundsMs

interface OwnTally {
  readonly ends: Record<End, number>
  readonly ran: OwnSpread
  readonly waited: OwnSpread
}

interface OwnSpread {
  count: number
  sumMs: number
  readonly counts: number[]
}

function empty(): OwnSpread {
  return { count: 0, sumMs: 0, counts: [...spreadBoundsMs, 0].map(() => 0) }
}

function add(spread: OwnSpread, ms: number): void {
  let at = 0
  while (at < bounds.length && ms > (bounds[at] ?? 0)) at++
  spread.count++
  spread.sumMs += ms
  spread.counts[at] = (spread.counts[at] ?? 0) + 1
}

function copy({ count, sumMs, counts }: OwnSpread): Spread {
  return { count, sumMs, counts: [...counts] }
}
