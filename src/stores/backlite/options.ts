import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectFunction, expectKnown, expectName, expectOneOf } from '../../core/expect.ts'
import type { SqliteHandle } from '../sqlite-file/connection.ts'
import type { FileSettings } from '../sqlite-file/file.ts'

/** How to use the tables of backlite in a file. */
export interface BackliteOptions {
  /** The path of the file that the Go program opens, too. */
  readonly file: string
  /**
   * Whether a dispatcher of backlite may be running on the file, in whatever program (`client.Start`). Default `running`: nothing is then
   * worked here, nor changed of a task that waits, since a dispatcher takes tasks without a look at who else has; adding and looking are
   * safe beside it. `stopped`: you see to it that there is none for as long as this store is open.
   */
  readonly dispatcher?: 'running' | 'stopped'
  /**
   * After how long a claim that was not renewed is over, and its task is taken again; what a Go program calls `ReleaseAfter`. Default '10m', at
   * least '100ms'. No lease may be longer, and all programs that work the file should say the same.
   */
  readonly releaseAfter?: Duration
  /** How long to wait for another process that holds the file's lock, before a call fails with a retryable StoreError. Default '10s'. */
  readonly busyTimeout?: Duration
  /** Opens the file with another driver, such as better-sqlite3: `(file) => new Database(file)`. Default: node:sqlite. As for `sqlite:`. */
  readonly driver?: (file: string) => SqliteHandle
  /** Opens the file although the driver's SQLite has the WAL-reset fault, which can corrupt a file that several connections write to. */
  readonly allowUnsafeSqlite?: boolean
}

/** The options with every default filled in. Times in milliseconds. */
export interface BackliteSettings extends FileSettings {
  readonly dispatcher: 'running' | 'stopped'
  readonly releaseMs: number
}

export const backliteOptionNames: readonly string[] = [
  'file',
  'dispatcher',
  'releaseAfter',
  'busyTimeout',
  'driver',
  'allowUnsafeSqlite',
]

/** What a URL may say behind a question mark. */
export const urlNames: readonly string[] = ['dispatcher', 'releaseAfter', 'busyTimeout']

/** @throws UsageError naming the option that is not as it should be */
export function backliteSettings(options: BackliteOptions): BackliteSettings {
  expectKnown(options, backliteOptionNames, 'the backlite store')
  const file = expectName(options.file, 'file', 4_096)
  if (file === ':memory:')
    throw new UsageError('Expected `file` to be the path of a file: no Go program can reach a database in memory')
  if (options.driver !== undefined) expectFunction(options.driver, 'driver')
  return {
    store: 'backlite',
    file,
    dispatcher: expectOneOf(options.dispatcher ?? 'running', 'dispatcher', ['running', 'stopped']),
    releaseMs: options.releaseAfter === undefined ? 600_000 : toMs(options.releaseAfter, 'releaseAfter', 100),
    busyMs: options.busyTimeout === undefined ? 10_000 : toMs(options.busyTimeout, 'busyTimeout'),
    driver: options.driver,
    allowUnsafeSqlite: options.allowUnsafeSqlite ?? false,
  }
}
