import { calm, calmClient, cut, type PgClient, type PgPool } from './pg.ts'

/** How long those that are in use may go on after the close, in milliseconds. */
const graceMs = 2_000

/**
 * The connections of a pool, watched over: none that breaks ends the process, as an error without a listener does in Node; and when one is
 * found lost, those that are older than this are not used any more, for the server has gone away, or the network, and they would be found
 * lost one by one, each after a timeout.
 */
export class Connections {
  readonly #pool: PgPool
  /** How many had been lost when each was made. */
  readonly #madeAfter = new WeakMap<PgClient, number>()
  /** Each with what listens for its end. */
  readonly #open = new Map<PgClient, () => void>()
  readonly #taken = new Set<PgClient>()
  #losses = 0

  constructor(pool: PgPool) {
    this.#pool = calm(pool)
  }

  /** One to use, until `give` or `drop`. @throws what the driver throws when none can be had */
  async take(): Promise<PgClient> {
    for (;;) {
      const client = await this.#pool.connect()
      this.#taken.add(client)
      const madeAfter = this.#madeAfter.get(client) ?? this.#meet(client)
      if (madeAfter === this.#losses) return client
      this.#close(client)
    }
  }

  /** It is as it was, and may be used again. */
  give(client: PgClient): void {
    if (this.#taken.delete(client)) client.release()
  }

  /** Closes it rather than using it again. `lost`: it was found broken. */
  drop(client: PgClient, lost?: 'lost'): void {
    if (lost !== undefined && this.#madeAfter.get(client) === this.#losses) this.#losses++
    this.#close(client)
  }

  /** Closes all: those in use after two seconds at the latest, whatever the server does. */
  async end(): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#taken) this.#close(client)
    }, graceMs)
    await this.#pool.end()
    clearTimeout(timer)
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => this.#cutOff(resolve), graceMs)
      for (const client of this.#open.keys())
        client.on('end', () => {
          if (this.#open.size > 0) return
          clearTimeout(late)
          resolve()
        })
    })
  }

  /** Leaves all as they are, to a caller whose pool it is. */
  leave(): void {
    for (const [client, gone] of this.#open) client.off('end', gone)
    this.#open.clear()
  }

  /** Those to which a goodbye was said, and which have not answered. */
  #cutOff(done: () => void): void {
    for (const client of this.#open.keys()) cut(client)
    done()
  }

  #meet(client: PgClient): number {
    calmClient(client)
    const gone = (): void => void this.#open.delete(client)
    client.on('end', gone)
    this.#open.set(client, gone)
    this.#madeAfter.set(client, this.#losses)
    return this.#losses
  }

  #close(client: PgClient): void {
    if (!this.#taken.delete(client)) return
    client.release(true)
    cut(client)
  }
}
