import type { Instant, Job } from '../../core/job.ts'
import { expectFaultless, type Write } from '../../core/lifecycle.ts'
import type { WriteResult } from '../../store.ts'
import type { Link } from '../pg/link.ts'
import type { Row } from '../pg/query.ts'
import { inTx } from './in-tx.ts'
import type { Leases } from './leases.ts'
import { ends, plan, type Planned, settleValues } from './settlement.ts'
import { settle } from './statements.ts'
import { toText } from './row.ts'

/** What came of writes. */
export interface Written {
  /** One for each write. */
  readonly results: readonly WriteResult[]
  /** Whether anything was stored. */
  readonly any: boolean
  /** Whether a job waits again, or has stopped running in a queue with a limit: somebody may have something to claim. */
  readonly frees: boolean
}

/** Which are stored, by id. */
interface Stored {
  readonly ids: ReadonlySet<string>
  readonly frees: boolean
}

/** Reads jobs, in a caller's transaction if there is one. */
type Get = (ids: readonly string[], tx?: object) => Promise<readonly (Job | undefined)[]>

/** Stores writes, each if its row is still as it was, and answers those that were refused with what is there. */
export class Writer {
  readonly #link: Link
  readonly #leases: Leases
  readonly #get: Get

  constructor(link: Link, leases: Leases, get: Get) {
    this.#link = link
    this.#leases = leases
    this.#get = get
  }

  /** @param locked whether to wait for rows that a transaction has locked, or to refuse those writes for now */
  async write(writes: readonly Write[], now: Instant, locked: 'wait' | 'skip', tx?: object): Promise<Written> {
    if (writes.length === 0) return { results: [], any: false, frees: false }
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    const planned = plan(writes, this.#leases, now)
    const { ids, frees } = planned.length === 0 ? nothing : await this.#store(planned, locked, tx)
    return { results: await this.#results(writes, ids, tx), any: ids.size > 0, frees }
  }

  async #store(planned: readonly Planned[], locked: 'wait' | 'skip', tx: object | undefined): Promise<Stored> {
    const [text, values] = [settle(locked), settleValues(planned)]
    if (tx !== undefined) return toStored(planned, await inTx(tx)(text, values))
    const rows = await this.#link.tryRun({ name: '', text }, values)
    const stored = rows === undefined ? await this.#again(planned, text, values) : toStored(planned, rows)
    for (const one of planned) if (stored.ids.has(one.write.before.id)) this.#stored(one)
    return stored
  }

  /** The connection was lost on the way: what is refused now may be so because it had been stored. Then the row is as it was to be. */
  async #again(planned: readonly Planned[], text: string, values: readonly (string | null)[]): Promise<Stored> {
    const { ids, frees } = toStored(planned, await this.#link.run({ name: '', text }, values))
    const open = planned.filter(({ write }) => !ids.has(write.before.id))
    const current = await this.#get(open.map(({ write }) => write.before.id))
    const done = open.filter(({ write }, i) => isAsWritten(current[i], write.after))
    return { ids: new Set([...ids, ...done.map(({ write }) => write.before.id)]), frees: frees || done.length > 0 }
  }

  /** What has been stored of a run of ours ends it, unless it was to ask it to stop. */
  #stored(one: Planned): void {
    const { lease, write } = one
    if (lease === undefined) return
    if (ends(one)) this.#leases.remove(lease.job.id)
    else this.#leases.overlay({ ...lease, job: { ...lease.job, cancel: write.after?.cancel } })
  }

  async #results(writes: readonly Write[], stored: ReadonlySet<string>, tx?: object): Promise<readonly WriteResult[]> {
    const met = new Set<string>()
    const done = writes.map(({ before: { id } }) => {
      const first = !met.has(id)
      met.add(id)
      return first && stored.has(id)
    })
    const refused = writes.filter((_, i) => done[i] !== true).map(({ before }) => before.id)
    if (refused.length === 0) return writes.map(() => ({ ok: true }))
    const current = new Map((await this.#get(refused, tx)).map((job, i) => [refused[i], job]))
    return writes.map(({ before }, i) => {
      if (done[i] === true) return { ok: true }
      const job = current.get(before.id)
      if (tx === undefined && job?.lease !== before.lease) this.#lost(before)
      return { ok: false, current: job }
    })
  }

  /** Whoever has it now, our run of it is over. */
  #lost(job: Job): void {
    if (this.#leases.of(job) !== undefined) this.#leases.remove(job.id)
  }
}

const nothing: Stored = { ids: new Set(), frees: false }

function toStored(planned: readonly Planned[], rows: readonly Row[]): Stored {
  const limited = new Map(rows.map((row) => [toText(row[0]), row[1] === 'true']))
  const frees = planned.some(
    ({ write: { before, after } }) =>
      limited.has(before.id) && (after?.state === 'pending' || (before.state === 'running' && limited.get(before.id))),
  )
  return { ids: new Set(limited.keys()), frees }
}

/** Whether the row is as a write was to leave it. */
function isAsWritten(job: Job | undefined, after: Job | undefined): boolean {
  if (job === undefined || after === undefined) return job === after
  const { state, attempt, finishedAt, runAt } = after
  return job.state === state && job.attempt === attempt && job.finishedAt === finishedAt && job.runAt === runAt
}
