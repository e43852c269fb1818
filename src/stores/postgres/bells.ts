import type { Bell } from '../../store.ts'
import { Listener } from './listener.ts'
import type { PgListener } from '../pg/pg.ts'

export interface BellsOptions {
  readonly channel: string
  /** Tells our own notifications from those of others: we ring for ourselves at once. */
  readonly sign: string
  /** Whether others are told. */
  readonly notify: boolean
  /** Makes a connection to listen on; nobody listens without. */
  readonly listener: (() => PgListener) | undefined
  /** How often the link of the listener is tried, in milliseconds. */
  readonly heartbeatMs: number
}

/** The bells of one store: whom to ring for what it does itself, the words to ring others with, and the ear for theirs. */
export class Bells {
  readonly channel: string
  readonly #options: BellsOptions
  readonly #rings = new Set<(bell: Bell) => void>()
  #listener: Listener | undefined
  #listening: Promise<void> | undefined

  constructor(options: BellsOptions) {
    this.#options = options
    this.channel = options.channel
  }

  /** What to notify others with; null for silence. */
  word(bell: Bell): string | null {
    return this.#options.notify ? `${bell} ${this.#options.sign}` : null
  }

  ring(bell: Bell): void {
    for (const ring of this.#rings) ring(bell)
  }

  /** Resolves once it hears others, or has failed to for the first time and goes on trying. */
  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    const own = (bell: Bell): void => ring(bell)
    this.#rings.add(own)
    const { listener, sign, heartbeatMs } = this.#options
    if (listener !== undefined && this.#listener === undefined) {
      this.#listener = new Listener({
        make: listener,
        channel: this.channel,
        own: ` ${sign}`,
        ring: (bell) => this.ring(bell),
        heartbeatMs,
      })
      this.#listening = this.#listener.start()
    }
    await this.#listening
    return () => void this.#rings.delete(own)
  }

  async end(): Promise<void> {
    this.#rings.clear()
    await this.#listener?.end()
  }
}
