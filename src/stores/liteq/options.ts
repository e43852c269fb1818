import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectFunction, expectKnown, expectName, expectOneOf } from '../../core/expect.ts'
import type { SqliteHandle } from '../sqlite-file/connection.ts'
import type { FileSettings } from '../sqlite-file/file.ts'

/** How to use the table of liteq in a file. Its flavour is found, not told. */
export interface LiteqOptions {
  /** The path of the file that the Go program opens, too. It has to be there, with the table that `liteq.Setup` makes. */
  readonly file: string
  /**
   * After how long a job that a Go program took and did not finish is taken back: what a Go consumer calls `VisibilityTimeout`, rounded up to whole
   * seconds, at least '1s'. Say what they say, and longer than a Go handler ever runs: nothing renews what they have. Default: none, as in
   * liteq. Jobs that a worker of ours took are taken back when their lease ends, whatever is said here or there.
   */
  readonly visibilityTimeout?: Duration
  /**
   * What the text of a job is: `json`, so that a payload is any JSON value, and what is not JSON is given to a handler as the text that it is; or
   * `text`, so that a payload is that text, to the letter. Default `json`.
   */
  readonly payload?: 'json' | 'text'
  /** How long to wait for another process that holds the file's lock, before a call fails with a retryable StoreError. Default '10s'. */
  readonly busyTimeout?: Duration
  /** Opens the file with another driver, such as better-sqlite3: `(file) => new Database(file)`. Default: node:sqlite. As for `sqlite:`. */
  readonly driver?: (file: string) => SqliteHandle
  /** Opens the file although the driver's SQLite has the WAL-reset fault, which can corrupt a file that several connections write to. */
  readonly allowUnsafeSqlite?: boolean
}

/** The options with every default filled in. */
export interface LiteqSettings extends FileSettings {
  /** In seconds, as the table counts. `undefined`: only jobs that our workers took are taken back. */
  readonly visibilityS: number | undefined
  readonly payload: 'json' | 'text'
}

export const liteqOptionNames: readonly string[] = [
  'file',
  'visibilityTimeout',
  'payload',
  'busyTimeout',
  'driver',
  'allowUnsafeSqlite',
]

/** What a URL may say behind a question mark. */
export const liteqUrlNames: readonly string[] = ['visibilityTimeout', 'payload', 'busyTimeout']

/** @throws UsageError naming the option that is not as it should be */
export function liteqSettings(options: LiteqOptions): LiteqSettings {
  expectKnown(options, liteqOptionNames, 'the liteq store')
  const file = expectName(options.file, 'file', 4_096)
  if (file === ':memory:')
    throw new UsageError('Expected `file` to be the path of a file: no Go program can reach a database in memory')
  if (options.driver !== undefined) expectFunction(options.driver, 'driver')
  const visibility = options.visibilityTimeout
  return {
    store: 'liteq',
    file,
    visibilityS: visibility === undefined ? undefined : Math.ceil(toMs(visibility, 'visibilityTimeout', 1_000) / 1_000),
    payload: expectOneOf(options.payload ?? 'json', 'payload', ['json', 'text']),
    busyMs: options.busyTimeout === undefined ? 10_000 : toMs(options.busyTimeout, 'busyTimeout'),
    driver: options.driver,
    allowUnsafeSqlite: options.allowUnsafeSqlite ?? false,
  }
}
