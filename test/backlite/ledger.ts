import { setTimeout as wait } from 'node:timers/promises'

/** Who runs what at this moment, what was done how often and by whom, and where two met at one job. For one process. */
export class Ledger {
  readonly done: { readonly n: number; readonly who: string }[] = []
  readonly met: number[] = []
  readonly #running = new Set<number>()

  /** Writes down a run of a job from its beginning to its end. */
  async witness(n: number, who: string, ms = 0): Promise<void> {
    if (this.#running.has(n)) this.met.push(n)
    this.#running.add(n)
    await wait(ms)
    this.#running.delete(n)
    this.done.push({ n, who })
  }

  /** How often each job was run, by its number. */
  get times(): readonly (readonly [n: number, times: number])[] {
    const times = Map.groupBy(this.done, ({ n }) => n)
    return [...times].map(([n, runs]) => [n, runs.length] as const).toSorted(([a], [b]) => a - b)
  }
}
