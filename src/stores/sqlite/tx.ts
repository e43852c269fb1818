import { realpathSync } from 'node:fs'

import { UsageError } from '../../core/errors.ts'
import type { Connection } from './connection.ts'
import { toText } from './row.ts'

const checked = new WeakSet<Connection>()

/**
 * Makes sure that a caller's transaction can carry our rows: it is open, and on the file that the jobs are in.
 * @throws UsageError saying which of the two it is not
 */
export function checkTx(connection: Connection, file: string): void {
  if (connection.inTransaction === false)
    throw new UsageError('Expected `tx` to be in an open transaction; begin one first, or leave `tx` out')
  if (checked.has(connection)) return
  const main = connection
    .sql('pragma database_list')
    .rows()
    .find(([, name]) => name === 'main')
  const other = toText(main?.[2] ?? '')
  if (file === ':memory:' || other === '' || realpathSync(other) !== realpathSync(file)) {
    throw new UsageError(
      `Expected \`tx\` to be a connection to ${file}, where the jobs are; it is one to ${other || 'a database in memory'}`,
    )
  }
  checked.add(connection)
}
