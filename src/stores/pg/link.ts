import { StoreError, UsageError } from '../../core/errors.ts'
import { asText, type PgClient, type PgPool } from './pg.ts'
import type { Row } from './query.ts'
import { isMissing, type Trouble, toStoreError, troubleOf } from './trouble.ts'

/** A statement of ours; its name is that under which the server keeps it prepared. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/**
 * Claims that count what runs do so after they have waited for one another, and must then see what the others have done: which a
 * transaction does that is `read committed`, whatever the database's own default is.
 */
const readCommitted = `select set_config('default_transaction_isolation', 'read committed', false)
  where current_setting('default_transaction_isolation') <> 'read committed'`

/** How often a transaction that met another, and was undone for it, is tried again. */
const mostMeetings = 10

/** Runs statements on the connections of a pool, each a transaction of its own. Whatever fails leaves as a StoreError. */
export class Link {
  readonly #pool: PgPool
  readonly #prepare: boolean
  readonly #name: string
  readonly #check: ((client: PgClient) => Promise<void>) | undefined
  readonly #ready = new WeakSet<PgClient>()
  #closed = false

  /**
   * @param name of the store, for messages
   * @param check throws what is wrong with the tables: asked when a statement did not find what it is about
   */
  constructor(pool: PgPool, prepare: boolean, name: string, check?: (client: PgClient) => Promise<void>) {
    this.#pool = pool
    this.#prepare = prepare
    this.#name = name
    this.#check = check
  }

  /** From now on every call is refused. */
  close(): void {
    this.#closed = true
  }

  /** @throws UsageError once closed */
  expectOpen(): void {
    if (this.#closed) throw new UsageError(`The ${this.#name} store is closed.`)
  }

  /**
   * Runs one statement, again when it met another transaction and was undone, and again, once, when the connection was lost on the way:
   * only for what may be done twice.
   */
  async run(statement: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    return (await this.tryRun(statement, values)) ?? (await this.#repeat(statement, values))
  }

  /** The same, but `undefined` when the connection was lost on the way: it may have been carried out or not. */
  async tryRun(statement: Statement, values: readonly (string | null)[]): Promise<readonly Row[] | undefined> {
    this.expectOpen()
    for (let meetings = 0; ;) {
      try {
        return await this.#once(statement, values)
      } catch (error) {
        const trouble = troubleOf(error)
        if (trouble === 'lost') return undefined
        if (trouble === 'met' && ++meetings <= mostMeetings) continue
        if (this.#check !== undefined && isMissing(error)) await this.hold(this.#check)
        throw toStoreError(error)
      }
    }
  }

  /** Holds one connection for the length of `work`, which is closed rather than used again if the work fails. */
  async hold<T>(work: (client: PgClient) => Promise<T>): Promise<T> {
    this.expectOpen()
    const client = await this.#connect()
    try {
      const result = await work(client)
      client.release()
      return result
    } catch (error) {
      client.release(true)
      throw toStoreError(error)
    }
  }

  async #repeat(statement: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const rows = await this.tryRun(statement, values)
    if (rows !== undefined) return rows
    throw new StoreError('PostgreSQL: the connection was lost, twice in a row', { retryable: true })
  }

  async #once({ name, text }: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const client = await this.#connect()
    try {
      const named = this.#prepare ? { name, text } : { text }
      const { rows } = await client.query({ ...named, values, rowMode: 'array', types: asText })
      client.release()
      return rows
    } catch (error) {
      client.release(ends(troubleOf(error)))
      throw error
    }
  }

  async #connect(): Promise<PgClient> {
    try {
      const client = await this.#pool.connect()
      if (!this.#ready.has(client)) await this.#makeReady(client)
      return client
    } catch (error) {
      // Nothing was sent: whatever broke, it was not our statement.
      throw troubleOf(error) === 'final'
        ? error
        : new StoreError(toStoreError(error).message, { retryable: true, cause: error })
    }
  }

  async #makeReady(client: PgClient): Promise<void> {
    try {
      await client.query({ text: readCommitted, rowMode: 'array', types: asText })
      this.#ready.add(client)
    } catch (error) {
      client.release(true)
      throw error
    }
  }
}

function ends(trouble: Trouble): boolean {
  return trouble === 'lost' || trouble === 'away'
}
