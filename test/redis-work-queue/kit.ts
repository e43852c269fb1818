import { Redis } from 'ioredis'
import { inject, onTestFinished } from 'vitest'

import { type Jobs, open, type OptionsFor } from '../../src/index.ts'
import { type RedisWorkQueueOptions, RedisWorkQueueStore, WorkQueue } from '../../src/stores/redis-work-queue/index.ts'
import { newPrefix } from '../servers/kit.ts'

/** A key as the fixtures write it: the value of a string in base64, the ids of a list from its left end. */
export interface Key {
  readonly type: string
  readonly value: string | readonly string[]
  readonly expires: boolean
}

export type Keys = Readonly<Record<string, Key>>

/** A prefix of the test's own, and a connection of nobody's to look at its keys. */
export interface Queue {
  readonly url: string
  readonly prefix: string
  readonly client: Redis
  store(options?: Partial<RedisWorkQueueOptions>): Promise<RedisWorkQueueStore>
  jobs(options?: OptionsFor<'redis-work-queue:x'>): Promise<Jobs>
  workQueue(): Promise<WorkQueue>
  /** Every key below the prefix, without it: `:queue`, `:item:a`. */
  keys(): Promise<Keys>
  /** Makes exactly these keys. */
  load(keys: Keys): Promise<void>
  /** The ids of a list from its left end. */
  ids(list: 'queue' | 'processing'): Promise<readonly string[]>
}

export async function newQueue(url: string = inject('redis').url, prefix: string = newPrefix()): Promise<Queue> {
  const client = new Redis(url)
  onTestFinished(() => client.disconnect())
  return {
    url,
    prefix,
    client,
    store: async (options = {}) => {
      const store = await RedisWorkQueueStore.open({ url, prefix, ...options })
      onTestFinished(() => store.close())
      return store
    },
    jobs: async (options = {}) => {
      const jobs = await open(`redis-work-queue:${url}`, { prefix, logger: false, ...options })
      onTestFinished(() => jobs.close({ grace: 0 }))
      return jobs
    },
    workQueue: async () => {
      const queue = await WorkQueue.open({ url, prefix })
      onTestFinished(() => queue.close())
      return queue
    },
    keys: async () => await keysOf(client, prefix),
    load: async (keys) => {
      const old = await client.keys(`${prefix}:*`)
      if (old.length > 0) await client.del(...old)
      for (const [name, key] of Object.entries(keys)) await make(client, prefix + name, key)
    },
    ids: async (list) => await client.lrange(`${prefix}:${list}`, 0, -1),
  }
}

async function keysOf(client: Redis, prefix: string): Promise<Keys> {
  const names = (await client.keys(`${prefix}:*`)).toSorted()
  const keys: Record<string, Key> = {}
  for (const name of names) {
    const type = await client.type(name)
    const value =
      type === 'list' ? await client.lrange(name, 0, -1) : ((await client.getBuffer(name))?.toString('base64') ?? '')
    keys[name.slice(prefix.length)] = { type, value, expires: (await client.pttl(name)) >= 0 }
  }
  return keys
}

async function make(client: Redis, name: string, { value, expires }: Key): Promise<void> {
  if (typeof value !== 'string') await client.rpush(name, ...value)
  else if (expires) await client.set(name, Buffer.from(value, 'base64'), 'EX', 30)
  else await client.set(name, Buffer.from(value, 'base64'))
}
