import { Client } from 'pg'
import { afterAll, describe, inject, it } from 'vitest'

import { sqlqSchema } from '../../../test/sqlq/schema.ts'
import { callersTransaction } from '../../../test/servers/callers-transaction.ts'
import { type Fixture, guestContract, holdToContract } from '../../testing/contract/index.ts'
import { SqlqStore } from './index.ts'

const { url } = inject('postgres')
const database = `sqlq_contract_${process.pid}`
let made: Promise<string> | undefined

afterAll(async () => await execute(url, `drop database if exists ${database} with (force)`))

holdToContract(
  { describe, it },
  'sqlq',
  inEmptySchema,
  {
    dedupe: 'no column for a key',
    concurrency: 'no column for a key',
    pause: 'no column for it',
    turns: 'jobs go in the order they were added',
    workers: 'no table of workers',
    pipeline: 'PostgreSQL has none',
    listen: 'sqlq notifies nobody',
  },
  guestContract,
)

/** A store on sqlq's own schema, emptied. Its name is fixed, so the cases of this file share one database, one after the other. */
async function inEmptySchema(): Promise<Fixture> {
  const own = await (made ??= inNewDatabase())
  await execute(own, 'truncate sqlq.queues cascade')
  const open: { close(): unknown }[] = []
  return {
    store: await SqlqStore.open(`sqlq:${own}`),
    begin: async () => await callersTransaction(own, (close) => open.push({ close })),
    another: async () => {
      const store = await SqlqStore.open(`sqlq:${own}`)
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
    },
  }
}

async function inNewDatabase(): Promise<string> {
  await execute(url, `create database ${database}`)
  const own = Object.assign(new URL(url), { pathname: `/${database}` }).href
  await execute(own, sqlqSchema)
  return own
}

async function connect(to: string): Promise<Client> {
  const client = new Client(to)
  await client.connect()
  return client
}

async function execute(to: string, sql: string): Promise<void> {
  const client = await connect(to)
  await client.query(sql)
  await client.end()
}
