import { StoreError } from '../../core/errors.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { openConnection } from '../sqlite-file/opening.ts'
import { currentVersion } from './migrate.ts'
import type { SqliteSettings } from './options.ts'

/**
 * Opens the file and sets what must hold on our connection, such as a small page cache (measured faster than a large one). A file that
 * has no jobs yet is not changed: it may be somebody else's.
 * @throws UsageError for a SQLite with the WAL-reset fault or a network file system · StoreError when it cannot be opened
 */
export function openFile(settings: SqliteSettings): Connection {
  return openConnection(settings, (connection) => {
    connection.exec('pragma cache_size = -8000; pragma wal_autocheckpoint = 8000; pragma temp_store = memory')
    // A damaged file shows itself here, not at the first job.
    if (currentVersion(connection, settings.prefix) > 0) useWal(connection, settings)
  })
}

/** Puts the file into WAL mode, for good; a new file gets small pages before. @throws StoreError if it cannot be */
export function useWal(connection: Connection, settings: SqliteSettings): void {
  connection.exec('pragma page_size = 2048') // of a new file only
  const mode = connection.sql('pragma journal_mode = wal').row()?.[0]
  if (mode === 'wal' || settings.file === ':memory:') return
  throw new StoreError(`${settings.file} could not be put into WAL mode; it is in ${String(mode)} mode`, {
    retryable: false,
  })
}
