import { UsageError } from './core/errors.ts'
import { expectFunction, expectKnown, show, suggestion } from './core/expect.ts'
import { Ferry } from './ferry.ts'
import { Jobs } from './jobs.ts'
import { attachLogger, type Logger } from './logger.ts'
import { type Clock, systemClock } from './runtime/clock.ts'
import { StoreClock } from './runtime/store-clock.ts'
import { MemoryStore } from './stores/memory/index.ts'
import { type ShardBy, ShardedStore } from './stores/sharded/index.ts'
import { type SqliteOptions, SqliteStore } from './stores/sqlite/index.ts'
import type { Awaitable, Store } from './store.ts'

/** How to open a store. */
export interface OpenOptions extends Omit<SqliteOptions, 'file'> {
  /** Where the library's own lines go: `console`, `pinoLogger(pino())`, or anything with the same four methods. Default: errors to the console; `false` for silence. */
  readonly logger?: Logger | false
  /** Whether to make or update the tables. Default true; with `false` a file without them is an error at the first use. */
  readonly migrate?: boolean
  /** With several files: which of them (from 0) a queue lives in. Default: by a hash of its name. */
  readonly shardBy?: ShardBy
  /** The source of time and chance. Only for tests: see `jobferry/testing`. */
  readonly clock?: Clock
}

/** Several of these are one store whose queues are spread over them. */
type Source = string | Store<unknown>

const optionNames = [
  'durability',
  'busyTimeout',
  'prefix',
  'driver',
  'allowUnsafeSqlite',
  'logger',
  'migrate',
  'shardBy',
  'clock',
]

/**
 * Opens a store, and makes its tables where there are none.
 *
 * `sqlite:app.db` is a file beside the program (`sqlite:/var/lib/app.db` an absolute one), `sqlite::memory:` and `memory:` live and die with
 * the process. Several files in an array are one store: each queue lives in one of them. A store of your own may stand in place of a URL.
 * @throws UsageError for a URL or option it does not know · StoreError if the store cannot be opened
 */
export async function open(source: Source | readonly Source[], options: OpenOptions = {}): Promise<Jobs> {
  expectKnown(options, optionNames, 'open()')
  if (options.shardBy !== undefined) expectFunction(options.shardBy, 'shardBy')
  const store = await toStore(source, options)
  let clock: Clock
  try {
    if (options.migrate !== false) await store.migrate()
    clock = options.clock ?? (await clockOf(store))
  } catch (error) {
    await store.close()
    throw error
  }
  const ferry = new Ferry(store, clock)
  if (options.logger !== false) attachLogger(ferry.events, options.logger)
  return new Jobs(ferry)
}

/** A store on another machine has a clock of its own, which all programs go by. */
async function clockOf(store: Store<unknown>): Promise<Clock> {
  return store.time === undefined ? systemClock : await StoreClock.of(store.time.bind(store), systemClock)
}

async function toStore(source: Source | readonly Source[], options: OpenOptions): Promise<Store<unknown>> {
  if (typeof source === 'string') return await fromUrl(source, options)
  if (!isList(source)) return isStore(source) ? source : refuse(source)
  if (source.length === 0) throw new UsageError('Expected at least one URL to open, got an empty array')
  const shards: Store<unknown>[] = []
  try {
    for (const one of source) shards.push(await toStore(one, options))
  } catch (error) {
    for (const shard of shards) await shard.close()
    throw error
  }
  return new ShardedStore(shards, options.shardBy)
}

function fromUrl(
  url: string,
  { durability, busyTimeout, prefix, driver, allowUnsafeSqlite }: OpenOptions,
): Awaitable<Store<unknown>> {
  const colon = url.indexOf(':')
  const scheme = url.slice(0, Math.max(colon, 0))
  const rest = url.slice(colon + 1)
  if (scheme === 'memory') return new MemoryStore()
  if (scheme === 'sqlite') {
    const given = { durability, busyTimeout, prefix, driver, allowUnsafeSqlite }
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    return SqliteStore.open({ file: toFile(rest, url), ...set })
  }
  throw new UsageError(
    `Expected a URL like sqlite:app.db or memory:, got ${show(withoutPassword(url))}.${suggestion(scheme, ['sqlite', 'memory'])}`,
  )
}

/** A password must not end up in an error's message, and from there in a log. */
function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:@]*:).*@/s, '$1***@')
}

/** `sqlite:app.db`, `sqlite:/abs/app.db`, and `sqlite:///abs/app.db` as other libraries write it. */
function toFile(rest: string, url: string): string {
  if (rest === '' || rest === '//') throw new UsageError(`Expected the path of a file after sqlite:, got ${show(url)}`)
  return rest.startsWith('///') ? rest.slice(2) : rest
}

function isList(source: Source | readonly Source[]): source is readonly Source[] {
  return Array.isArray(source)
}

function isStore(source: Store<unknown>): boolean {
  return typeof source === 'object' && source !== null && typeof source.claim === 'function'
}

function refuse(source: unknown): never {
  throw new UsageError(`Expected a URL or a store to open, got ${show(source)}`)
}
