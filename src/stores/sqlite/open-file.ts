import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { StoreError, UsageError } from '../../core/errors.ts'
import { Connection, type SqliteHandle, wrapped } from './connection.ts'
import { currentVersion } from './migrate.ts'
import type { SqliteSettings } from './options.ts'
import { toText } from './row.ts'

/** How long SQLite itself waits for a lock, blocking the event loop; beyond it we wait outside, see `busy.ts`. */
const blockingMs = 50

/**
 * Opens the file and sets what must hold on our connection, such as a small page cache (measured faster than a large one). A file that
 * has no jobs yet is not changed: it may be somebody else's.
 * @throws UsageError for a SQLite with the WAL-reset fault or a network file system · StoreError when it cannot be opened
 */
export function openFile(settings: SqliteSettings): Connection {
  const remote = settings.file === ':memory:' ? undefined : networkFileSystem(settings.file)
  if (remote !== undefined)
    throw new UsageError(
      `${settings.file} is on a network file system (${remote}), where SQLite cannot keep its locks. Use a local disk`,
    )
  const connection = named(
    settings.file,
    () => new Connection(wrapped(() => (settings.driver ?? openWithNode)(settings.file))),
  )
  try {
    return named(settings.file, () => setUp(connection, settings))
  } catch (error) {
    connection.handle.close()
    throw error
  }
}

function setUp(connection: Connection, settings: SqliteSettings): Connection {
  checkVersion(connection, settings)
  connection.exec(`pragma busy_timeout = ${blockingMs}`)
  connection.exec('pragma cache_size = -8000; pragma wal_autocheckpoint = 8000; pragma temp_store = memory')
  // A damaged file shows itself here, not at the first job.
  if (currentVersion(connection, settings.prefix) > 0) useWal(connection, settings)
  return connection
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

/** What goes wrong here is about the file, so its name belongs in the message. */
function named<T>(file: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof StoreError) || error.message.includes(file)) throw error
    throw new StoreError(`Could not open ${file}. ${error.message}`, error)
  }
}

/**
 * Whether a SQLite has the WAL-reset fix: 3.51.3 and later, and the back-ports 3.50.7 and 3.44.6; 3.52.0 was withdrawn.
 * See reference: sqlite.org/wal.html, "the WAL reset bug".
 */
export function hasWalResetFix(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major !== 3) return major > 3
  if (minor === 44) return patch >= 6
  if (minor === 50) return patch >= 7
  if (minor === 51) return patch >= 3
  if (minor === 52) return patch > 0
  return minor > 52
}

/** The kind of network file system that a path is on, if it is on one that we know. */
export function networkFileSystem(file: string): string | undefined {
  try {
    return networkTypes.get(statfsSync(dirname(file)).type)
  } catch {
    return undefined // no such folder yet, or no such call on this system: opening will tell
  }
}

/** `f_type` of statfs(2). */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x5346414f, 'afs'],
  [0x00c36400, 'ceph'],
])

function openWithNode(file: string): SqliteHandle {
  return new DatabaseSync(file, { timeout: blockingMs })
}

function checkVersion(connection: Connection, settings: SqliteSettings): void {
  const version = toText(connection.sql('select sqlite_version()').row()?.[0])
  if (hasWalResetFix(version) || settings.allowUnsafeSqlite) return
  throw new UsageError(
    `This SQLite is ${version}, which can corrupt a file that several connections write to (the WAL-reset fault, fixed in 3.51.3). ` +
      'Update Node (22.23.3, 24.21 or later have the fix) or the driver, or accept the risk with allowUnsafeSqlite: true',
  )
}
