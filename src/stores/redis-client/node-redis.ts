import type { Argument, Subscription, Wire } from './wire.ts'

/** What we use of a client of node-redis and of a cluster of it alike. */
interface Handle<Self> {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  destroy(): void
  duplicate(): Self
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

/** What we use of a node-redis client. */
export interface NodeRedisHandle extends Handle<NodeRedisHandle> {
  readonly isReady: boolean
  sendCommand(args: Argument[], options?: object): Promise<unknown>
  ping(): Promise<unknown>
}

/** What we use of a node-redis cluster. */
export interface NodeRedisClusterHandle extends Handle<NodeRedisClusterHandle> {
  readonly masters: readonly unknown[]
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: Argument[],
    options?: object,
  ): Promise<unknown>
}

/** Nothing waits for a connection: the store does, and knows which calls may have been made. */
export const nodeRedisOptions = {
  disableOfflineQueue: true,
  socket: {
    connectTimeout: 5_000,
    keepAlive: true,
    keepAliveInitialDelay: 5_000,
    reconnectStrategy: (retries: number): number => Math.min((retries + 1) * 50, 1_000),
  },
}

/** Texts of an answer as bytes: RESP calls those after a `$` blob strings. */
const asBytes = { typeMapping: { ['$'.charCodeAt(0)]: Buffer } }

/** How the two differ. */
interface Ways<H> {
  readonly cluster: boolean
  /** The event after which a subscription stands anew, by itself, once a connection has broken. */
  readonly readyEvent: string
  readonly send: (client: H, key: string, words: Argument[], options: object | undefined) => Promise<unknown>
  readonly ping: (client: H) => Promise<unknown>
}

class AnyNodeRedisWire<H extends Handle<H>> implements Wire {
  readonly cluster: boolean
  readonly keyPrefix = ''
  readonly #ways: Ways<H>
  #client: H
  readonly #owned: boolean
  #closed = false
  lastError: unknown
  connections = 0

  constructor(client: H, owned: boolean, ways: Ways<H>) {
    this.cluster = ways.cluster
    this.#ways = ways
    this.#client = client
    this.#owned = owned
    if (owned) this.#hear(client)
    else client.on('connect', () => this.connections++)
  }

  async connect(): Promise<void> {
    if (this.#owned && !this.#client.isOpen) await this.#client.connect()
  }

  async send(key: string, command: string, args: Argument[], bytes = false): Promise<unknown> {
    const answer = await this.#ways.send(this.#client, key, [command, ...args], bytes ? asBytes : undefined)
    this.lastError = undefined
    return answer
  }

  another(): Wire {
    return new AnyNodeRedisWire(this.#client.duplicate(), true, this.#ways)
  }

  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription {
    const client = this.#client.duplicate()
    const { promise: failed, reject } = Promise.withResolvers<never>()
    let stands = false
    client.on('error', ignore)
    client.on(this.#ways.readyEvent, () => {
      if (stands) up()
    })
    client
      .connect()
      .then(async () => await client.subscribe(channel, hear))
      .then(() => {
        stands = true
        up()
      })
      .catch(reject)
    return { failed, ping: async () => await this.#ways.ping(client), end: () => destroy(client) }
  }

  reset(): void {
    if (!this.#owned || this.#closed) return
    const old = this.#client
    this.#client = old.duplicate()
    this.#hear(this.#client)
    destroy(old)
    this.#client.connect().catch(ignore) // one server goes on trying by itself; a cluster is given up again by whoever calls
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#owned) destroy(this.#client)
  }

  #hear(client: H): void {
    client.on('error', (error) => (this.lastError = error))
    client.on('connect', () => this.connections++)
  }
}

/** One server through node-redis. */
export class NodeRedisWire extends AnyNodeRedisWire<NodeRedisHandle> {
  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisHandle, owned: boolean) {
    super(client, owned, {
      cluster: false,
      readyEvent: 'ready',
      send: (one, _key, words, options) => one.sendCommand(words, options),
      ping: (one) => one.ping(),
    })
  }
}

/** A cluster through node-redis. */
export class NodeRedisClusterWire extends AnyNodeRedisWire<NodeRedisClusterHandle> {
  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisClusterHandle, owned: boolean) {
    super(client, owned, {
      cluster: true,
      readyEvent: 'node-ready',
      send: (one, key, words, options) => one.sendCommand(key, false, words, options),
      ping: (one) => one.sendCommand(undefined, true, ['ping']),
    })
  }
}

function destroy(client: Handle<unknown>): void {
  if (client.isOpen) client.destroy()
}

/** An `error` event nobody hears would end the process. Whoever waits for an answer is told by its failing. */
function ignore(): void {}
