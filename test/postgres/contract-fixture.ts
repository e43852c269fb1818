import { Client } from 'pg'
import { afterAll, inject } from 'vitest'

import type { PostgresStore } from '../../src/stores/postgres/index.ts'
import type { Fixture } from '../../src/testing/contract/index.ts'
import { callersTransaction } from '../servers/callers-transaction.ts'

/** Opens a store on a schema, and says what else is to be closed with it. */
export type OpenStore = (url: string, schema: string) => Promise<{ readonly store: PostgresStore; close?(): unknown }>

let made = 0

/** Stores in a schema that is as good as new: fresh, or, where the tables may be there already, one that was used and emptied. */
export function fixtures(open: OpenStore, { fresh }: { readonly fresh: boolean }): () => Promise<Fixture> {
  const { url } = inject('postgres')
  const free: string[] = []
  const connect = async (): Promise<Client> => {
    const client = new Client(url)
    await client.connect()
    return client
  }
  const drop = async (schemas: readonly string[]): Promise<void> => {
    const client = await connect()
    for (const schema of schemas) await client.query(`drop schema if exists ${schema} cascade`)
    await client.end()
  }
  const empty = async (schema: string): Promise<void> => {
    const client = await connect()
    const tables = ['worker', 'log', 'job', 'tally', 'lane', 'queue']
    await client.query(tables.map((table) => `delete from ${schema}.${table}`).join(';'))
    await client.end()
    free.push(schema)
  }
  afterAll(async () => await drop(free))
  return async () => {
    const schema = free.pop() ?? `contract_${process.pid}_${++made}`
    const closing: (() => unknown)[] = []
    const openOne = async (): Promise<PostgresStore> => {
      const { store, close } = await open(url, schema)
      closing.push(async () => {
        await store.close()
        await close?.()
      })
      return store
    }
    return {
      store: await openOne(),
      another: openOne,
      begin: async () => await callersTransaction(url, (close) => closing.push(close)),
      close: async () => {
        for (const close of closing) await close()
        await (fresh ? drop([schema]) : empty(schema))
      },
    }
  }
}
