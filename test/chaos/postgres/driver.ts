import type { Driver, PgClient, PgPool, PgQuery } from '../../../src/stores/pg/pg.ts'
import { planted } from '../bugs.ts'
import { currentCall, type Failpoints } from '../failpoints.ts'
import type { Part } from '../plan.ts'
import { inSql } from './bugs.ts'

/** The setting that says to the tape in which call a connection is. */
export const callSetting = 'chaos.call'

type Answer = Awaited<ReturnType<PgClient['query']>>

/** A driver with all its connections watched, but for the one that listens. */
export interface WatchedDriver extends Driver {
  pool(max: number, unhurried?: 'unhurried'): WatchedPool
}

interface WatchedPool extends PgPool {
  connect(): Promise<WatchedClient>
}

export function watchedDriver(driver: Driver, part: Part, failpoints: Failpoints): WatchedDriver {
  return {
    pool: (max, unhurried) => watchedPool(driver.pool(max, unhurried), part, failpoints),
    listener: () => driver.listener(),
  }
}

function watchedPool(pool: PgPool, part: Part, failpoints: Failpoints): WatchedPool {
  const clients = new WeakMap<PgClient, WatchedClient>()
  return {
    connect: async () => {
      const client = await pool.connect()
      const known = clients.get(client) ?? new WatchedClient(client, part, failpoints)
      clients.set(client, known)
      return known
    },
    end: () => pool.end(),
    on: (event: 'error' | 'connect', listener: (something: never) => void) =>
      Reflect.apply(pool.on, pool, [event, listener]) as unknown,
  }
}

/** A connection that tells the server in which call it is, with failpoints around each commit that changes something. */
export class WatchedClient implements PgClient {
  readonly #client: PgClient
  readonly #part: Part
  readonly #failpoints: Failpoints
  #call = 'other'
  #inTransaction = false

  constructor(client: PgClient, part: Part, failpoints: Failpoints) {
    this.#client = client
    this.#part = part
    this.#failpoints = failpoints
  }

  on(event: 'error' | 'end', listener: (error: Error) => void): unknown {
    return Reflect.apply(this.#client.on, this.#client, [event, listener]) as unknown
  }

  off(event: 'end', listener: () => void): unknown {
    return this.#client.off(event, listener)
  }

  release(error?: Error | boolean): void {
    this.#client.release(error)
  }

  /** In both forms: the store's own, and that of a transaction's handle. */
  async query(given: PgQuery | string, values?: readonly (string | null)[]): Promise<Answer> {
    const query = typeof given === 'string' ? ({ text: given, ...(values && { values }) } as PgQuery) : given
    const planned = { ...query, text: planted(query.text, this.#part.plan.bug, inSql) }
    if (!this.#inTransaction) await this.#nameCall()
    switch (query.text) {
      case 'begin':
        return await this.#begin(planned)
      case 'commit':
        return await this.#commit(planned)
      case 'rollback':
        this.#inTransaction = false
        return await this.#client.query(planned)
    }
    if (this.#inTransaction || !this.#failpoints.armedIn(currentCall())) return await this.#client.query(planned)
    return await this.#alone(planned)
  }

  async #nameCall(): Promise<void> {
    const call = currentCall()
    if (call === this.#call) return
    await this.#ask(`set ${callSetting} = '${call}'`)
    this.#call = call
  }

  async #begin(query: PgQuery): Promise<Answer> {
    const answer = await this.#client.query(query)
    this.#inTransaction = true
    return answer
  }

  async #commit(query: PgQuery): Promise<Answer> {
    this.#inTransaction = false
    this.#failpoints.pass(`${currentCall()}.before-commit`)
    const answer = await this.#client.query(query)
    this.#failpoints.pass(`${currentCall()}.after-commit`)
    return answer
  }

  /**
   * A statement that is its own transaction, whose commit we could not stand before. Where the process is to die there, every other one
   * dies with its statement on the way to the server: nobody knows then whether it was carried out. For the others a transaction is made of it.
   */
  async #alone(query: PgQuery): Promise<Answer> {
    const call = currentCall()
    if (this.#failpoints.firesNext(`${call}.before-commit`) && this.#part.slot % 2 === 1) {
      void this.#client.query(query)
      this.#failpoints.pass(`${call}.before-commit`)
    }
    await this.#ask('begin')
    let answer: Answer
    let changed: boolean
    try {
      answer = await this.#client.query(query)
      const { rows } = await this.#ask('select (pg_current_xact_id_if_assigned() is not null)::text')
      changed = rows[0]?.[0] === 'true'
    } catch (error) {
      await this.#ask('rollback').catch(() => undefined) // lost, and so rolled back
      throw error
    }
    if (changed) this.#failpoints.pass(`${call}.before-commit`)
    await this.#ask('commit')
    if (changed) this.#failpoints.pass(`${call}.after-commit`)
    return answer
  }

  async #ask(text: string): Promise<Answer> {
    return await this.#client.query({ text, rowMode: 'array', types: { getTypeParser: () => (value) => value } })
  }
}
