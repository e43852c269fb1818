import { randomFillSync } from 'node:crypto'

import type { Instant } from '../../core/job.ts'

/**
 * Makes ids as backlite does: UUIDs of version 7, lower case, which sort in the order they were made in. Behind the milliseconds 12 bits
 * count on, so that two of one maker never stand in the wrong order, even when the clock does not move.
 */
export class Uuids {
  #last = 0n
  readonly #random = new Uint8Array(8)

  next(now: Instant): string {
    const at = BigInt(Math.min(Math.max(now, 0), 2 ** 48 - 1)) << 12n
    this.#last = at > this.#last ? at : this.#last + 1n
    const time = (this.#last >> 12n).toString(16).padStart(12, '0')
    const count = (this.#last & 0xfffn).toString(16).padStart(3, '0')
    randomFillSync(this.#random)
    this.#random[0] = ((this.#random[0] ?? 0) & 0x3f) | 0x80 // the variant
    const rest = Buffer.from(this.#random).toString('hex')
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${rest.slice(0, 4)}-${rest.slice(4)}`
  }
}
