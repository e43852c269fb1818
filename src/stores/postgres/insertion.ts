import { StoreError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import type { Batch, BatchResult } from '../../store.ts'
import type { Bells } from './bells.ts'
import { batchesJson, isPlainBatch, plainColumns, toBatchResults } from './insert.ts'
import type { Lanes } from './lanes.ts'
import type { Link } from '../pg/link.ts'
import { isThere } from './recover.ts'
import { toBatchAnswers } from './row.ts'
import type { Statements } from './statements.ts'
import { isDuplicate } from '../pg/trouble.ts'

export interface InsertionOptions {
  /** Whether the commit need not wait for the disk. */
  readonly relaxed: boolean
  readonly get: (ids: readonly string[]) => Promise<readonly (Job | undefined)[]>
}

/** Adds jobs and applies writes in a transaction of its own, and finds out what became of it when the answer was lost. */
export class Insertion {
  readonly #link: Link
  readonly #statements: Statements
  readonly #lanes: Lanes
  readonly #bells: Bells
  readonly #options: InsertionOptions

  constructor(link: Link, statements: Statements, lanes: Lanes, bells: Bells, options: InsertionOptions) {
    this.#link = link
    this.#statements = statements
    this.#lanes = lanes
    this.#bells = bells
    this.#options = options
  }

  /** The lanes of all jobs have to be prepared. */
  async insert(batches: readonly Batch[], now: Instant): Promise<readonly BatchResult[]> {
    return (await this.#try(batches, now)) ?? (await this.#again(batches, now))
  }

  /** `undefined` when the connection was lost on the way. */
  async #try(batches: readonly Batch[], now: Instant): Promise<readonly BatchResult[] | undefined> {
    const plain = batches.every(isPlainBatch)
    const bell = [this.#bells.channel, this.#bells.word('jobs'), String(this.#options.relaxed)]
    const rows = plain
      ? await this.#link.tryRun(this.#statements('add'), [...plainColumns(batches, this.#lanes), ...bell])
      : await this.#link.tryRun(this.#statements('insertBatches'), [
          batchesJson(batches, this.#lanes),
          String(now),
          ...bell,
        ])
    if (rows === undefined) return undefined
    return plain ? batches.map(() => added) : toBatchResults(toBatchAnswers(rows[0]?.[0]))
  }

  /**
   * The answer was lost with the connection. Ids are made by us, so one that is there was added by us, and then the whole transaction took
   * place. What can have met a holder and is not there is sent again: it meets it again, and then we know whom.
   */
  async #again(batches: readonly Batch[], now: Instant, looks = 1): Promise<readonly BatchResult[]> {
    const seen = await this.#look(batches)
    const parts = batches.map((batch) => (seen.size === 0 ? batch : unsettled(batch, seen)))
    const sent = parts.filter((part) => part !== undefined)
    if (sent.length === 0) return batches.map(() => added)
    let results: readonly BatchResult[] | undefined
    try {
      results = await this.#try(sent, now)
    } catch (error) {
      // The first was still under way when we looked, and has come to its end now.
      if (isDuplicate(error) && looks < mostLooks) return await this.#again(batches, now, looks + 1)
      throw error
    }
    if (results === undefined)
      throw new StoreError('PostgreSQL: the connection was lost, twice in a row; the jobs may have been added or not', {
        retryable: true,
      })
    const byPart = new Map(sent.map((part, i) => [part, results[i]]))
    return batches.map((batch, i) => whole(batch, parts[i], byPart))
  }

  /** The jobs that were added, by their ids, and the writes that were stored, by theirs. */
  async #look(batches: readonly Batch[]): Promise<ReadonlySet<string>> {
    const wanted = batches.flatMap(({ jobs, writes = [] }) => [
      ...jobs.map(({ job }) => ({ id: job.id, there: (current: Job | undefined) => current !== undefined })),
      ...writes.map(({ before, after }) => ({
        id: before.id,
        there: (current: Job | undefined) => isThere(after, current),
      })),
    ])
    const current = await this.#options.get(wanted.map(({ id }) => id))
    return new Set(wanted.filter(({ there }, i) => there(current[i])).map(({ id }) => id))
  }
}

const added: BatchResult = { ok: true, holders: [] }

const mostLooks = 3

/** Of a batch in a transaction that took place: what may have been refused, or kept out by a holder. */
function unsettled(batch: Batch, seen: ReadonlySet<string>): Batch | undefined {
  const { jobs, writes = [] } = batch
  const stored = jobs.some(({ job }) => seen.has(job.id)) || writes.some(({ before }) => seen.has(before.id))
  const keyed = jobs.filter(({ job }) => job.unique?.held === true && !seen.has(job.id))
  if (!stored && (writes.length > 0 || keyed.length > 0)) return batch
  return keyed.length === 0 ? undefined : { jobs: keyed }
}

/** The result of a batch of which a part, all or nothing was sent again. */
function whole(
  batch: Batch,
  part: Batch | undefined,
  results: ReadonlyMap<Batch, BatchResult | undefined>,
): BatchResult {
  const result = part === undefined ? undefined : results.get(part)
  if (part === undefined || result === undefined) return added
  if (part === batch) return result
  const holders = new Map(part.jobs.map(({ job }, i) => [job, result.holders[i]]))
  return { ok: true, holders: batch.jobs.map(({ job }) => holders.get(job)) }
}
