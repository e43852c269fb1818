import { StoreError } from '../../core/errors.ts'
import type { Connections } from '../pg/connections.ts'
import { asText, type PgClient } from '../pg/pg.ts'
import type { Row } from '../pg/query.ts'
import { toStoreError, troubleOf } from '../pg/trouble.ts'

/**
 * Without compiling: the server guesses how many rows a claim reads by the queues that there may be, and compiling what then takes 3 ms took 800
 * (PostgreSQL 15, 10,000 waiting jobs).
 */
const begin = 'begin isolation level serializable; set local jit = off'

/** Runs one statement in the transaction. */
export type Ask = (text: string, values?: readonly (string | null)[]) => Promise<readonly Row[]>

/** How often a transaction that met others is tried again, and from when on it waits a little first. */
const mostMeetings = 100
const patientFrom = 4

/**
 * Does work in SERIALIZABLE transactions, as sqlq's dequeue has to: of two that have read what the other then wrote, the server undoes one, which is
 * done anew. Of many at once somebody always comes through; who has been undone a few times waits on the server for a random moment, so that not
 * all come back at once.
 */
export class Serializable {
  readonly #connections: Connections

  constructor(connections: Connections) {
    this.#connections = connections
  }

  /**
   * @throws StoreError, `retryable`; when the connection is lost at the commit, nobody knows whether it took place: what was taken is then
   * taken back once its lease has run out
   */
  async run<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    for (let meetings = 0, losses = 0; ;) {
      const attempt = await this.#attempt(work, meetings)
      if ('done' in attempt) return attempt.done
      const { error, committing } = attempt
      switch (troubleOf(error)) {
        case 'isolated':
        case 'met':
          if (++meetings <= mostMeetings) continue
          break
        case 'lost':
        case 'moved':
          if (!committing && ++losses < 2) continue
          break
        case 'away':
        case 'later':
        case 'final':
      }
      throw toStoreError(error)
    }
  }

  async #attempt<T>(
    work: (ask: Ask) => Promise<T>,
    meetings: number,
  ): Promise<{ readonly done: T } | { readonly error: unknown; readonly committing: boolean }> {
    const client = await this.#connect()
    const ask: Ask = async (text, values = []) =>
      (await client.query({ text, values, rowMode: 'array', types: asText })).rows
    let committing = false
    try {
      if (meetings >= patientFrom) await ask(`select pg_sleep(random() * ${Math.min(meetings, 20)} / 1000)`)
      await client.query({ text: begin, rowMode: 'array', types: asText })
      const done = await work(ask)
      committing = true
      await ask('commit')
      this.#connections.give(client)
      return { done }
    } catch (error) {
      await this.#undo(client, ask, error)
      return { error, committing }
    }
  }

  async #undo(client: PgClient, ask: Ask, error: unknown): Promise<void> {
    const trouble = troubleOf(error)
    if (trouble === 'lost' || trouble === 'moved' || trouble === 'away') return this.#connections.drop(client, 'lost')
    try {
      await ask('rollback')
      this.#connections.give(client)
    } catch {
      this.#connections.drop(client) // it may still be in the transaction; the first error says more
    }
  }

  async #connect(): Promise<PgClient> {
    try {
      return await this.#connections.take()
    } catch (error) {
      // Nothing was sent: whatever broke, it was not our work.
      throw new StoreError(toStoreError(error).message, { retryable: troubleOf(error) !== 'final', cause: error })
    }
  }
}
