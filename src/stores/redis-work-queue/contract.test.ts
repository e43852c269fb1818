import { describe, inject, it } from 'vitest'

import { type Fixture, guestContract, holdToContract } from '../../testing/contract/index.ts'
import { RedisWorkQueueStore } from './index.ts'

let prefixes = 0
const { url } = inject('redis')

for (const client of ['ioredis', 'redis'] as const) {
  holdToContract(
    { describe, it },
    `redis-work-queue through ${client}`,
    async () => await fixture(client),
    {
      schedule: 'an item has no time',
      priority: 'the queue is a list',
      concurrency: 'an item has no key but its id',
      retain: 'an item that is completed is gone',
      cancel: 'nobody would hear of it',
      pause: 'there is no key for it',
      limits: 'there is no key for them',
      policy: 'an item is its data, and nothing else',
      logs: 'there are no keys for lines',
      workers: 'there are no keys for workers',
      transaction: 'a script cannot see what stands in a MULTI that has not run',
      connection: 'a MULTI answers nothing before it runs',
      names: 'a prefix is one queue of one task',
      queues: 'a prefix is one queue of one task',
      failures: 'nobody keeps them',
      attempts: 'nobody counts them',
    },
    guestContract,
  )
}

async function fixture(client: 'ioredis' | 'redis'): Promise<Fixture> {
  const prefix = `contract-${process.pid}-${++prefixes}`
  const open: RedisWorkQueueStore[] = []
  const another = async (): Promise<RedisWorkQueueStore> => {
    const store = await RedisWorkQueueStore.open({ url, client, prefix, task: 'mail', queue: 'mail' })
    open.push(store)
    return store
  }
  return {
    store: await another(),
    another,
    close: async () => {
      for (const one of open) await one.close()
    },
  }
}
