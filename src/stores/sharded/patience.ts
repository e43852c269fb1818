import { setTimeout as wait } from 'node:timers/promises'

import { StoreError } from '../../core/errors.ts'

/**
 * The answer, or a retryable StoreError if it has not come in time; what comes later is dropped.
 *
 * Not the runtime's clock: this is the wait for a lock or a network, not for a time, and a test with a manual clock must still get through it.
 */
export async function within<T>(ms: number, call: () => Promise<T>): Promise<T> {
  const callOff = new AbortController()
  const answer = call()
  const late = wait(ms, undefined, { signal: callOff.signal }).then(() => {
    throw new StoreError(`The store did not answer within ${ms} ms`, { retryable: true })
  })
  for (const one of [answer, late]) one.catch(() => undefined) // of the two, one comes too late for anybody to hear
  try {
    return await Promise.race([answer, late])
  } finally {
    callOff.abort()
  }
}
