import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectKnown, expectOneOf, expectWhole, show } from '../../core/expect.ts'
import type { RedisHandle } from '../redis-client/connect.ts'
import { withUrlOptions } from './url.ts'

export interface RedisOptions {
  /**
   * Where the server is: `redis://user:password@host:6379/0`, `rediss://` for TLS; `redis+cluster://host:6379,host:6380` and
   * `rediss+cluster://` for a cluster, of which one node is enough. `?namespace=…` at its end stands for the option. Not needed with a
   * client of your own.
   */
  readonly url?: string
  /**
   * Which library to use, `'ioredis'` or `'redis'` (node-redis), or a client of your own. Default: ioredis, or node-redis where only that
   * is installed.
   *
   * A client of your own is used as it is, never closed, and copied once for the subscription. Give one of ioredis
   * `autoResendUnfulfilledCommands: false`, as a claim it sends again by itself is not known to be one, and `maxRetriesPerRequest: 0`, as it
   * otherwise drops what broke without a word. For Sentinel: a client of ioredis made with `sentinels`; that of node-redis is refused.
   */
  readonly client?: 'ioredis' | 'redis' | RedisHandle
  /** What all our keys begin with, in braces, so that a cluster keeps them together. Default `jobferry`. Two namespaces are two separate installations. */
  readonly namespace?: string
  /** How long a call goes on trying while there is no connection, or the server is loading, before it fails with a retryable StoreError. Default '10s'. */
  readonly timeout?: Duration
  /**
   * What an enqueue waits for, beyond the answer of the server. Default: nothing. If it is not confirmed in time, the enqueue fails with a
   * StoreError that is not retryable, since the job may well be stored.
   */
  readonly confirm?: Confirm
}

export interface Confirm {
  /** How many replicas must have it. Default 0. */
  readonly replicas?: number
  /** Whether it must be on the disk of the server (and of the replicas counted), by the append-only file. Needs Redis 7.2 or Valkey. Default false. */
  readonly disk?: boolean
  /** Default '1s'. At most a quarter of the store's `timeout`: whatever else goes over the connection waits behind it. */
  readonly timeout?: Duration
}

/** The options with every default filled in. */
export interface RedisSettings {
  readonly url: string | undefined
  readonly client: RedisOptions['client']
  readonly namespace: string
  readonly timeoutMs: number
  readonly confirm: { readonly replicas: number; readonly disk: boolean; readonly timeoutMs: number } | undefined
}

export const redisOptionNames: readonly string[] = ['url', 'client', 'namespace', 'timeout', 'confirm']

/** @throws UsageError naming the option that is not as it should be */
export function redisSettings(given: RedisOptions): RedisSettings {
  expectKnown(given, redisOptionNames, 'the Redis store')
  const options = withUrlOptions(given)
  const { url, client, namespace = 'jobferry', confirm } = options
  if (typeof namespace !== 'string' || !/^[A-Za-z0-9_.:-]{1,60}$/.test(namespace)) {
    throw new UsageError(
      `Expected \`namespace\` to be 1 to 60 letters, digits, and any of _ . : -, got ${show(namespace)}`,
    )
  }
  if (typeof client === 'string') expectOneOf(client, 'client', ['ioredis', 'redis'])
  else if (client !== undefined && (typeof client !== 'object' || client === null))
    throw new UsageError(`Expected \`client\` to be 'ioredis', 'redis' or a client of one of them, got ${show(client)}`)
  if (typeof client !== 'object' && (typeof url !== 'string' || !/^rediss?(?:\+cluster)?:\/\/./.test(url)))
    throw new UsageError('Expected `url` to be like redis://localhost:6379, or a client of your own as `client`')
  const timeoutMs = options.timeout === undefined ? 10_000 : toMs(options.timeout, 'timeout', 1)
  return {
    url,
    client,
    namespace,
    timeoutMs,
    confirm: confirm === undefined ? undefined : toConfirm(confirm, timeoutMs),
  }
}

function toConfirm(confirm: Confirm, timeoutMs: number): NonNullable<RedisSettings['confirm']> {
  expectKnown(confirm, ['replicas', 'disk', 'timeout'], 'confirm')
  const { replicas = 0, disk = false, timeout } = confirm
  if (typeof disk !== 'boolean')
    throw new UsageError(`Expected \`confirm.disk\` to be true or false, got ${show(disk)}`)
  const mostMs = Math.floor(timeoutMs / 4)
  const waitMs = timeout === undefined ? Math.min(1_000, mostMs) : toMs(timeout, 'confirm.timeout', 1)
  if (waitMs > mostMs)
    throw new UsageError(
      `Expected \`confirm.timeout\` to be at most a quarter of \`timeout\` (${mostMs} ms), as other calls wait behind it, got ${show(timeout)}`,
    )
  return { replicas: expectWhole(replicas, 'confirm.replicas', 0, 100), disk, timeoutMs: waitMs }
}
