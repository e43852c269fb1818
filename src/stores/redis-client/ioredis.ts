import type { Argument, Subscription, Wire } from './wire.ts'

/** What we use of an ioredis client or cluster. */
export interface IoRedisHandle {
  readonly status: string
  readonly isCluster?: boolean
  readonly options: { readonly keyPrefix?: string | undefined }
  call(command: string, args: Argument[]): Promise<unknown>
  callBuffer(command: string, args: Argument[]): Promise<unknown>
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  subscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
  on(event: string, listener: (...args: unknown[]) => void): unknown
  off(event: string, listener: (...args: unknown[]) => void): unknown
}

/** Makes one more client for the same servers; for a subscription it must not queue commands while there is no connection. */
export type MakeIoRedis = () => IoRedisHandle

/** Nothing is sent again by itself, and nothing waits for a connection: the store does both, and knows which calls may have been made. */
export const ioRedisOptions = {
  lazyConnect: true,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  connectTimeout: 5_000,
  disconnectTimeout: 100, // a silent server does not say goodbye
  keepAlive: 5_000,
  retryStrategy: (times: number): number => Math.min(times * 50, 1_000),
}

/**
 * Those of the connection for a subscription, where nobody waits for answers: it is given up when the first questions have none. For calls
 * the link sees to that, without two microseconds of timers for each.
 */
export const ioRedisSubscriptionOptions: typeof ioRedisOptions & { readonly socketTimeout: number } = {
  ...ioRedisOptions,
  socketTimeout: 5_000,
}

/** @param owned whether the client was made for us, and ends with us */
export class IoRedisWire implements Wire {
  readonly cluster: boolean
  readonly keyPrefix: string
  readonly #client: IoRedisHandle
  readonly #another: MakeIoRedis
  readonly #owned: boolean
  lastError: unknown
  connections = 0

  constructor(client: IoRedisHandle, another: MakeIoRedis, owned: boolean) {
    this.#client = client
    this.#another = another
    this.#owned = owned
    this.cluster = client.isCluster === true
    this.keyPrefix = client.options.keyPrefix ?? ''
    client.on('connect', () => this.connections++)
    if (owned) client.on('error', (error) => (this.lastError = error))
  }

  async connect(): Promise<void> {
    if (this.#owned && this.#client.status === 'wait') await this.#client.connect()
  }

  async send(_key: string, command: string, args: Argument[], bytes = false): Promise<unknown> {
    const answer = await (bytes ? this.#client.callBuffer(command, args) : this.#client.call(command, args))
    this.lastError = undefined
    return answer
  }

  another(): Wire {
    return new IoRedisWire(this.#another(), this.#another, true)
  }

  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription {
    const client = this.#another()
    client.on('error', ignore)
    client.on('message', (_channel, message) => hear(String(message)))
    const { promise: failed, reject } = Promise.withResolvers<never>()
    // Of a connection that is gone again the next one will be told.
    const subscribe = (): void => void client.subscribe(channel).then(up, ignore)
    client.on('ready', subscribe)
    client.on('end', () => reject(new Error('The connection has ended')))
    if (client.status === 'ready') subscribe()
    else if (client.status === 'wait') client.connect().catch(ignore) // goes on trying by itself
    return { failed, ping: async () => await client.ping(), end: () => client.disconnect() }
  }

  reset(): void {
    if (this.#owned) this.#client.disconnect(true)
  }

  async close(): Promise<void> {
    if (this.#owned) this.#client.disconnect()
  }
}

/** An `error` event nobody hears would end the process. Whoever waits for an answer is told by its failing. */
function ignore(): void {}
