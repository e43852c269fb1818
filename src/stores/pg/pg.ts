import { UsageError } from '../../core/errors.ts'
import type { ConnectSettings } from './connect-options.ts'

/** What we use of a `pg.Pool`, described by its shape: the package is loaded only when a PostgreSQL URL is opened. */
export interface PgPool {
  connect(): Promise<PgClient>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: PgClient) => void): unknown
}

/** What we use of a `pg.PoolClient`. */
export interface PgClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: 'end', listener: () => void): unknown
  query(config: PgQuery): Promise<{ readonly rows: readonly (readonly (string | null)[])[] }>
  /** With an error the connection is closed instead of being used again. */
  release(error?: Error | boolean): void
}

/** A connection of its own, for listening, and for locks. */
export interface PgListener {
  connect(): Promise<unknown>
  end(): Promise<void>
  query(text: string): Promise<unknown>
  query(config: PgQuery): Promise<{ readonly rows: readonly (readonly (string | null)[])[] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(
    event: 'notification',
    listener: (message: { readonly channel: string; readonly payload?: string | undefined }) => void,
  ): unknown
}

export interface PgQuery {
  readonly text: string
  readonly values?: readonly (string | null)[]
  readonly name?: string
  readonly rowMode: 'array'
  /** After so many milliseconds without an answer the query fails, whatever the connection was told. */
  readonly query_timeout?: number
  readonly types: { readonly getTypeParser: () => (text: string) => string }
}

/** How long a goodbye may take, in milliseconds. */
const goodbyeMs = 1_000

/** Ends a connection: in order if that can be done in a second, which on a half-open one it cannot. Never throws. */
export async function end(client: PgListener): Promise<void> {
  const timer = setTimeout(() => cut(client), goodbyeMs)
  await client.end().catch(() => undefined) // it is lost already
  clearTimeout(timer)
}

/** Closes the socket of a connection, without a word to the other side; a goodbye on a half-open one would be waited for a quarter of an hour. */
export function cut(client: PgClient | PgListener): void {
  const stream = at(at(client, 'connection'), 'stream')
  const destroy = at(stream, 'destroy')
  if (typeof destroy === 'function') destroy.call(stream)
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

/**
 * Lets no lost connection end the process, as an error without a listener does in Node. Who was using it hears of it from its query; and
 * the pool opens another when one is needed. A caller's pool may be given for several stores, or for one after the other.
 */
export function calm(pool: PgPool): PgPool {
  if (calmed.has(pool)) return pool
  calmed.add(pool)
  pool.on('error', () => undefined)
  pool.on('connect', calmClient)
  return pool
}

/** The same for one that the pool may have had before it was calmed. */
export function calmClient(client: PgClient): void {
  if (calmed.has(client)) return
  calmed.add(client)
  client.on('error', () => undefined)
}

const calmed = new WeakSet<PgPool | PgClient>()

/** Every column as the text that the server sent: what it means is said in row.ts. */
export const asText: PgQuery['types'] = { getTypeParser: () => (text) => text }

/** The driver, with a URL to connect to. */
export interface Driver {
  /** `unhurried`: statements may take as long as they like. */
  pool(max: number, unhurried?: 'unhurried'): PgPool
  /** Statements on it are quick, or the connection is lost. */
  listener(): PgListener
}

/** @throws UsageError when the package `pg` is not installed, or the URL is none */
export async function loadDriver(url: string, settings: ConnectSettings): Promise<Driver> {
  const { default: pg } = await load()
  const shared = {
    connectionString: url,
    ...(settings.ssl === undefined ? {} : { ssl: settings.ssl }),
    application_name: settings.applicationName,
    connectionTimeoutMillis: settings.connectMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
  return {
    pool: (max, unhurried) =>
      new pg.Pool({
        ...shared,
        max,
        idleTimeoutMillis: 60_000,
        ...(unhurried === undefined ? { query_timeout: settings.timeoutMs } : {}),
      }),
    listener: () => new pg.Client({ ...shared, query_timeout: Math.min(settings.timeoutMs, settings.connectMs) }),
  }
}

interface Pg {
  readonly default: {
    readonly Pool: new (config: object) => PgPool
    readonly Client: new (config: object) => PgListener
  }
}

async function load(): Promise<Pg> {
  try {
    return await import('pg')
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND'))
      throw new UsageError(`The package pg is installed, but cannot be loaded: ${String(cause)}`, { cause })
    throw new UsageError('PostgreSQL needs the package pg, which is not installed here. Run: npm install pg', { cause })
  }
}
