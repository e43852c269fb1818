import { StoreError, UsageError } from '../../core/errors.ts'
import type { OwnTransaction } from '../../store.ts'
import type { Connections } from './connections.ts'
import { asText, type PgClient } from './pg.ts'
import { toStoreError, troubleOf } from './trouble.ts'

export interface OwnTransactionsOptions {
  /** How many there may be at a time. */
  readonly most: number
  /** How long the server may take to begin one, and to end one, in milliseconds. What is done in between may take as long as it likes. */
  readonly timeoutMs: number
}

/** Transactions of the store's own making, each on a connection that is used for nothing else meanwhile. */
export class OwnTransactions {
  readonly #connections: Connections
  readonly #options: OwnTransactionsOptions
  readonly #open = new Set<() => void>()
  #waiting: { readonly go: () => void; readonly refuse: (error: Error) => void }[] = []
  #begun = 0

  constructor(connections: Connections, options: OwnTransactionsOptions) {
    this.#connections = connections
    this.#options = options
  }

  /** Waits for its turn. The connection goes back to the pool at the end, or is closed if anything is wrong with it. */
  async begin(): Promise<OwnTransaction<PgClient>> {
    await this.#turn()
    let client: PgClient
    try {
      client = await this.#begin()
    } catch (error) {
      this.#next()
      throw error
    }
    let over = false
    const release = (broken: boolean): void => {
      over = true
      this.#open.delete(abandon)
      if (broken) this.#connections.drop(client)
      else this.#connections.give(client)
      this.#next()
    }
    const abandon = (): void => release(true)
    const end = async (text: string): Promise<void> => {
      over = true
      try {
        await this.#ask(client, text)
      } catch (error) {
        release(true)
        throw toStoreError(error)
      }
      release(false)
    }
    this.#open.add(abandon)
    return {
      tx: client,
      async commit() {
        if (over)
          throw new StoreError('PostgreSQL: the transaction has ended; nothing was committed', { retryable: false })
        await end('commit')
      },
      async rollback() {
        if (!over) await end('rollback').catch(() => undefined) // a connection that is lost has rolled back by itself
      },
    }
  }

  /** Closes the connections of all that are open: the server rolls them back. Those that wait are refused. */
  abandon(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { refuse } of waiting) refuse(new UsageError('The postgres store is closed.'))
    for (const abandon of this.#open) abandon()
  }

  /** Tries again when the connection was lost: nothing had been done on it. */
  async #begin(): Promise<PgClient> {
    return (await this.#tryBegin()) ?? (await this.#tryBegin()) ?? lostTwice()
  }

  async #tryBegin(): Promise<PgClient | undefined> {
    const client = await this.#connect()
    try {
      await this.#ask(client, 'begin')
      return client
    } catch (error) {
      const lost = troubleOf(error) === 'lost'
      this.#connections.drop(client, lost ? 'lost' : undefined)
      if (lost) return undefined
      throw toStoreError(error)
    }
  }

  async #connect(): Promise<PgClient> {
    try {
      return await this.#connections.take()
    } catch (error) {
      throw toStoreError(error)
    }
  }

  /** Not the pool's, which lets nobody wait for longer than for a new connection. */
  async #turn(): Promise<void> {
    if (this.#begun < this.#options.most) {
      this.#begun++
      return
    }
    await new Promise<void>((resolve, reject) => this.#waiting.push({ go: resolve, refuse: reject }))
  }

  #next(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#begun--
    else next.go()
  }

  async #ask(client: PgClient, text: string): Promise<void> {
    await client.query({ text, rowMode: 'array', types: asText, query_timeout: this.#options.timeoutMs })
  }
}

function lostTwice(): never {
  throw new StoreError('PostgreSQL: the connection was lost, twice in a row', { retryable: true })
}
