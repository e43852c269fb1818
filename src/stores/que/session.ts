import { StoreError } from '../../core/errors.ts'
import { asText, end, type PgListener } from '../pg/pg.ts'
import type { Row } from '../pg/query.ts'
import { toStoreError, troubleOf } from '../pg/trouble.ts'

/** Runs one statement on the session. */
export type Ask = (text: string, values?: readonly (string | null)[]) => Promise<readonly Row[]>

/** It is not certain which locks the session holds: it is closed, and with it goes everything that it held. */
export class UncertainError extends StoreError {
  constructor(what: string, cause?: unknown) {
    super(`Que: ${what}; the connection that holds the locks is closed`, { retryable: true, cause })
  }
}

/** What whoever uses a session wants to hear of. */
export interface SessionEvents {
  /** Everything that was the session's, its locks above all, is gone. */
  readonly lost: () => void
  readonly notified: (channel: string) => void
}

/**
 * A look after a lock must see what others have done since the look before it. And compiling (jit) takes longer than any statement of ours
 * runs: 27 ms instead of 0.1 to find when the next job is due, on a small table that was never analysed.
 */
const toHoldLocks = 'set session characteristics as transaction isolation level read committed; set jit = off'

/**
 * The one connection that holds a store's locks, opened when it is first needed, and again after it was lost.
 *
 * What is done on it goes one after the other: locks are re-entrant, so two claims side by side would both win the same job. A connection of
 * which it is not certain what it holds is closed: the server then frees its locks.
 */
export class Session {
  readonly #make: () => PgListener
  readonly #events: SessionEvents
  #client: PgListener | undefined
  #last: Promise<unknown> = Promise.resolve()
  #ended = false

  constructor(make: () => PgListener, events: SessionEvents) {
    this.#make = make
    this.#events = events
  }

  /** Whether it is open, as far as is known. */
  get open(): boolean {
    return this.#client !== undefined
  }

  /** Does something on the connection that nothing else comes between. @throws StoreError */
  async turn<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => await this.#turn(work))
    this.#last = turn.catch(() => undefined) // its caller hears of it
    return await turn
  }

  /** Closes the connection, which frees its locks. */
  async end(): Promise<void> {
    this.#ended = true
    const client = this.#client
    if (client !== undefined) await this.#drop(client)
  }

  async #turn<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    if (this.#ended) throw new StoreError('Que: the store was closed', { retryable: false })
    const client = this.#client ?? (await this.#connect())
    const expectHeld = (): void => {
      if (this.#client !== client)
        throw new StoreError('Que: the connection that held the locks was lost', { retryable: true })
    }
    const ask: Ask = async (text, values = []) => {
      expectHeld()
      try {
        const { rows } = await client.query({ text, values, rowMode: 'array', types: asText })
        expectHeld() // the end may have come in one packet with the answer, and what was to be forgotten then would be kept for good
        return rows
      } catch (error) {
        if (['lost', 'moved', 'away'].includes(troubleOf(error))) void this.#drop(client)
        throw toStoreError(error)
      }
    }
    try {
      return await work(ask)
    } catch (error) {
      if (error instanceof UncertainError) await this.#drop(client)
      throw error
    }
  }

  async #connect(): Promise<PgListener> {
    const client = this.#make()
    const lost = (): void => void this.#drop(client)
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ channel }) => this.#events.notified(channel))
    try {
      await client.connect()
      await client.query(toHoldLocks)
    } catch (error) {
      void end(client)
      throw new StoreError(toStoreError(error).message, { retryable: troubleOf(error) !== 'final', cause: error })
    }
    if (this.#ended) {
      void end(client)
      throw new StoreError('Que: the store was closed', { retryable: false })
    }
    this.#client = client
    return client
  }

  /** Once for each connection, whoever notices first. */
  async #drop(client: PgListener): Promise<void> {
    if (this.#client !== client) return
    this.#client = undefined
    this.#events.lost()
    await end(client)
  }
}
