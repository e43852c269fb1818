import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectKnown, expectName, expectOneOf, show } from '../../core/expect.ts'
import type { RedisHandle } from '../redis-client/connect.ts'

/** How to reach the server of a queue. */
export interface WorkQueueConnection {
  /**
   * Where the server is: `redis-work-queue:redis://user:password@host:6379/0`, with or without the beginning; `rediss://` for TLS;
   * `redis+cluster://` and `rediss+cluster://` for a cluster. Options that are text may stand in it as `?prefix=…`. Not needed with a client of your
   * own.
   */
  readonly url?: string
  /** Which library to use, `'ioredis'` or `'redis'` (node-redis), or a client of your own, which is never closed. Default: ioredis, or node-redis where only that is installed. */
  readonly client?: 'ioredis' | 'redis' | RedisHandle
  /** What the queue's keys begin with: the `KeyPrefix` of all its clients, to the letter. On a cluster with a part in braces, `{thumbnails}`. */
  readonly prefix?: string
  /** How long a call goes on trying while there is no connection, before it fails with a retryable StoreError. Default '10s'. */
  readonly timeout?: Duration
}

export interface RedisWorkQueueOptions extends WorkQueueConnection {
  /** The task whose jobs the items are: an item has no name. Default: the prefix. */
  readonly task?: string
  /** The queue that they are in, for whoever asks. Default `default`, where a task's jobs go that says nothing else. */
  readonly queue?: string
  /**
   * How data is read. `json`, the default: what is JSON is its value, anything else bytes. `bytes`: all of it is bytes, also where these happen
   * to be JSON.
   */
  readonly payload?: 'json' | 'bytes'
  /**
   * How long a job must have been without a lease before a worker's upkeep puts it back. Default '5s'. Other clients take a job in two steps; one that
   * is held up in between for longer than this may find that it was given to somebody else as well.
   */
  readonly patience?: Duration
  /** How often a worker's upkeep looks through all keys of the server for jobs that were lost, or false for never. Default '12m', at least '1m'. */
  readonly deepClean?: Duration | false
}

interface ConnectionSettings {
  readonly url: string | undefined
  readonly client: WorkQueueConnection['client']
  readonly prefix: string
  readonly timeoutMs: number
}

/** The options with every default filled in. Times in milliseconds. */
export interface RedisWorkQueueSettings extends ConnectionSettings {
  readonly task: string
  readonly queue: string
  readonly payload: 'json' | 'bytes'
  readonly patienceMs: number
  /** `undefined` for never. */
  readonly deepCleanMs: number | undefined
}

const connectionOptionNames = ['url', 'client', 'prefix', 'timeout'] as const
const ownOptionNames = ['task', 'queue', 'payload', 'patience', 'deepClean'] as const

export const redisWorkQueueOptionNames: readonly string[] = [...connectionOptionNames, ...ownOptionNames]

/** @throws UsageError naming the option that is not as it should be */
export function redisWorkQueueSettings(given: RedisWorkQueueOptions): RedisWorkQueueSettings {
  const options = withUrlOptions(given, redisWorkQueueOptionNames, 'the redis-work-queue store')
  const settings = connectionSettings(options)
  const { task = settings.prefix, queue = 'default', payload = 'json', patience = '5s', deepClean = '12m' } = options
  return {
    ...settings,
    task: expectName(task, 'task'),
    queue: expectName(queue, 'queue', 255, 0),
    payload: expectOneOf(payload, 'payload', ['json', 'bytes']),
    patienceMs: toMs(patience, 'patience'),
    deepCleanMs: deepClean === false ? undefined : toMs(deepClean, 'deepClean', 60_000),
  }
}

/** @throws UsageError */
export function workQueueSettings(given: WorkQueueConnection): ConnectionSettings {
  return connectionSettings(withUrlOptions(given, connectionOptionNames, 'a work queue'))
}

function connectionSettings({ url, client, prefix, timeout = '10s' }: WorkQueueConnection): ConnectionSettings {
  if (typeof client === 'string') expectOneOf(client, 'client', ['ioredis', 'redis'])
  else if (client !== undefined && (typeof client !== 'object' || client === null))
    throw new UsageError(`Expected \`client\` to be 'ioredis', 'redis' or a client of one of them, got ${show(client)}`)
  if (typeof client !== 'object' && (typeof url !== 'string' || !/^rediss?(?:\+cluster)?:\/\/./.test(url)))
    throw new UsageError(
      'Expected `url` to be like redis-work-queue:redis://localhost:6379?prefix=thumbnails, or a client of your own as `client`',
    )
  if (typeof prefix !== 'string' || !prefix.isWellFormed())
    throw new UsageError(
      `Expected \`prefix\` to be the text that the keys of the queue begin with, its KeyPrefix, got ${show(prefix)}`,
    )
  return { url, client, prefix, timeoutMs: toMs(timeout, 'timeout', 1) }
}

/** @throws UsageError unless all keys of the prefix are on one node of a cluster */
export function expectOneSlot(prefix: string): void {
  if (!/^[^{]*\{[^}]+\}/.test(prefix))
    throw new UsageError(
      `Expected \`prefix\` to have a part in braces, as {thumbnails}, got ${show(prefix)}: without, a cluster spreads its keys over several nodes`,
    )
}

/**
 * Takes what is ours (`?prefix=…`) out of a URL: the rest is the client's. An option given beside it must not contradict it.
 * @throws UsageError if it does, or is not known; the URL, which may hold a password, is not repeated
 */
function withUrlOptions<T extends WorkQueueConnection>(given: T, known: readonly string[], where: string): T {
  expectKnown(given, known, where)
  if (typeof given.url !== 'string') return given
  const [beginning = '', query = ''] = given.url.replace(/^redis-work-queue:/, '').split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  expectKnown(
    Object.fromEntries(parameters),
    known.filter((name) => name !== 'url' && name !== 'client'),
    `the URL of ${where}`,
  )
  const values: object = given
  const others = new Map<string, unknown>(Object.entries(values))
  for (const [name, text] of parameters) {
    const said = others.get(name)
    if (said !== undefined && said !== text)
      throw new UsageError(`The URL says ${name}=${show(text)}, the options say ${show(said)}. Say it once`)
  }
  const deepClean = parameters.get('deepClean') === 'false' ? { deepClean: false } : {}
  return { ...given, ...Object.fromEntries(parameters), ...deepClean, url: beginning }
}
