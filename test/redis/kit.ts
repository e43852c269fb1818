import { onTestFinished } from 'vitest'

import { type RedisOptions, RedisStore } from '../../src/stores/redis/index.ts'
import type { Bell } from '../../src/store.ts'
import { newPrefix } from '../servers/kit.ts'

export const clients = ['ioredis', 'redis'] as const

/** A store in a namespace of the test's own unless one is named, open for its length. */
export async function newStore(options: RedisOptions): Promise<RedisStore> {
  const store = await RedisStore.open({ namespace: newPrefix(), ...options })
  onTestFinished(() => store.close())
  await store.migrate()
  return store
}

/** Resolves at the next bell of that name that the store rings after this has resolved. */
export async function nextBell(store: RedisStore, wanted: Bell): Promise<{ readonly rung: Promise<void> }> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = await store.listen((bell) => {
    if (bell === wanted) resolve()
  })
  return { rung: promise.finally(end) }
}
