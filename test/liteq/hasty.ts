import { DatabaseSync } from 'node:sqlite'

import type { SqliteHandle } from '../../src/stores/sqlite/index.ts'

/** A driver that waits for no disk, whatever it is asked for: no power is cut in these tests. */
export function hasty(file: string): SqliteHandle {
  const db = new DatabaseSync(file, { timeout: 50 })
  db.exec('pragma synchronous = off')
  return {
    prepare: (sql) => db.prepare(sql),
    exec: (sql) => (sql.startsWith('pragma synchronous') ? undefined : db.exec(sql)),
    close: () => db.close(),
    get isTransaction() {
      return db.isTransaction
    },
  }
}
