import type { Subscription, Wire } from './wire.ts'

/** What we use of a node-redis client. */
export interface NodeRedisHandle {
  readonly isOpen: boolean
  readonly isReady: boolean
  sendCommand(args: string[]): Promise<unknown>
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
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
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

/** One server through node-redis. */
export class NodeRedisWire implements Wire {
  readonly cluster = false
  readonly keyPrefix = ''
  #client: NodeRedisHandle
  readonly #owned: boolean
  #closed = false

  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisHandle, owned: boolean) {
    this.#client = client
    this.#owned = owned
    if (owned) client.on('error', ignore)
  }

  async connect(): Promise<void> {
    if (this.#owned && !this.#client.isOpen) await this.#client.connect()
  }

  async send(_key: string, command: string, args: string[]): Promise<unknown> {
    return await this.#client.sendCommand([command, ...args])
  }

  async subscribe(channel: string, hear: (message: string) => void, up: () => void): Promise<Subscription> {
    let client = this.#client.duplicate()
    const open = async (): Promise<void> => {
      const own = client
      own.on('error', ignore)
      // After a break it has subscribed anew by itself when it is ready again.
      own.on('ready', () => up())
      await own.connect()
      await own.subscribe(channel, hear)
      up()
    }
    await open()
    return {
      ping: async () => await client.ping(),
      reset: () => {
        const { isOpen } = client
        if (isOpen) client.destroy()
        client = client.duplicate()
        open().catch(ignore) // goes on trying by itself
      },
      end: () => {
        if (client.isOpen) client.destroy()
      },
    }
  }

  reset(): void {
    if (!this.#owned || this.#closed) return
    const old = this.#client
    this.#client = old.duplicate()
    this.#client.on('error', ignore)
    if (old.isOpen) old.destroy()
    this.#client.connect().catch(ignore) // goes on trying by itself
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#owned && this.#client.isOpen) this.#client.destroy()
  }
}

/** A cluster through node-redis. */
export class NodeRedisClusterWire implements Wire {
  readonly cluster = true
  readonly keyPrefix = ''
  #client: NodeRedisClusterHandle
  readonly #owned: boolean
  #closed = false

  /** @param owned whether the client was made for us, and ends with us */
  constructor(client: NodeRedisClusterHandle, owned: boolean) {
    this.#client = client
    this.#owned = owned
    if (owned) client.on('error', ignore)
  }

  async connect(): Promise<void> {
    if (this.#owned && !this.#client.isOpen) await this.#client.connect()
  }

  async send(key: string, command: string, args: string[]): Promise<unknown> {
    return await this.#client.sendCommand(key, false, [command, ...args])
  }

  async subscribe(channel: string, hear: (message: string) => void, up: () => void): Promise<Subscription> {
    let client = this.#client.duplicate()
    const open = async (): Promise<void> => {
      const own = client
      own.on('error', ignore)
      own.on('node-ready', () => up())
      await own.connect()
      await own.subscribe(channel, hear)
      up()
    }
    await open()
    return {
      ping: async () => await client.sendCommand(undefined, true, ['ping']),
      reset: () => {
        const { isOpen } = client
        if (isOpen) client.destroy()
        client = client.duplicate()
        open().catch(ignore) // asked again soon, and then made anew
      },
      end: () => {
        if (client.isOpen) client.destroy()
      },
    }
  }

  reset(): void {
    if (!this.#owned || this.#closed) return
    const old = this.#client
    this.#client = old.duplicate()
    this.#client.on('error', ignore)
    if (old.isOpen) old.destroy()
    this.#client.connect().catch(ignore) // whoever calls then gives it up again
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#owned && this.#client.isOpen) this.#client.destroy()
  }
}

/** An `error` event nobody hears would end the process. Whoever waits for an answer is told by its failing. */
function ignore(): void {}
