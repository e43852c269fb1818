import { onTestFinished } from 'vitest'

import { type Jobs, open, type OpenOptions, type StoreError } from '../../src/index.ts'
import type { PostgresOptions } from '../../src/stores/postgres/options.ts'
import { type PostgresTimes, PostgresStore } from '../../src/stores/postgres/store.ts'

/** Opens a store for the length of the test, its tables made. */
export async function openStore(
  url: string,
  options: PostgresOptions = {},
  times: PostgresTimes = {},
): Promise<PostgresStore> {
  const store = await PostgresStore.open(url, options, times)
  onTestFinished(() => store.close())
  await store.migrate()
  return store
}

/** Opens jobs for the length of the test, in silence. */
export async function openJobs(url: string, options: OpenOptions = {}): Promise<Jobs> {
  const jobs = await open(url, { logger: false, ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<StoreError> {
  return await promise.then(
    (value) => {
      throw new Error(`Expected a rejection, got ${JSON.stringify(value)}`)
    },
    (error: unknown) => error as StoreError,
  )
}

/** How many sockets of this process lead to a port. */
export function sockets(port: number): number {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): { remotePort?: number }[] }
  return handles.call(process).filter(({ remotePort }) => remotePort === port).length
}
