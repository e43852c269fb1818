import type { OwnTransaction } from '../../store.ts'
import { asText, type PgClient, type PgPool } from './pg.ts'
import { toStoreError } from './trouble.ts'

/** Begins a transaction on a connection of its own; it goes back to the pool at the end, or is closed if anything is wrong with it. */
export async function beginOn(pool: PgPool): Promise<OwnTransaction<PgClient>> {
  let client: PgClient
  try {
    client = await pool.connect()
  } catch (error) {
    throw toStoreError(error)
  }
  let over = false
  const end = async (text: string): Promise<void> => {
    if (over) return
    over = true
    try {
      await client.query({ text, rowMode: 'array', types: asText })
      client.release()
    } catch (error) {
      client.release(true)
      throw error
    }
  }
  try {
    await client.query({ text: 'begin', rowMode: 'array', types: asText })
  } catch (error) {
    client.release(true)
    throw toStoreError(error)
  }
  return {
    tx: client,
    async commit() {
      if (over) throw toStoreError(new Error('The transaction has ended'))
      try {
        await end('commit')
      } catch (error) {
        throw toStoreError(error)
      }
    },
    async rollback() {
      await end('rollback').catch(() => undefined) // a connection that is lost has rolled back by itself
    },
  }
}
