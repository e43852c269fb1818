import type { Argument, Subscription, Wire } from './wire.ts'

/** What we use of a node-redis client. */
export interface NodeRedisHandle {
  readonly isOpen: boolean
  readonly isReady: boolean
  sendCommand(args: Argument[], options?: object): Promise<unknown>
  connect(): Promise<unknown>
  destroy(): void
  duplicate(): NodeRedisHandle
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
}

/** What we use of a node-redis cluster. */
export interface NodeRedisClusterHandle {
  readonly isOpen: boolean
  readonly masters: readonly unknown[]
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: Argument[],
    options?: object,
  ): Promise<unknown>
  connect(): Promise<unknown>
  destroy(): void
  duplicate(): NodeRedisClusterHandle
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
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

/** One server through node-redis. */
export class NodeRedisWire implements Wire {
  readonly cluster = false
  readonly keyPrefix = ''
  #client: NodeRedisHandle
  readonly #owned: boolean
  #closed = false
  lastError: unknown
  connections = 0

  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisHandle, owned: boolean) {
    this.#client = client
    this.#owned = owned
    if (owned) this.#hear(client)
    else client.on('connect', () => this.connections++)
  }

  async connect(): Promise<void> {
    if (this.#owned && !this.#client.isOpen) await this.#client.connect()
  }

  async send(_key: string, command: string, args: Argument[], bytes = false): Promise<unknown> {
    const answer = await this.#client.sendCommand([command, ...args], bytes ? asBytes : undefined)
    this.lastError = undefined
    return answer
  }

  another(): Wire {
    return new NodeRedisWire(this.#client.duplicate(), true)
  }

  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription {
    const client = this.#client.duplicate()
    const { promise: failed, reject } = Promise.withResolvers<never>()
    let stands = false
    client.on('error', ignore)
    // After a break it has subscribed anew by itself when it is ready again.
    client.on('ready', () => {
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
    return { failed, ping: async () => await client.ping(), end: () => destroy(client) }
  }

  reset(): void {
    if (!this.#owned || this.#closed) return
    const old = this.#client
    this.#client = old.duplicate()
    this.#hear(this.#client)
    destroy(old)
    this.#client.connect().catch(ignore) // goes on trying by itself
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#owned) destroy(this.#client)
  }

  #hear(client: NodeRedisHandle): void {
    client.on('error', (error) => (this.lastError = error))
    client.on('connect', () => this.connections++)
  }
}

/** A cluster through node-redis. */
export class NodeRedisClusterWire implements Wire {
  readonly cluster = true
  readonly keyPrefix = ''
  #client: NodeRedisClusterHandle
  readonly #owned: boolean
  #closed = false
  lastError: unknown
  connections = 0

  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisClusterHandle, owned: boolean) {
    this.#client = client
    this.#owned = owned
    if (owned) this.#hear(client)
    else client.on('connect', () => this.connections++)
  }

  async connect(): Promise<void> {
    if (this.#owned && !this.#client.isOpen) await this.#client.connect()
  }

  async send(key: string, command: string, args: Argument[], bytes = false): Promise<unknown> {
    const answer = await this.#client.sendCommand(key, false, [command, ...args], bytes ? asBytes : undefined)
    this.lastError = undefined
    return answer
  }

  another(): Wire {
    return new NodeRedisClusterWire(this.#client.duplicate(), true)
  }

  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription {
    const client = this.#client.duplicate()
    const { promise: failed, reject } = Promise.withResolvers<never>()
    let stands = false
    client.on('error', ignore)
    client.on('node-ready', () => {
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
    const ping = async (): Promise<unknown> => await client.sendCommand(undefined, true, ['ping'])
    return { failed, ping, end: () => destroy(client) }
  }

  reset(): void {
    if (!this.#owned || this.#closed) return
    const old = this.#client
    this.#client = old.duplicate()
    this.#hear(this.#client)
    destroy(old)
    this.#client.connect().catch(ignore) // whoever calls then gives it up again
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#owned) destroy(this.#client)
  }

  #hear(client: NodeRedisClusterHandle): void {
    client.on('error', (error) => (this.lastError = error))
    client.on('connect', () => this.connections++)
  }
}

function destroy(client: NodeRedisHandle | NodeRedisClusterHandle): void {
  if (client.isOpen) client.destroy()
}

/** An `error` event nobody hears would end the process. Whoever waits for an answer is told by its failing. */
function ignore(): void {}
