import { StoreError, UsageError } from '../../core/errors.ts'
import type { Connections } from './connections.ts'
import { asText, type PgClient } from './pg.ts'
import type { Row } from './query.ts'
import { lacksTables, toStoreError, troubleOf } from './trouble.ts'

/** A statement of ours; its name is that under which the server keeps it prepared. */
export interface Statement {
  readonly name: string
  readonly text: string
  /** The server breaks it off after so long. */
  readonly withinMs?: number | undefined
}

/** How often a transaction that met another, and was undone for it, is tried again. */
const mostMeetings = 10

/** Runs statements on the connections of a pool, each a transaction of its own. Whatever fails leaves as a StoreError. */
export class Link {
  readonly #connections: Connections
  readonly #prepare: boolean
  readonly #name: string
  readonly #check: ((client: PgClient) => Promise<void>) | undefined
  /**
   * Whether the database's default is another isolation than ours, which is found out when a transaction fails by it: from then on each
   * says which it wants. Statements of ours look at what others have done while they waited, and with an older view of it would be
   * undone again and again.
   */
  #saysIsolation = false
  #closed = false

  /**
   * @param name of the store, for messages
   * @param check throws what is wrong with the tables: asked when a statement did not find what it is about
   */
  constructor(connections: Connections, prepare: boolean, name: string, check?: (client: PgClient) => Promise<void>) {
    this.#connections = connections
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
    for (let failures = 1, moves = 0; ; failures++) {
      try {
        return await this.#once(statement, values)
      } catch (error) {
        switch (troubleOf(error)) {
          case 'lost':
            return undefined
          case 'isolated':
            this.#saysIsolation = true
            if (failures > mostMeetings) throw toStoreError(error)
            break
          case 'met':
            if (failures > mostMeetings) throw toStoreError(error)
            break
          case 'moved': // nothing was done; a new connection may lead to the right server
            if (++moves > 1) throw toStoreError(error)
            break
          case 'away':
          case 'later':
            throw toStoreError(error)
          case 'final':
            if (this.#check !== undefined && lacksTables(error)) await this.hold(this.#check)
            throw toStoreError(error)
        }
      }
    }
  }

  /** Holds one connection for the length of `work`, which is closed rather than used again if the work fails. */
  async hold<T>(work: (client: PgClient) => Promise<T>): Promise<T> {
    this.expectOpen()
    const client = await this.#connect()
    try {
      const result = await work(client)
      this.#connections.give(client)
      return result
    } catch (error) {
      this.#connections.drop(client) // a transaction may be open on it
      throw toStoreError(error)
    }
  }

  async #repeat(statement: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const rows = await this.tryRun(statement, values)
    if (rows !== undefined) return rows
    throw new StoreError('PostgreSQL: the connection was lost, twice in a row', { retryable: true })
  }

  async #once(statement: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const client = await this.#connect()
    try {
      const rows =
        this.#saysIsolation || statement.withinMs !== undefined
          ? await this.#inTransaction(client, statement, values)
          : await this.#ask(client, statement, values)
      this.#connections.give(client)
      return rows
    } catch (error) {
      this.#drop(client, error)
      throw error
    }
  }

  async #ask(client: PgClient, { name, text }: Statement, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const named = this.#prepare ? { name, text } : { text }
    const { rows } = await client.query({ ...named, values, rowMode: 'array', types: asText })
    return rows
  }

  async #inTransaction(
    client: PgClient,
    statement: Statement,
    values: readonly (string | null)[],
  ): Promise<readonly Row[]> {
    const say = async (text: string): Promise<unknown> => await client.query({ text, rowMode: 'array', types: asText })
    await say('begin isolation level read committed')
    try {
      if (statement.withinMs !== undefined) await say(`set local statement_timeout = ${Math.ceil(statement.withinMs)}`)
      const rows = await this.#ask(client, statement, values)
      await say('commit')
      return rows
    } catch (error) {
      await say('rollback').catch(() => undefined) // the first error says more
      throw error
    }
  }

  #drop(client: PgClient, error: unknown): void {
    switch (troubleOf(error)) {
      case 'lost':
      case 'moved':
      case 'away':
        return this.#connections.drop(client, 'lost')
      case 'met':
      case 'isolated':
      case 'later':
      case 'final':
        return this.#connections.give(client)
    }
  }

  async #connect(): Promise<PgClient> {
    try {
      return await this.#connections.take()
    } catch (error) {
      // Nothing was sent: whatever broke, it was not our statement.
      const { message } = toStoreError(error)
      throw new StoreError(message, { retryable: troubleOf(error) !== 'final', cause: error })
    }
  }
}
