import { setTimeout as sleep } from 'node:timers/promises'

import { StoreError } from '../../src/index.ts'

/** Tries again, and again, what fails because the server is away: somebody has crashed it, and is starting it. */
export async function insistently<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      await sleep(50)
    }
  }
}
