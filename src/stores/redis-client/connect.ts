import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'
import { IoRedisWire, type IoRedisHandle, ioRedisOptions, ioRedisSubscriptionOptions } from './ioredis.ts'
import {
  NodeRedisClusterWire,
  type NodeRedisClusterHandle,
  type NodeRedisHandle,
  nodeRedisOptions,
  NodeRedisWire,
} from './node-redis.ts'
import type { Wire } from './wire.ts'

/** A client of yours, from ioredis or node-redis, for one server or a cluster. */
export type RedisHandle = IoRedisHandle | NodeRedisHandle | NodeRedisClusterHandle

/** Where the server is, and which library to use, or the caller's own client. Default: ioredis, or node-redis where only that is installed. */
export interface Connecting {
  readonly url: string | undefined
  readonly client: 'ioredis' | 'redis' | RedisHandle | undefined
}

/** How each library makes a wire; loads it. */
type Libraries = Readonly<Record<'ioredis' | 'redis', (url: string) => Promise<Wire>>>
const libraries: Libraries = { ioredis: viaIoRedis, redis: viaNodeRedis }

/**
 * The wire for these settings, not yet connected.
 * @throws UsageError when the library asked for, or any of them, is not installed, or the client is of none of them
 */
export async function toWire({ client, url = '' }: Connecting, via: Libraries = libraries): Promise<Wire> {
  if (typeof client === 'object') return fromHandle(client)
  const missing: unknown[] = []
  for (const name of client === undefined ? (['ioredis', 'redis'] as const) : [client]) {
    try {
      return await via[name](url)
    } catch (error) {
      if (!notInstalled(error)) throw error
      missing.push(error)
    }
  }
  const what = client === undefined ? 'neither ioredis nor redis is' : `${client} is not`
  throw new UsageError(`Redis needs a client library, and ${what} installed: npm install ${client ?? 'ioredis'}`, {
    cause: missing[0],
  })
}

async function viaIoRedis(url: string): Promise<Wire> {
  const { Redis, Cluster } = await import('ioredis')
  const place = toPlace(url)
  if (!place.cluster) {
    return new IoRedisWire(new Redis(url, ioRedisOptions), () => new Redis(url, ioRedisSubscriptionOptions), true)
  }
  const make = ({ lazyConnect, enableOfflineQueue, ...options }: typeof ioRedisOptions): IoRedisHandle =>
    new Cluster([...place.nodes], {
      lazyConnect,
      enableOfflineQueue,
      redisOptions: { ...options, ...place.account, ...(place.tls ? { tls: {} } : {}) },
      clusterRetryStrategy: ioRedisOptions.retryStrategy,
      retryDelayOnFailover: 0, // otherwise it sends again by itself what broke
    })
  return new IoRedisWire(make(ioRedisOptions), () => make(ioRedisSubscriptionOptions), true)
}

async function viaNodeRedis(url: string): Promise<Wire> {
  const { createClient, createCluster } = await import('redis')
  const place = toPlace(url)
  if (!place.cluster) return new NodeRedisWire(createClient({ ...nodeRedisOptions, url }), true)
  const scheme = place.tls ? 'rediss' : 'redis'
  return new NodeRedisClusterWire(
    createCluster({
      rootNodes: place.nodes.map(({ host, port }) => ({ url: `${scheme}://${host}:${port}` })),
      defaults: {
        ...nodeRedisOptions,
        ...place.account,
        ...(place.tls ? { socket: { ...nodeRedisOptions.socket, tls: true } } : {}),
      },
    }),
    true,
  )
}

function fromHandle(client: RedisHandle): Wire {
  if (isIoRedis(client)) return new IoRedisWire(client, () => copyOf(client), false)
  // It makes a call whose connection broke again by itself, and the server would not know it for the same.
  if ('getSentinelNode' in client)
    throw new UsageError(
      'The Sentinel client of node-redis sends again by itself what broke. Use a client of ioredis made with `sentinels`',
    )
  if (isNodeRedisCluster(client)) return new NodeRedisClusterWire(client, false)
  if (isNodeRedis(client)) return new NodeRedisWire(client, false)
  throw new UsageError(`Expected \`client\` to be a client of ioredis or node-redis, got ${show(client)}`)
}

interface Place {
  readonly cluster: boolean
  readonly tls: boolean
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly account: { readonly username?: string; readonly password?: string }
}

/** `redis+cluster://user:password@a:6379,b:6379`: what a URL of one server cannot say. */
function toPlace(url: string): Place {
  const [, scheme = '', authority = ''] = /^([a-z+]+):\/\/([^/?#]*)/.exec(url) ?? []
  const at = authority.lastIndexOf('@')
  const [username = '', password = ''] = authority.slice(0, Math.max(at, 0)).split(':').map(decodeURIComponent)
  const nodes = authority
    .slice(at + 1)
    .split(',')
    .map((node) => {
      const { hostname, port } = new URL(`redis://${node}`)
      return { host: hostname.replaceAll(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port) }
    })
  return {
    cluster: scheme.endsWith('+cluster'),
    tls: scheme.startsWith('rediss'),
    nodes,
    account: { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) },
  }
}

function notInstalled(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}

interface Copyable extends IoRedisHandle {
  duplicate(...options: unknown[]): IoRedisHandle
}

/** One more client for the same servers, with our way of queueing: for the subscription alone. */
function copyOf(client: Copyable): IoRedisHandle {
  return client.isCluster === true
    ? client.duplicate(undefined, { lazyConnect: true, enableOfflineQueue: false })
    : client.duplicate(ioRedisSubscriptionOptions)
}

function isIoRedis(client: RedisHandle): client is Copyable {
  return 'call' in client && 'duplicate' in client && typeof client.call === 'function'
}

function isNodeRedisCluster(client: RedisHandle): client is NodeRedisClusterHandle {
  return 'sendCommand' in client && 'masters' in client
}

function isNodeRedis(client: RedisHandle): client is NodeRedisHandle {
  return 'sendCommand' in client && 'isReady' in client
}
