import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectFunction, expectKnown, expectName, expectOneOf, show } from '../../core/expect.ts'
import type { SqliteHandle } from '../sqlite-file/connection.ts'

/** `full`: on disk before the call returns. `relaxed`: safe from a dying process, but a power cut may undo the last moments. */
export type Durability = 'full' | 'relaxed'

export interface SqliteOptions {
  /** The path of the file, made if there is none; `':memory:'` for a queue that lives and dies with the process. */
  readonly file: string
  /**
   * How durable a write is once it has returned. Default `{ enqueue: 'full', settle: 'relaxed' }`: an enqueue that returned is on disk;
   * of claims and settlements a power cut may undo the last, and their jobs then run again. One word sets both.
   */
  readonly durability?: Durability | { readonly enqueue?: Durability; readonly settle?: Durability }
  /** How long to wait for another process that holds the file's lock, before a call fails with a retryable StoreError. Default '10s'. */
  readonly busyTimeout?: Duration
  /** What the names of our tables begin with. Default `jobferry_`. Two prefixes in one file are two separate installations. */
  readonly prefix?: string
  /**
   * Opens a file with another driver, such as better-sqlite3: `(file) => new Database(file)`. Default: node:sqlite.
   *
   * A program that opens the same file itself must do so with this driver: two SQLite libraries in one process do not see each other's
   * locks, and can destroy the file.
   */
  readonly driver?: (file: string) => SqliteHandle
  /** Opens the file although the driver's SQLite has the WAL-reset fault, which can corrupt a file that several connections write to. */
  readonly allowUnsafeSqlite?: boolean
}

/** The options with every default filled in. */
export interface SqliteSettings {
  readonly file: string
  readonly durability: { readonly enqueue: Durability; readonly settle: Durability }
  readonly busyMs: number
  readonly prefix: string
  readonly driver: ((file: string) => SqliteHandle) | undefined
  readonly allowUnsafeSqlite: boolean
}

export const sqliteOptionNames: readonly string[] = [
  'file',
  'durability',
  'busyTimeout',
  'prefix',
  'driver',
  'allowUnsafeSqlite',
]

/** @throws UsageError naming the option that is not as it should be */
export function sqliteSettings(options: SqliteOptions): SqliteSettings {
  expectKnown(options, sqliteOptionNames, 'the SQLite store')
  const prefix = options.prefix ?? 'jobferry_'
  if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,40}$/.test(prefix)) {
    throw new UsageError(`Expected \`prefix\` to be letters, digits and underscores, at most 41, got ${show(prefix)}`)
  }
  if (options.driver !== undefined) expectFunction(options.driver, 'driver')
  return {
    file: expectName(options.file, 'file', 4_096),
    durability: toDurability(options.durability ?? {}),
    busyMs: options.busyTimeout === undefined ? 10_000 : toMs(options.busyTimeout, 'busyTimeout'),
    prefix,
    driver: options.driver,
    allowUnsafeSqlite: options.allowUnsafeSqlite ?? false,
  }
}

function toDurability(option: NonNullable<SqliteOptions['durability']>): SqliteSettings['durability'] {
  const words = ['full', 'relaxed'] as const
  if (typeof option === 'string') {
    const both = expectOneOf(option, 'durability', words)
    return { enqueue: both, settle: both }
  }
  expectKnown(option, ['enqueue', 'settle'], 'durability')
  return {
    enqueue: expectOneOf(option.enqueue ?? 'full', 'durability.enqueue', words),
    settle: expectOneOf(option.settle ?? 'relaxed', 'durability.settle', words),
  }
}
