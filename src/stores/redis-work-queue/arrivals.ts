import type { Wire } from '../redis-client/wire.ts'
import { within } from './within.ts'

/** How long one question to the server may wait for its answer, in seconds, and how soon it is asked again after trouble, in milliseconds. */
const waitSeconds = '2'
const againAfterMs = 500

/**
 * Is told when something comes into an empty queue, on a connection of its own, whoever pushed it.
 *
 * It moves the last id of the queue to where it is already, and waits while there is none: so nothing is changed, and nothing taken, but Redis
 * answers as soon as somebody pushes. A queue that is not empty would answer at once: it is asked only when one has been found empty.
 */
export class Arrivals {
  readonly #wire: Wire
  readonly #prefix: string
  readonly #ring: () => void
  #connection: Wire | undefined
  #waiting: Promise<void> | undefined
  readonly #end = new AbortController()

  constructor(wire: Wire, prefix: string, ring: () => void) {
    this.#wire = wire
    this.#prefix = prefix
    this.#ring = ring
  }

  /** Rings once, when the queue is not empty any more. A second call while it waits does nothing. */
  await(): void {
    if (!this.#end.signal.aborted)
      this.#waiting ??= this.#wait().finally(() => {
        this.#waiting = undefined
        if (!this.#end.signal.aborted) this.#ring()
      })
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#connection?.close()
    await this.#waiting
  }

  /** Also ends when the connection breaks, a little later: something may have come in the meantime. */
  async #wait(): Promise<void> {
    const queue = `${this.#prefix}:queue`
    try {
      this.#connection ??= this.#wire.another()
      await this.#connection.connect()
      while (!this.#end.signal.aborted) {
        const args = [queue, queue, 'RIGHT', 'RIGHT', waitSeconds]
        if (!isNothing(await this.#connection.send(this.#prefix, 'BLMOVE', args))) return
      }
    } catch {
      // Whoever claims next will say what is wrong.
      await within(new Promise<void>(() => undefined), againAfterMs, this.#end.signal).catch(() => undefined)
    }
  }
}

function isNothing(answer: unknown): boolean {
  return answer === null || answer === undefined
}
