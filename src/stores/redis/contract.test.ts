import { describe, inject, it } from 'vitest'

import { type Fixture, holdToContract } from '../../testing/contract/index.ts'
import { RedisStore } from './index.ts'

let namespaces = 0
const { url } = inject('redis')

for (const client of ['ioredis', 'redis'] as const) {
  holdToContract({ describe, it }, `redis through ${client}`, async () => await fixture(client), {
    transaction: 'a script cannot see what stands in a MULTI that has not run',
    connection: 'a MULTI answers nothing before it runs',
  })
}

async function fixture(client: 'ioredis' | 'redis'): Promise<Fixture> {
  const namespace = `contract-${process.pid}-${++namespaces}`
  const open: RedisStore[] = []
  return {
    store: await RedisStore.open({ url, client, namespace }),
    another: async () => {
      const store = await RedisStore.open({ url, client, namespace })
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
    },
  }
}
