import type { Subscription, Wire } from './wire.ts'

/** What we use of an ioredis client or cluster. */
export interface IoRedisHandle {
  readonly status: string
  readonly isCluster?: boolean
  readonly options: { readonly keyPrefix?: string | undefined }
  call(command: string, args: string[]): Promise<unknown>
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
  socketTimeout: 5_000, // without an answer, also to the first questions of a new connection
  disconnectTimeout: 100, // a silent server does not say goodbye
  keepAlive: 5_000,
  retryStrategy: (times: number): number => Math.min(times * 50, 1_000),
}

/** @param owned whether the client was made for us, and ends with us */
export class IoRedisWire implements Wire {
  readonly cluster: boolean
  readonly keyPrefix: string
  readonly #client: IoRedisHandle
  readonly #another: MakeIoRedis
  readonly #owned: boolean

  constructor(client: IoRedisHandle, another: MakeIoRedis, owned: boolean) {
    this.#client = client
    this.#another = another
    this.#owned = owned
    this.cluster = client.isCluster === true
    this.keyPrefix = client.options.keyPrefix ?? ''
    if (owned) client.on('error', ignore)
  }

  async connect(): Promise<void> {
    if (this.#owned && this.#client.status === 'wait') await this.#client.connect()
  }

  async send(_key: string, command: string, args: string[]): Promise<unknown> {
    return await this.#client.call(command, args)
  }

  async subscribe(channel: string, hear: (message: string) => void, up: () => void): Promise<Subscription> {
    const client = this.#another()
    client.on('error', ignore)
    client.on('message', (_channel, message) => hear(String(message)))
    const { promise, resolve } = Promise.withResolvers<void>()
    const subscribe = (): void => {
      client.subscribe(channel).then(() => {
        up()
        resolve()
      }, ignore) // the connection is gone again: the next one will be told
    }
    client.on('ready', subscribe)
    if (client.status === 'ready') subscribe()
    else if (client.status === 'wait') client.connect().catch(ignore) // goes on trying by itself
    await promise
    return {
      ping: async () => await client.ping(),
      reset: () => client.disconnect(true),
      end: () => client.disconnect(),
    }
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
