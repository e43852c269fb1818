import { UsageError } from './core/errors.ts'
import { expectFunction, show } from './core/expect.ts'
import { Ferry } from './ferry.ts'
import { Jobs } from './jobs.ts'
import { attachLogger, type Logger } from './logger.ts'
import { type Clock, systemClock } from './runtime/clock.ts'
import { StoreClock } from './runtime/store-clock.ts'
import { expectOptions, optionsOf, schemeOf, type SchemeOptions } from './schemes.ts'
import { type ShardBy, ShardedStore } from './stores/sharded/index.ts'
import type { Store } from './store.ts'

/** How to open any store. */
export interface CommonOptions {
  /** Where the library's own lines go: `console`, `pinoLogger(pino())`, or anything with the same four methods. Default: errors to the console; `false` for silence. */
  readonly logger?: Logger | false
  /**
   * Whether to make or update the tables. Default true. With `false` a store without them is an error at the first use, and one whose tables
   * are of another version an error at once, if it is on a server.
   */
  readonly migrate?: boolean
  /** With several stores: which of them (from 0) a queue lives in. Default: by a hash of its name. */
  readonly shardBy?: ShardBy
  /** The source of time and chance, in place of the system's and of the store's own clock. Only for tests: see `jobferry/testing`. */
  readonly clock?: Clock
}

/** How to open a store whose URL is not known before the program runs: the options of all of them. Those of another store are refused. */
export type OpenOptions = CommonOptions &
  SchemeOptions['sqlite'] &
  SchemeOptions['postgres'] &
  SchemeOptions['redis'] &
  SchemeOptions['que'] &
  SchemeOptions['sqlq'] &
  SchemeOptions['backlite'] &
  Omit<SchemeOptions['liteq'], 'payload'> &
  Omit<SchemeOptions['redis-work-queue'], 'payload'> & { readonly payload?: 'json' | 'text' | 'bytes' }

/** The options that go with a source: those of its URL's scheme where TypeScript can read it. */
export type OptionsFor<S> = S extends readonly (infer One)[]
  ? OptionsFor<One>
  : S extends `${infer Name extends keyof SchemeOptions}:${string}`
    ? CommonOptions & SchemeOptions[Name]
    : S extends string
      ? OpenOptions
      : CommonOptions

/** Several of these are one store whose queues are spread over them. */
type Source = string | Store<unknown>

const commonNames = ['logger', 'migrate', 'shardBy', 'clock']

/**
 * Opens a store, and makes its tables where there are none.
 *
 * `sqlite:app.db` is a file beside the program (`sqlite:/var/lib/app.db` an absolute one), `sqlite::memory:` and `memory:` live and die with
 * the process. `postgres://user@host/database` needs the package `pg`, as do `que:postgres://…` and `sqlq:postgres://…`, the tables of Que and of
 * sqlq; `redis://host:6379` and `redis-work-queue:redis://…?prefix=…` one of `ioredis` and `redis`. `liteq:app.db` and `backlite:app.db` are files with the tables of Go programs. Several in
 * an array are one store: each queue lives in one of them. A store of your own may stand in place of a URL.
 * @throws UsageError for a URL or option it does not know · StoreError if the store cannot be opened
 */
export function open<const S extends Source | readonly Source[]>(source: S, options?: OptionsFor<S>): Promise<Jobs>
export async function open(source: Source | readonly Source[], options: OpenOptions = {}): Promise<Jobs> {
  const sources = isList(source) ? source : [source]
  if (sources.length === 0) throw new UsageError('Expected at least one URL to open, got an empty array')
  const urls = sources.filter((one) => typeof one === 'string')
  expectOptions(options, urls.map(schemeOf), commonNames)
  if (options.shardBy !== undefined) expectFunction(options.shardBy, 'shardBy')
  const stores = await openAll(sources, options)
  const [only] = stores
  try {
    const store = isList(source) || only === undefined ? new ShardedStore(stores, options.shardBy) : only
    await (options.migrate === false ? store.check?.() : store.migrate())
    const ferry = new Ferry(store, options.clock ?? (await clockOf(store)))
    if (options.logger !== false) attachLogger(ferry.events, options.logger)
    return new Jobs(ferry)
  } catch (error) {
    await closeAll(stores)
    throw error
  }
}

/** All, or none. */
async function openAll(sources: readonly Source[], options: OpenOptions): Promise<readonly Store<unknown>[]> {
  const stores: Store<unknown>[] = []
  try {
    for (const source of sources) stores.push(await openOne(source, options))
    return stores
  } catch (error) {
    await closeAll(stores)
    throw error
  }
}

async function closeAll(stores: readonly Store<unknown>[]): Promise<void> {
  for (const store of stores) await store.close()
}

async function openOne(source: Source, options: OpenOptions): Promise<Store<unknown>> {
  if (typeof source !== 'string') return isStore(source) ? source : refuse(source)
  const scheme = schemeOf(source)
  return await scheme.open(source, optionsOf(scheme, options))
}

/** A store on another machine has a clock of its own, which all programs go by. */
async function clockOf(store: Store<unknown>): Promise<Clock> {
  return store.time === undefined ? systemClock : await StoreClock.of(store.time.bind(store), systemClock)
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
