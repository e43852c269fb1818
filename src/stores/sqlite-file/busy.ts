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

/**
 * The calls of one store that write: while some wait for the file's lock, all that come stand in line behind them, and only the first of
 * the line tries. However many wait, the event loop is blocked for no longer than by one, and they go on in the order they came.
 */
export class Line {
  readonly #busyMs: number
  #last: Promise<unknown> | undefined

  constructor(busyMs: number) {
    this.#busyMs = busyMs
  }

  /** Whether any call waits. */
  get standing(): boolean {
    return this.#last !== undefined
  }

  /** As the function of that name, in turn. Each call waits up to `busyMs` from when it was made. */
  whenFree<T>(attempt: () => T): Awaitable<T> {
    const first = this.#last === undefined ? whenFree(attempt, this.#busyMs) : this.#behind(this.#last, attempt)
    if (!(first instanceof Promise)) return first
    const settled = first.then(
      () => undefined,
      () => undefined,
    )
    this.#last = settled
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined
    })
    return first
  }

  async #behind<T>(before: Promise<unknown>, attempt: () => T): Promise<T> {
    const end = performance.now() + this.#busyMs
    await before
    return await whenFree(attempt, Math.max(1, end - performance.now()))
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
