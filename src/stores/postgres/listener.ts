import { randomInt } from 'node:crypto'

import type { Bell } from '../../store.ts'
import { end, type PgListener } from '../pg/pg.ts'

export interface ListenerOptions {
  /** Makes a connection, not connected yet. */
  readonly make: () => PgListener
  readonly channel: string
  /** What our own notifications end with: those we need not hear. */
  readonly own: string
  readonly ring: (bell: Bell) => void
  /** How often the link is tried, in milliseconds: one that is half open looks like one on which nothing happens. */
  readonly heartbeatMs: number
}

/** The waits between attempts to listen again, in milliseconds: doubling from the first to the last, less up to a fifth at random. */
const firstWaitMs = 100
const lastWaitMs = 5_000

/**
 * Listens to one channel on one connection of its own, for as long as it lives, through every break: after one it rings all, for nobody
 * knows what was missed.
 */
export class Listener {
  readonly #options: ListenerOptions
  /** From its making until it is lost. */
  #client: PgListener | undefined
  #timer: NodeJS.Timeout | undefined
  #waitMs = firstWaitMs
  #ended = false

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Resolves once it listens, or has failed to for the first time and goes on trying. */
  async start(): Promise<void> {
    await this.#listen()
  }

  async end(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    if (client !== undefined) await end(client)
  }

  /** Whether it listens now. */
  async #listen(): Promise<boolean> {
    if (this.#ended) return false
    const { make, channel, own, ring } = this.#options
    const client = make()
    this.#client = client
    const lost = (): void => this.#lost(client)
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ channel: heard, payload = '' }) => {
      if (heard !== channel || payload.endsWith(own)) return
      ring(payload.startsWith('control') ? 'control' : 'jobs')
    })
    try {
      await client.connect()
      await client.query(`listen "${channel}"`)
    } catch {
      lost() // tried again, and polling goes on meanwhile
      return false
    }
    if (this.#client !== client) return false
    this.#waitMs = firstWaitMs
    this.#beat(client)
    return true
  }

  /** Once for each connection. */
  #lost(client: PgListener): void {
    if (this.#client !== client) return
    this.#client = undefined
    clearTimeout(this.#timer)
    void end(client)
    const waitMs = this.#waitMs - randomInt(Math.ceil(this.#waitMs / 5)) // not all programs at the same moment
    this.#waitMs = Math.min(this.#waitMs * 2, lastWaitMs)
    this.#timer = setTimeout(() => void this.#again(), waitMs)
  }

  async #again(): Promise<void> {
    if (!(await this.#listen())) return
    this.#options.ring('jobs')
    this.#options.ring('control')
  }

  #beat(client: PgListener): void {
    this.#timer = setTimeout(() => {
      client.query('select 1').then(
        () => {
          if (this.#client === client) this.#beat(client)
        },
        () => this.#lost(client),
      )
    }, this.#options.heartbeatMs)
    this.#timer.unref()
  }
}
