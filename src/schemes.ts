import { UsageError } from './core/errors.ts'
import { expectKnown, show, suggestion } from './core/expect.ts'
import { masked } from './secrets.ts'
import { type BackliteOptions, backliteOptionNames } from './stores/backlite/options.ts'
import { type LiteqOptions, liteqOptionNames } from './stores/liteq/options.ts'
import { type PostgresOptions, postgresOptionNames } from './stores/postgres/options.ts'
import { type QueOptions, queOptionNames } from './stores/que/options.ts'
import { type RedisOptions, redisOptionNames } from './stores/redis/options.ts'
import { type RedisWorkQueueOptions, redisWorkQueueOptionNames } from './stores/redis-work-queue/options.ts'
import { type SqliteOptions, sqliteOptionNames } from './stores/sqlite/options.ts'
import { type SqlqOptions, sqlqOptionNames } from './stores/sqlq/options.ts'
import type { Store } from './store.ts'

/**
 * A kind of URL: all that `open`, its options and the command line know of a store. A new one is an entry here, and in `SchemeOptions`.
 *
 * A store's module is loaded when the first URL of it is opened, so that nobody loads a driver for nothing.
 */
export interface Scheme {
  /** What URLs begin with, before the colon; the first is what messages call it. */
  readonly names: readonly [string, ...string[]]
  readonly example: string
  readonly optionNames: readonly string[]
  /** Options that are `undefined` are left out. @throws UsageError · StoreError */
  readonly open: (url: string, options: object) => Promise<Store<unknown>>
  /** The file that the store is, `undefined` if it is none. @throws UsageError where the URL names none, but has to */
  readonly file?: (url: string) => string | undefined
  /** Whether the store lives and dies with the process. Default: it does not. */
  readonly inMemory?: (url: string) => boolean
}

/** The options of each kind of URL. */
export interface SchemeOptions {
  memory: object
  sqlite: Omit<SqliteOptions, 'file'>
  postgres: PostgresOptions
  postgresql: PostgresOptions
  que: QueOptions
  sqlq: SqlqOptions
  backlite: Omit<BackliteOptions, 'file'>
  liteq: Omit<LiteqOptions, 'file'>
  redis: Omit<RedisOptions, 'url'>
  rediss: Omit<RedisOptions, 'url'>
  'redis+cluster': Omit<RedisOptions, 'url'>
  'rediss+cluster': Omit<RedisOptions, 'url'>
  'redis-work-queue': Omit<RedisWorkQueueOptions, 'url'>
}

export const schemes: readonly Scheme[] = [
  {
    names: ['sqlite'],
    example: 'sqlite:app.db',
    optionNames: sqliteOptionNames.filter((name) => name !== 'file'),
    open: async (url, options) => {
      const file = sqliteFile(url)
      const { SqliteStore } = await import('./stores/sqlite/index.ts')
      return await SqliteStore.open({ ...options, file: file ?? ':memory:' })
    },
    file: sqliteFile,
    inMemory: (url) => sqliteFile(url) === undefined,
  },
  {
    names: ['postgres', 'postgresql'],
    example: 'postgres://user@host/database',
    optionNames: postgresOptionNames,
    open: async (url, options) => await (await import('./stores/postgres/index.ts')).PostgresStore.open(url, options),
  },
  {
    names: ['redis', 'rediss', 'redis+cluster', 'rediss+cluster'],
    example: 'redis://host:6379',
    optionNames: redisOptionNames.filter((name) => name !== 'url'),
    open: async (url, options) => await (await import('./stores/redis/index.ts')).RedisStore.open({ ...options, url }),
  },
  {
    names: ['que'],
    example: 'que:postgres://user@host/database',
    optionNames: queOptionNames,
    open: async (url, options) => await (await import('./stores/que/index.ts')).QueStore.open(url, options),
  },
  {
    names: ['redis-work-queue'],
    example: 'redis-work-queue:redis://host:6379?prefix=thumbnails',
    optionNames: redisWorkQueueOptionNames.filter((name) => name !== 'url'),
    open: async (url, options) =>
      await (await import('./stores/redis-work-queue/index.ts')).RedisWorkQueueStore.open({ ...options, url }),
  },
  {
    names: ['sqlq'],
    example: 'sqlq:postgres://user@host/database',
    optionNames: sqlqOptionNames,
    open: async (url, options) => await (await import('./stores/sqlq/index.ts')).SqlqStore.open(url, options),
  },
  {
    names: ['backlite'],
    example: 'backlite:app.db',
    optionNames: backliteOptionNames.filter((name) => name !== 'file'),
    open: async (url, options) => (await import('./stores/backlite/index.ts')).BackliteStore.open(url, options),
  },
  {
    names: ['liteq'],
    example: 'liteq:app.db',
    optionNames: liteqOptionNames.filter((name) => name !== 'file'),
    open: async (url, options) => await (await import('./stores/liteq/index.ts')).LiteqStore.open(url, options),
  },
  {
    names: ['memory'],
    example: 'memory:',
    optionNames: [],
    open: async () => new (await import('./stores/memory/index.ts')).MemoryStore(),
    inMemory: () => true,
  },
]

/** The kind of a URL. @throws UsageError for one that nobody knows, without its password */
export function schemeOf(url: string): Scheme {
  const name = url.slice(0, Math.max(url.indexOf(':'), 0))
  const found = schemes.find(({ names }) => names.includes(name))
  if (found !== undefined) return found
  const examples = schemes.map(({ example }) => example)
  throw new UsageError(
    `Expected a URL like ${examples.slice(0, -1).join(', ')} or ${examples.at(-1)}, got ${show(masked(url))}.${suggestion(
      name,
      schemes.flatMap(({ names }) => names),
    )}`,
  )
}

/**
 * Refuses options that none of the stores to be opened has.
 * @param common the options of every store
 * @throws UsageError naming the scheme that has it, or what was probably meant
 */
export function expectOptions(options: object, opened: readonly Scheme[], common: readonly string[]): void {
  const known = [...common, ...opened.flatMap(({ optionNames }) => optionNames)]
  if (typeof options === 'object' && options !== null)
    for (const name of Object.keys(options)) {
      const owners = schemes.filter(({ optionNames }) => optionNames.includes(name))
      if (known.includes(name) || owners.length === 0) continue
      throw new UsageError(`\`${name}\` is an option of ${nameList(owners)}, not of ${nameList(opened)}`)
    }
  expectKnown(options, known, 'open()')
}

/** Those of the options that a scheme has and that are given. */
export function optionsOf({ optionNames }: Scheme, options: object): object {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => optionNames.includes(name) && value !== undefined),
  )
}

/** `sqlite:app.db`, `sqlite:/abs/app.db`, and `sqlite:///abs/app.db` as other libraries write it. */
function sqliteFile(url: string): string | undefined {
  const rest = url.slice('sqlite:'.length)
  if (rest === '' || rest === '//') throw new UsageError(`Expected the path of a file after sqlite:, got ${show(url)}`)
  if (rest === ':memory:') return undefined
  return rest.startsWith('///') ? rest.slice(2) : rest
}

function nameList(some: readonly Scheme[]): string {
  const names = [...new Set(some.map(({ names: [name] }) => `${name}:`))]
  return names.length === 0 ? 'a store of your own' : names.join(' and ')
}
