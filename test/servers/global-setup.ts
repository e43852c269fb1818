import type { TestProject } from 'vitest/node'

import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The PostgreSQL server of this run. A test makes a schema or a database of its own on it, by `kit.ts`, and never stops it. */
    readonly postgres: { readonly url: string; readonly port: number; readonly version: string }
    /** The Redis server of this run. A test keeps to a prefix of its own, by `kit.ts`, and neither stops nor empties it. */
    readonly redis: { readonly url: string; readonly port: number }
  }
}

/** Starts one PostgreSQL and one Redis for the whole run, which takes a second, and ends them after it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const starting = [startPostgres(), startRedis()] as const
  try {
    const [postgres, redis] = await Promise.all(starting)
    project.provide('postgres', { url: postgres.url, port: postgres.port, version: postgres.version })
    project.provide('redis', { url: redis.url, port: redis.port })
  } catch (error) {
    await end(starting)
    throw error
  }
  return () => end(starting)
}

async function end(starting: readonly Promise<AsyncDisposable>[]): Promise<void> {
  for (const started of await Promise.allSettled(starting))
    if (started.status === 'fulfilled') await started.value[Symbol.asyncDispose]()
}
