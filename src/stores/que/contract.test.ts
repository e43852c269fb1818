import { Client } from 'pg'
import { afterAll, describe, inject, it } from 'vitest'

import { queSchema, type QueVersion } from '../../../test/que/schema.ts'
import { callersTransaction } from '../../../test/servers/callers-transaction.ts'
import { type Fixture, guestContract, holdToContract } from '../../testing/contract/index.ts'
import { QueStore } from './index.ts'

const { url } = inject('postgres')
let made = 0

const lacks = {
  dedupe: 'no column for a key',
  concurrency: 'no column for a key',
  retain: 'nothing says until when a finished job is kept',
  cancel: 'nobody would hear of it',
  pause: 'no table of queues',
  limits: 'no table of queues',
  policy: 'no column for what a job asks for itself',
  logs: 'no table of lines',
  workers: 'no table of workers',
  pipeline: 'PostgreSQL has none',
} as const

for (const version of [3, 4, 5, 6, 7] as const)
  holdToContract(
    { describe, it },
    `que ${version}`,
    async () => await inOwnDatabase(version),
    version === 3 ? { ...lacks, listen: 'version 3 notifies nobody' } : lacks,
    guestContract,
  )

const free = new Map<QueVersion, string[]>()
afterAll(async () => {
  for (const name of [...free.values()].flat()) await execute(url, `drop database ${name} with (force)`)
})

/** A store in a database of its own, as advisory locks know no schemas: a new one, or one that was used and emptied. */
async function inOwnDatabase(version: QueVersion): Promise<Fixture> {
  const used = free.get(version)?.pop()
  const name = used ?? `que_contract_${process.pid}_${++made}`
  const own = Object.assign(new URL(url), { pathname: `/${name}` }).href
  if (used === undefined) {
    await execute(url, `create database ${name}`)
    await execute(own, queSchema(version))
  }
  const open: { close(): unknown }[] = []
  return {
    store: await QueStore.open(`que:${own}`),
    begin: async () => await callersTransaction(own, (close) => open.push({ close })),
    another: async () => {
      const store = await QueStore.open(`que:${own}`)
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
      await execute(own, 'truncate que_jobs restart identity')
      free.set(version, [...(free.get(version) ?? []), name])
    },
  }
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
