import { randomBytes, randomUUID } from 'node:crypto'

/** What a lease is that we keep on an item until its next run; `frame.ts` knows it by these words. */
const waiting = 'jobferry-waits:'

/** One session: the beginning of the leases of one store. Nobody reads them but us; the protocol asks only that there be one. */
export class Session {
  readonly #id: string = randomUUID()

  /** The lease of a claim, by its token. */
  lease(token: string): string {
    return `${this.#id}:${token}`
  }

  /** A lease that keeps an item waiting, each unlike any other. */
  waiting(): string {
    return `${waiting}${this.#id}:${randomBytes(6).toString('base64url')}`
  }
}

export function keepsWaiting(lease: string): boolean {
  return lease.startsWith(waiting)
}
