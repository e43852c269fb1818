import { Client } from 'pg'
import { inject } from 'vitest'

import type { Fixture } from '../../src/testing/contract/index.ts'
import type { PostgresStore } from '../../src/stores/postgres/index.ts'

let made = 0

/** Stores in a schema of their own, which is dropped with the first. */
export async function inNewSchema(
  open: (url: string, schema: string) => Promise<{ readonly store: PostgresStore; close?(): unknown }>,
): Promise<Fixture> {
  const { url } = inject('postgres')
  const schema = `contract_${process.pid}_${++made}`
  const closing: (() => unknown)[] = []
  const another = async (): Promise<PostgresStore> => {
    const { store, close } = await open(url, schema)
    closing.push(() => close?.())
    return store
  }
  const client = async (): Promise<Client> => {
    const one = new Client(url)
    await one.connect()
    return one
  }
  return {
    store: await another(),
    begin: async () => {
      const tx = await client()
      closing.push(async () => await tx.end())
      await tx.query('begin')
      return {
        tx,
        commit: async () => void (await tx.query('commit')),
        rollback: async () => void (await tx.query('rollback')),
      }
    },
    another: async () => {
      const store = await another()
      closing.unshift(async () => await store.close())
      return store
    },
    close: async () => {
      for (const close of closing) await close()
      const last = await client()
      await last.query(`drop schema if exists ${schema} cascade`)
      await last.end()
    },
  }
}
