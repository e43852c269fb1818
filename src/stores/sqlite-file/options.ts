import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectFunction, expectName } from '../../core/expect.ts'
import type { SqliteHandle } from './connection.ts'

/** What every store in a file may be told beside the file. */
export interface FileOptions {
  /** How long to wait for another process that holds the file's lock, before a call fails with a retryable StoreError. Default '10s'. */
  readonly busyTimeout?: Duration
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
export interface ResolvedFileOptions {
  readonly file: string
  readonly busyMs: number
  readonly driver: ((file: string) => SqliteHandle) | undefined
  readonly allowUnsafeSqlite: boolean
}

export const fileOptionNames: readonly string[] = ['busyTimeout', 'driver', 'allowUnsafeSqlite']

/** @throws UsageError naming the option that is not as it should be */
export function resolveFileOptions(options: FileOptions & { readonly file: string }): ResolvedFileOptions {
  if (options.driver !== undefined) expectFunction(options.driver, 'driver')
  return {
    file: expectName(options.file, 'file', 4_096),
    busyMs: options.busyTimeout === undefined ? 10_000 : toMs(options.busyTimeout, 'busyTimeout'),
    driver: options.driver,
    allowUnsafeSqlite: options.allowUnsafeSqlite ?? false,
  }
}

/** The same for a file of a Go program's. @throws UsageError for a database in memory, too */
export function resolveSharedFileOptions(options: FileOptions & { readonly file: string }): ResolvedFileOptions {
  const resolved = resolveFileOptions(options)
  if (resolved.file === ':memory:')
    throw new UsageError('Expected `file` to be the path of a file: no Go program can reach a database in memory')
  return resolved
}
