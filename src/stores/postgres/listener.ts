import type { Bell } from '../../store.ts'
import type { PgListener } from '../pg/pg.ts'

/** How often the link is tried, in milliseconds: one that is half open looks like one on which nothing happens. */
const heartbeatMs = 10_000

/** The waits between attempts to listen again, in milliseconds: doubling from the first to the last. */
const firstWaitMs = 100
const lastWaitMs = 10_000

/**
 * Listens to one channel on one connection of its own, for as long as it lives, through every break: after one it rings all, for nobody
 * knows what was missed.
 */
export class Listener {
  readonly #make: () => PgListener
  readonly #channel: string
  readonly #own: string
  readonly #ring: (bell: Bell) => void
  #client: PgListener | undefined
  #timer: NodeJS.Timeout | undefined
  #waitMs = firstWaitMs
  #ended = false

  /** @param own what our own notifications end with: those we need not hear */
  constructor(make: () => PgListener, channel: string, own: string, ring: (bell: Bell) => void) {
    this.#make = make
    this.#channel = channel
    this.#own = own
    this.#ring = ring
  }

  /** Resolves once it listens, or has failed to for the first time and goes on trying. */
  async start(): Promise<void> {
    if (this.#ended) return
    const client = this.#make()
    let over = false
    const lost = (): void => {
      if (over) return
      over = true
      clearTimeout(this.#timer)
      client.end().catch(() => undefined) // it is lost already
      if (this.#client === client) this.#client = undefined
      if (this.#ended) return
      this.#timer = setTimeout(() => void this.#again(), this.#waitMs)
      this.#waitMs = Math.min(this.#waitMs * 2, lastWaitMs)
    }
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel !== this.#channel || payload.endsWith(this.#own)) return
      this.#ring(payload.startsWith('control') ? 'control' : 'jobs')
    })
    try {
      await client.connect()
      await client.query(`listen "${this.#channel}"`)
      if (this.#ended) return void client.end().catch(() => undefined)
      this.#client = client
      this.#waitMs = firstWaitMs
      this.#beat(client, lost)
    } catch {
      lost() // tried again, and polling goes on meanwhile
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => undefined)
  }

  async #again(): Promise<void> {
    await this.start()
    if (this.#client === undefined) return
    this.#ring('jobs')
    this.#ring('control')
  }

  #beat(client: PgListener, lost: () => void): void {
    this.#timer = setTimeout(() => {
      client.query('select 1').then(
        () => {
          if (this.#client === client) this.#beat(client, lost)
        },
        () => lost(),
      )
    }, heartbeatMs)
    this.#timer.unref()
  }
}
