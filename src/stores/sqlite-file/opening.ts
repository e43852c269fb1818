import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { StoreError, UsageError } from '../../core/errors.ts'
import { Connection, type SqliteHandle, wrapped } from './connection.ts'

/** How long SQLite itself waits for a lock, blocking the event loop; beyond it we wait outside, see `busy.ts`. */
const blockingMs = 50

/** What decides how a file is opened. */
export interface Opening {
  readonly file: string
  /** Default: node:sqlite. */
  readonly driver: ((file: string) => SqliteHandle) | undefined
  readonly allowUnsafeSqlite: boolean
}

/**
 * Opens the file, looks whether it is safe to use it, and lets `setUp` set what must hold on the connection; if that throws, the
 * connection is closed.
 * @throws UsageError for a SQLite with the WAL-reset fault or a network file system · StoreError, with the file's name, when it cannot be opened
 */
export function openConnection(opening: Opening, setUp: (connection: Connection) => void): Connection {
  const remote = opening.file === ':memory:' ? undefined : networkFileSystem(opening.file)
  if (remote !== undefined)
    throw new UsageError(
      `${opening.file} is on a network file system (${remote}), where SQLite cannot keep its locks. Use a local disk`,
    )
  const connection = named(
    opening.file,
    () => new Connection(wrapped(() => (opening.driver ?? openWithNode)(opening.file))),
  )
  try {
    named(opening.file, () => {
      checkVersion(connection, opening)
      connection.exec(`pragma busy_timeout = ${blockingMs}`)
      setUp(connection)
    })
    return connection
  } catch (error) {
    connection.handle.close()
    throw error
  }
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

function checkVersion(connection: Connection, opening: Opening): void {
  const version = String(connection.sql('select sqlite_version()').row()?.[0])
  if (hasWalResetFix(version) || opening.allowUnsafeSqlite) return
  throw new UsageError(
    `This SQLite is ${version}, which can corrupt a file that several connections write to (the WAL-reset fault, fixed in 3.51.3). ` +
      'Update Node (22.23.3, 24.21 or later have the fix) or the driver, or accept the risk with allowUnsafeSqlite: true',
  )
}
