import type { DatabaseSync, SQLInputValue } from 'node:sqlite'

import type { Flavour } from './schema.ts'

/** What `QueueJob` of liteq takes. Times in seconds. */
export interface QueueJobParams {
  readonly queue: string
  readonly job: string
  readonly executeAfter?: number
  readonly remainingAttempts?: number
  readonly key?: string
  readonly duplicate?: 'ignore' | 'replace'
}

/** A job as a consumer of liteq gets it. */
export interface ForeignJob {
  readonly id: number
  readonly queue: string
  readonly job: string
  readonly remaining_attempts: number
  readonly deduping_key: string
  readonly errors: string | Uint8Array
}

/** The rows of a key that wait, by the parameter `?1`. */
const waits = `deduping_key != '' and job_status = 'queued'`

/**
 * A Go program that follows liteq's own protocol in plain SQL, on a connection of its own: what `QueueJob` and `Consume` send, statement by
 * statement. It knows nothing of ours, and fences nothing.
 */
export class ForeignProgram {
  readonly #db: DatabaseSync
  readonly #flavour: Flavour
  readonly #now: () => number

  /** @param now its clock, in seconds */
  constructor(db: DatabaseSync, flavour: Flavour, now: () => number = () => Math.floor(Date.now() / 1_000)) {
    this.#db = db
    this.#flavour = flavour
    this.#now = now
  }

  queueJob(params: QueueJobParams): void {
    const { queue, job, executeAfter = 0, remainingAttempts = 0, key = '', duplicate = 'ignore' } = params
    const stored = key === '' || this.#flavour === 'raw' ? key : `${Buffer.byteLength(queue)}:${queue}:${key}`
    const replaced = `do update set job = excluded.job, execute_after = excluded.execute_after, updated_at = ?5,
      remaining_attempts = excluded.remaining_attempts`
    this.#run(
      `insert into jobs (queue, job, execute_after, job_status, created_at, updated_at, remaining_attempts, deduping_key)
       values (?1, ?2, ?3, 'queued', ?5, ?5, ?4, ?6)
       on conflict (deduping_key, job_status) where ${waits} ${duplicate === 'ignore' ? 'do nothing' : replaced}`,
      queue,
      job,
      executeAfter,
      remainingAttempts === 0 ? 1 : remainingAttempts,
      this.#now(),
      stored,
    )
  }

  /** What a consumer does before it looks: takes back what was fetched more than so many seconds ago. */
  reset(queue: string, visibilityTimeout: number): void {
    const sibling =
      this.#flavour === 'raw'
        ? ''
        : `when deduping_key != '' and exists (
             select 1 from jobs other where other.deduping_key = jobs.deduping_key and other.job_status = 'queued'
           ) then 'failed'`
    this.#run(
      `update jobs set
         job_status = case when remaining_attempts <= 1 then 'failed' ${sibling} else 'queued' end,
         updated_at = ?2, consumer_fetched_at = 0, remaining_attempts = max(remaining_attempts - 1, 0),
         errors = json_insert(errors, '$[#]', 'visibility timeout expired')
       where job_status = 'fetched' and queue = ?1 and consumer_fetched_at < ?2 - ?3`,
      queue,
      this.#now(),
      visibilityTimeout,
    )
  }

  grab(queue: string, limit: number): readonly ForeignJob[] {
    const free =
      this.#flavour === 'raw'
        ? ''
        : `and (deduping_key = '' or not exists (
             select 1 from jobs other where other.deduping_key = jobs.deduping_key and other.job_status = 'fetched'))`
    return this.#db
      .prepare(
        `update jobs set consumer_fetched_at = ?1, updated_at = ?1, job_status = 'fetched'
         where job_status = 'queued' and remaining_attempts > 0 and id in (
           select id from jobs where queue = ?2 and job_status = 'queued' and execute_after <= ?1 and remaining_attempts > 0
             ${free} order by execute_after asc limit ?3)
         returning id, queue, job, remaining_attempts, deduping_key, errors`,
      )
      .all(this.#now(), queue, limit)
      .map((row) => row as unknown as ForeignJob)
  }

  complete({ id }: Pick<ForeignJob, 'id'>): void {
    this.#run(
      `update jobs set job_status = 'completed', finished_at = ?2, updated_at = ?2, consumer_fetched_at = 0, remaining_attempts = 0
       where id = ?1`,
      id,
      this.#now(),
    )
  }

  fail({ id, errors }: Pick<ForeignJob, 'id' | 'errors'>, error: string): void {
    const list = [...(JSON.parse(Buffer.from(errors).toString()) as string[]), error]
    const sibling =
      this.#flavour === 'raw'
        ? ''
        : `when deduping_key != '' and exists (
             select 1 from jobs other where other.deduping_key = jobs.deduping_key and other.job_status = 'queued'
           ) then 'failed'`
    this.#run(
      `update jobs set
         job_status = case when remaining_attempts <= 1 then 'failed' ${sibling} else 'queued' end,
         finished_at = 0, updated_at = ?2, consumer_fetched_at = 0, remaining_attempts = max(remaining_attempts - 1, 0), errors = ?3
       where id = ?1`,
      id,
      this.#now(),
      Buffer.from(goJson(list)),
    )
  }

  #run(text: string, ...values: SQLInputValue[]): void {
    this.#db.prepare(text).run(...values)
  }
}

/** As encoding/json writes a list of texts. */
function goJson(list: readonly string[]): string {
  return JSON.stringify(list)
    .replaceAll('<', String.raw`\u003c`)
    .replaceAll('>', String.raw`\u003e`)
    .replaceAll('&', String.raw`\u0026`)
}
