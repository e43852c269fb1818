import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

import { Connection } from '../stores/sqlite-file/connection.ts'
import { currentVersion, schemaVersion } from '../stores/sqlite/migrate.ts'

/** What a SQLite file is to us. `version` is that of its schema, 0 without tables of ours; `known` the one this program works with. */
export type Peek =
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly why: string }
  | { readonly kind: 'file'; readonly version: number; readonly known: number; readonly tables: readonly string[] }

/** How long to wait for a moment in which the file can be read, in milliseconds. */
const busyMs = 1_000

/**
 * Looks at a file without changing it: a store, when it opens one, puts it into WAL mode.
 *
 * Through SQLite alone, since closing a file that was opened in any other way would drop the locks of other connections in this process.
 */
export function peek(file: string, prefix: string): Peek {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return { kind: 'missing' }
  if (!stat.isFile()) return { kind: 'unreadable', why: 'it is not a file' }
  try {
    const database = new DatabaseSync(location(file), { readOnly: true, timeout: busyMs })
    try {
      return look(new Connection(database), prefix)
    } finally {
      database.close()
    }
  } catch (error) {
    return { kind: 'unreadable', why: error instanceof Error ? error.message : String(error) }
  }
}

function look(connection: Connection, prefix: string): Peek {
  const tables = connection.sql(`select name from sqlite_schema where type = 'table' order by name`).rows()
  return {
    kind: 'file',
    version: currentVersion(connection, prefix),
    known: schemaVersion,
    tables: tables.map(([name]) => String(name)),
  }
}

/**
 * A file that nobody has open is taken as it is (`immutable`), so that no -wal and -shm files appear beside it. One with a journal needs
 * SQLite's locks to be read, and has those files already.
 */
function location(file: string): URL {
  const url = pathToFileURL(file)
  if (!exists(`${file}-wal`) && !exists(`${file}-journal`)) url.searchParams.set('immutable', '1')
  return url
}

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined
}
