import { randomBytes } from 'node:crypto'

import { Client, Pool } from 'pg'

import { PostgresStore } from '../../src/stores/postgres/index.ts'
import type { Fixture } from '../../src/testing/contract/index.ts'

/** PostgreSQL stores that come one after the other, in one schema: to make and drop one for each would take most of the time. */
export interface Subjects extends AsyncDisposable {
  /** An empty store on connections that stay open from one to the next. */
  readonly open: () => Promise<Fixture>
  /** The same, which can be opened twice. */
  readonly openTwice: () => Promise<Fixture>
}

/** Makes a schema and the tables in it, which are emptied for every store, and dropped at the end. */
export async function postgresSubjects(url: string): Promise<Subjects> {
  const schema = `model_${randomBytes(8).toString('hex')}`
  const pool = new Pool({ connectionString: url, max: 5 })
  const store = async (): Promise<PostgresStore> => await PostgresStore.open(url, { schema, pool })
  const first = await store()
  await first.migrate()
  await first.close()
  const open = async (): Promise<Fixture> => {
    await pool.query(`truncate ${tables.map((table) => `${schema}.${table}`).join(', ')} restart identity`)
    return { store: await store() }
  }
  return {
    open,
    openTwice: async () => {
      const { store: one } = await open()
      const others: { close(): Promise<unknown> }[] = []
      return {
        store: one,
        begin: async () => {
          const tx = new Client(url)
          await tx.connect()
          others.push({ close: () => tx.end() })
          await tx.query('begin')
          return {
            tx,
            commit: async () => void (await tx.query('commit')),
            rollback: async () => void (await tx.query('rollback')),
          }
        },
        another: async () => {
          const another = await store()
          others.push(another)
          return another
        },
        close: async () => {
          for (const other of others) await other.close()
        },
      }
    },
    [Symbol.asyncDispose]: async () => {
      await pool.query(`drop schema if exists ${schema} cascade`)
      await pool.end()
    },
  }
}

/** What a store changes, but for the number of its installation. */
const tables = ['job', 'lane', 'queue', 'tally', 'log', 'worker']
