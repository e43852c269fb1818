import { setTimeout as wait } from 'node:timers/promises'

import type { Awaitable } from '../../store.ts'
import { isBusy } from './connection.ts'

/**
 * Runs a transaction, and again for as long as somebody else holds the file's lock, up to `busyMs` in all.
 *
 * The first try answers at once. SQLite's own waiting would block the event loop, and with it the renewal of leases; so beyond a moment
 * the waiting is done here, between turns of the loop, with steps of 5 to 50 ms. Not the runtime's clock: this is the wait for a lock, not
 * for a time, and a test with a manual clock must still get through it.
 */
export function whenFree<T>(attempt: () => T, busyMs: number): Awaitable<T> {
  try {
    return attempt()
  } catch (error) {
    if (!isBusy(error) || busyMs <= 0) throw error
    return again(attempt, performance.now() + busyMs)
  }
}

async function again<T>(attempt: () => T, end: number): Promise<T> {
  for (let stepMs = 5; ; stepMs = Math.min(stepMs * 2, 50)) {
    await wait(stepMs)
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= end) throw error
    }
  }
}
