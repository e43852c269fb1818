/** An argument of a command. Text goes as UTF-8. */
export type Argument = string | Buffer

/**
 * The little that is needed of a client library, the same for ioredis and node-redis, for one server and for a cluster.
 *
 * A command whose connection breaks before its answer fails at once; nothing is sent again by itself. Reconnecting is the wire's own.
 */
export interface Wire {
  /** Whether the servers are a cluster. */
  readonly cluster: boolean
  /** What comes before the names of our keys by an option of the caller's own handle. */
  readonly keyPrefix: string
  /** How many connections there have been: a changed number says that something was sent on another one. */
  readonly connections: number
  /** Why there is no connection, as far as the library has said. */
  readonly lastError: unknown
  /** Connects for the first time; later breaks are mended by themselves. */
  connect(): Promise<void>
  /** Sends a command. `key` says which server of a cluster it is for; with `bytes`, texts in the answer come as Buffers. */
  send(key: string, command: string, args: Argument[], bytes?: boolean): Promise<unknown>
  /** One more, not yet connected, for what would keep others waiting. It is closed by whoever asked for it. */
  another(): Wire
  /** Hears a channel on a connection of its own. `up` is called whenever the subscription stands: what was said before may have been missed. */
  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription
  /** Gives up a connection that does not answer, and makes another. */
  reset(): void
  /** Closes what was opened here, but not a handle of the caller's. */
  close(): Promise<void>
}

export interface Subscription {
  /** Rejects when it will not come to stand, or not again. Never resolves. */
  readonly failed: Promise<never>
  /** Resolves if the connection answers. */
  ping(): Promise<unknown>
  /** A second call does nothing. */
  end(): void
}
