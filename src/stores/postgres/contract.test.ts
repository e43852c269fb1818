import pg from 'pg'
import { describe, it } from 'vitest'

import { type Fixture, holdToContract } from '../../testing/contract/index.ts'
import { PostgresStore } from './index.ts'

const url = 'postgres://postgres@127.0.0.1:54329/postgres'
let n = 0

holdToContract({ describe, it }, 'postgres', inSchema, {})

async function inSchema(): Promise<Fixture> {
  const schema = `c${process.pid}_${++n}`
  const open: { close(): unknown }[] = []
  return {
    store: await PostgresStore.open(url, { schema }),
    begin: async () => {
      const client = new pg.Client(url)
      await client.connect()
      open.push({ close: () => client.end() })
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
      const client = new pg.Client(url)
      await client.connect()
      await client.query(`drop schema if exists ${schema} cascade`)
      await client.end()
    },
  }
}
