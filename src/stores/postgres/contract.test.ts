import { Client } from 'pg'
import { describe, inject, it } from 'vitest'

import { type Fixture, holdToContract } from '../../testing/contract/index.ts'
import { PostgresStore } from './index.ts'

const { url } = inject('postgres')
let made = 0

holdToContract({ describe, it }, 'postgres', async () => await inNewSchema(), {
  pipeline: 'a transaction of the caller does it, and gives answers',
})

/** A store in a schema of its own, which is dropped with it. */
async function inNewSchema(): Promise<Fixture> {
  const schema = `contract_${process.pid}_${++made}`
  const open: { close(): unknown }[] = []
  return {
    store: await PostgresStore.open(url, { schema }),
    begin: async () => {
      const client = await connect()
      open.push({ close: async () => await client.end() })
      await client.query('begin')
      return {
        tx: client,
        commit: async () => void (await client.query('commit')),
        rollback: async () => void (await client.query('rollback')),
      }
    },
    another: async () => {
      const store = await PostgresStore.open(url, { schema })
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
      const client = await connect()
      await client.query(`drop schema if exists ${schema} cascade`)
      await client.end()
    },
  }
}

async function connect(): Promise<Client> {
  const client = new Client(url)
  await client.connect()
  return client
}
