import type { Instant, Job } from '../../core/job.ts'
import type { JobFilter } from '../../store.ts'
import type { Items } from './items.ts'
import type { Row } from './row.ts'

/** How many ids of pages before are remembered: enough to go on where one ended, though its last job has been taken since. */
const mostRemembered = 1_000

/** How many rows are looked at in one trip where most of them may not be asked for. */
const step = 500

/**
 * Pages through what runs and what waits, in the order of the lists.
 *
 * Ids have no order of their own: a page goes on behind the place of the last job of the one before. If that has left the list since, behind
 * the one before it, and so on; if none is left, at the beginning.
 */
export class Lister {
  readonly #items: Items
  readonly #toJobs: (rows: readonly Row[]) => Promise<readonly Job[]>
  #listed: readonly string[] = []

  constructor(items: Items, toJobs: (rows: readonly Row[]) => Promise<readonly Job[]>) {
    this.#items = items
    this.#toJobs = toJobs
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    const { limit, state, order = 'newest' } = filter
    if (
      limit <= 0 ||
      filter.parent !== undefined ||
      !(state === undefined || state === 'pending' || state === 'running')
    )
      return []
    const jobs: Job[] = []
    for (let after = filter.after; jobs.length < limit;) {
      const size = narrows(filter) ? step : limit
      const rows = await this.#items.list(order, state === 'running', size, this.#before(after))
      for (const job of await this.#toJobs(rows)) if (jobs.length < limit && matches(job, filter)) jobs.push(job)
      if (rows.length < size) break
      after = rows.at(-1)?.id
      this.#listed = rows.map(({ id }) => id)
    }
    const kept = filter.after === undefined ? [] : this.#before(filter.after).toReversed()
    this.#listed = [...kept, ...jobs.map(({ id }) => id)].slice(-mostRemembered)
    return jobs
  }

  /** Where to go on: behind this one, or what came before it. */
  #before(after: string | undefined): readonly string[] {
    if (after === undefined) return []
    const at = this.#listed.lastIndexOf(after)
    return at < 0 ? [after] : this.#listed.slice(0, at + 1).toReversed()
  }
}

/** Whether a filter leaves something out of what the lists give. */
function narrows({ state, createdFrom, createdUntil, uniqueKey }: JobFilter): boolean {
  return [state, createdFrom, createdUntil, uniqueKey].some((field) => field !== undefined)
}

function matches(job: Job, { state, createdFrom, createdUntil, uniqueKey }: JobFilter): boolean {
  return (
    (state === undefined || job.state === state) &&
    (createdFrom === undefined || job.createdAt >= createdFrom) &&
    (createdUntil === undefined || job.createdAt < createdUntil) &&
    (uniqueKey === undefined || job.unique?.key === uniqueKey)
  )
}

/** The earliest of some instants. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  const known = instants.filter((one) => one !== undefined)
  return known.length === 0 ? undefined : known.reduce((a, b) => Math.min(a, b))
}
