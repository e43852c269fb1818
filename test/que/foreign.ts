import { Client } from 'pg'

import type { QueVersion } from './schema.ts'

/** A row as a worker of Que's sees it. */
export interface ForeignJob {
  readonly id: string
  readonly queue: string
  readonly job_class: string
  readonly args: string
  readonly error_count: string
  readonly run_at: string
  readonly priority: string
}

/** Text in, text out: no column goes through a type of ours. */
const types = { getTypeParser: () => (value: string | Buffer) => value.toString() }

/**
 * A worker that follows Que's own protocol in plain SQL, with a session of its own: que-go's in version 3, that of a Ruby locker of one worker
 * from 4 on. It knows nothing of ours.
 */
export class ForeignWorker {
  readonly #client: Client
  readonly #version: QueVersion
  readonly #queue: string

  private constructor(client: Client, version: QueVersion, queue: string) {
    this.#client = client
    this.#version = version
    this.#queue = queue
  }

  static async start(url: string, version: QueVersion, queue: string): Promise<ForeignWorker> {
    const client = new Client(url)
    client.on('error', () => undefined)
    await client.connect()
    return new ForeignWorker(client, version, queue)
  }

  async end(): Promise<void> {
    await this.#client.end()
  }

  /** Locks a job, runs it, and settles it as Que does. False if there was none. */
  async workOne(run: (job: ForeignJob) => Promise<void>): Promise<boolean> {
    for (;;) {
      const job = await this.#lock()
      if (job === undefined) return false
      try {
        if (!(await this.#check(job))) continue
        try {
          await run(job)
        } catch (error) {
          await this.#setError(job, String(error))
          return true
        }
        await this.#destroy(job)
        return true
      } finally {
        await this.#ask('select pg_advisory_unlock($1)', [job.id])
      }
    }
  }

  async #lock(): Promise<ForeignJob | undefined> {
    const columns = `queue, priority, run_at, job_class, args, error_count`
    if (this.#version === 3) {
      const [job] = await this.#ask(
        `with recursive jobs as (
          select (j).*, pg_try_advisory_lock((j).job_id) as locked
          from (
            select j from que_jobs as j where queue = $1::text and run_at <= now() order by priority, run_at, job_id limit 1
          ) as t1
          union all (
            select (j).*, pg_try_advisory_lock((j).job_id) as locked
            from (
              select (
                select j from que_jobs as j
                where queue = $1::text and run_at <= now()
                  and (priority, run_at, job_id) > (jobs.priority, jobs.run_at, jobs.job_id)
                order by priority, run_at, job_id limit 1
              ) as j
              from jobs where jobs.job_id is not null limit 1
            ) as t1
          )
        )
        select ${columns}, job_id as id from jobs where locked limit 1`,
        [this.#queue],
      )
      return job
    }
    const versioned = this.#version === 4 ? '' : `and job_schema_version = ${this.#version === 5 ? 1 : 2}`
    const ready = `queue = $1::text ${versioned} and run_at <= now() and finished_at is null and expired_at is null`
    const [job] = await this.#ask(
      `with recursive jobs as (
        select (j).*, l.locked, 1 - l.locked::int as remaining
        from (select j from que_jobs as j where ${ready} order by priority, run_at, id limit 1) as t1
        join lateral (select pg_try_advisory_lock((t1.j).id) as locked) as l on true
        union all (
          select (j).*, l.locked, t1.remaining - l.locked::int
          from (
            select remaining, (
              select j from que_jobs as j where ${ready} and (priority, run_at, id) > (jobs.priority, jobs.run_at, jobs.id)
              order by priority, run_at, id limit 1
            ) as j
            from jobs where jobs.id is not null and jobs.remaining > 0 limit 1
          ) as t1
          join lateral (select pg_try_advisory_lock((t1.j).id) as locked) as l on true
          where t1.j is not null
        )
      )
      select ${columns}, id from jobs where locked`,
      [this.#queue],
    )
    return job
  }

  async #check(job: ForeignJob): Promise<boolean> {
    const found =
      this.#version === 3
        ? await this.#ask(
            'select 1 as one from que_jobs where queue = $1 and priority = $2 and run_at = $3 and job_id = $4',
            keyOf(job),
          )
        : await this.#ask(
            'select 1 as one from que_jobs where id = $1 and finished_at is null and expired_at is null',
            [job.id],
          )
    return found.length === 1
  }

  async #destroy(job: ForeignJob): Promise<void> {
    if (this.#version === 3)
      await this.#ask(
        'delete from que_jobs where queue = $1 and priority = $2 and run_at = $3 and job_id = $4',
        keyOf(job),
      )
    else await this.#ask('delete from que_jobs where id = $1', [job.id])
  }

  /** At once due again, so that a test need not wait. */
  async #setError(job: ForeignJob, error: string): Promise<void> {
    if (this.#version === 3)
      await this.#ask(
        `update que_jobs set error_count = error_count + 1, run_at = now(), last_error = $5
         where queue = $1 and priority = $2 and run_at = $3 and job_id = $4`,
        [...keyOf(job), error],
      )
    else
      await this.#ask(
        `update que_jobs set error_count = error_count + 1, run_at = now(), last_error_message = left($2, 500) where id = $1`,
        [job.id, error],
      )
  }

  async #ask(text: string, values: readonly string[]): Promise<ForeignJob[]> {
    return (await this.#client.query<ForeignJob>({ text, values: [...values], types })).rows
  }
}

function keyOf({ queue, priority, run_at: runAt, id }: ForeignJob): readonly string[] {
  return [queue, priority, runAt, id]
}
