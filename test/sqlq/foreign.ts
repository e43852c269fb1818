import { Client } from 'pg'

import { asText } from '../../src/stores/pg/pg.ts'

/** A job as a Go worker has dequeued it. */
export interface ForeignJob {
  readonly id: string
  readonly parameters: string | null
  readonly attempt: number
  readonly maxRetries: number
}

/**
 * A worker that follows sqlq's own protocol in plain SQL, with a session of its own, as its Go program does: it dequeues in a serializable
 * transaction, again and again while that is undone, and ends jobs by sqlq's functions. It knows nothing of ours.
 */
export class ForeignWorker {
  readonly #client: Client
  readonly #queues: readonly string[]
  readonly #types: readonly string[]
  /** How often a dequeue was undone for another. */
  undone = 0

  private constructor(client: Client, queues: readonly string[], types: readonly string[]) {
    this.#client = client
    this.#queues = queues
    this.#types = types
  }

  static async start(url: string, queues: readonly string[], types: readonly string[]): Promise<ForeignWorker> {
    const client = new Client(url)
    client.on('error', () => undefined)
    await client.connect()
    return new ForeignWorker(client, queues, types)
  }

  async end(): Promise<void> {
    await this.#client.end()
  }

  /** Dequeues a job, runs it, and ends it as sqlq does. False if there was none. */
  async workOne(run: (job: ForeignJob) => Promise<void>): Promise<boolean> {
    const job = await this.dequeue()
    if (job === undefined) return false
    try {
      await run(job)
    } catch {
      await this.fail(job)
      return true
    }
    await this.#ask(`select * from sqlq.mark_success($1, 'running')`, [job.id])
    return true
  }

  async dequeue(): Promise<ForeignJob | undefined> {
    for (;;) {
      try {
        await this.#client.query('begin isolation level serializable')
        const [row] = await this.#ask(
          'select id, parameters, attempt, max_retries from sqlq.dequeue_job($1::text[], $2::text[])',
          [this.#queues, this.#types],
        )
        await this.#client.query('commit')
        if (row === undefined) return undefined
        const [id = '', parameters = null, attempt, maxRetries] = row
        return { id: id ?? '', parameters, attempt: Number(attempt), maxRetries: Number(maxRetries) }
      } catch (error) {
        await this.#client.query('rollback')
        if (!(error instanceof Error && 'code' in error && error.code === '40001')) throw error
        this.undone++
      }
    }
  }

  /** At once due again while attempts are left, so that a test need not wait. */
  async fail({ id, attempt, maxRetries }: ForeignJob): Promise<void> {
    await this.#ask(`select * from sqlq.mark_failed($1, 'running', $2, 0)`, [id, attempt < maxRetries])
  }

  async enqueue(queue: string, typename: string, parameters: unknown, maxRetries = 1): Promise<string> {
    await this.#ask('insert into sqlq.queues (name) values ($1) on conflict (name) do nothing', [queue])
    const [row] = await this.#ask(
      'insert into sqlq.jobs (queue, typename, parameters, max_retries) values ($1, $2, $3, $4) returning id',
      [queue, typename, JSON.stringify(parameters), maxRetries],
    )
    return row?.[0] ?? ''
  }

  async reap(): Promise<void> {
    await this.#ask('select sqlq.reap($1::text[])', [this.#queues])
  }

  async #ask(text: string, values: unknown[]): Promise<readonly (readonly (string | null)[])[]> {
    return (await this.#client.query<(string | null)[]>({ text, values, rowMode: 'array', types: asText })).rows
  }
}
