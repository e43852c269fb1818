import { realpathSync } from 'node:fs'

import { UsageError } from '../../core/errors.ts'
import type { Connection } from './connection.ts'

const checked = new WeakSet<Connection>()

/**
 * Makes sure that a caller's transaction can carry our rows: it is open, on the file that the jobs are in, and of the SQLite library that
 * our own connection is of. Two libraries in one process do not see each other's locks: both would write at once, and when one closes the
 * file, it takes the other's locks and WAL with it (sqlite.org/howtocorrupt.html, 2.2.1).
 * @throws UsageError saying which of these it is not
 */
export function checkTx(connection: Connection, own: Connection, file: string): void {
  if (typeof connection.handle.prepare !== 'function')
    throw new UsageError('Expected `tx` to be a synchronous handle, as of node:sqlite, better-sqlite3 or libsql')
  if (connection.inTransaction === false)
    throw new UsageError('Expected `tx` to be in an open transaction; begin one first, or leave `tx` out')
  if (checked.has(connection)) return
  const main = connection
    .sql('pragma database_list')
    .rows()
    .find(([, name]) => name === 'main')
  const other = typeof main?.[2] === 'string' ? main[2] : ''
  if (file === ':memory:' || other === '' || realpathSync(other) !== realpathSync(file)) {
    throw new UsageError(
      `Expected \`tx\` to be a connection to ${file}, where the jobs are; it is one to ${other || 'a database in memory'}`,
    )
  }
  if (library(connection) !== library(own)) {
    throw new UsageError(
      'Expected `tx` to be of the same SQLite library as the store: two in one process do not see each other’s locks and can destroy ' +
        'the file. Open the store with the same driver: open(url, { driver: (file) => new Database(file) })',
    )
  }
  checked.add(connection)
}

/** What tells one SQLite library from another: its source, how it was built, and the driver it came with. */
function library(connection: Connection): string {
  const source = connection.sql('select sqlite_source_id()').rows()
  const built = connection.sql('pragma compile_options').rows()
  return JSON.stringify([source, built, connection.handle.isTransaction === undefined])
}
