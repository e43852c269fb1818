import { StoreError } from '../../core/errors.ts'
import type { OwnTransaction } from '../../store.ts'
import { asText, type PgClient, type PgPool } from './pg.ts'
import { toStoreError } from './trouble.ts'

/** Transactions of the store's own making, each on a connection that is used for nothing else meanwhile. */
export class OwnTransactions {
  readonly #pool: PgPool
  readonly #open = new Set<() => void>()

  constructor(pool: PgPool) {
    this.#pool = pool
  }

  /** The connection goes back to the pool at the end, or is closed if anything is wrong with it. */
  async begin(): Promise<OwnTransaction<PgClient>> {
    const client = await this.#connect()
    let over = false
    const release = (broken: boolean): void => {
      over = true
      this.#open.delete(abandon)
      client.release(broken)
    }
    const abandon = (): void => release(true)
    const end = async (text: string): Promise<void> => {
      over = true
      try {
        await ask(client, text)
      } catch (error) {
        release(true)
        throw toStoreError(error)
      }
      release(false)
    }
    this.#open.add(abandon)
    await ask(client, 'begin').catch((error: unknown) => {
      release(true)
      throw toStoreError(error)
    })
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

  /** Closes the connections of all that are open: the server rolls them back. */
  abandon(): void {
    for (const abandon of this.#open) abandon()
  }

  async #connect(): Promise<PgClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw toStoreError(error)
    }
  }
}

async function ask(client: PgClient, text: string): Promise<void> {
  await client.query({ text, rowMode: 'array', types: asText })
}
