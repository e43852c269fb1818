import type { Finding } from '../../store.ts'
import { hasWalResetFix, networkFileSystem } from './opening.ts'

/** Whether several connections may write with this SQLite: one that may not is opened only with `allowUnsafeSqlite`. */
export function sqliteFinding(version: string): Finding {
  if (hasWalResetFix(version)) return { name: 'sqlite', level: 'ok', message: `SQLite ${version}` }
  return {
    name: 'sqlite',
    level: 'fail',
    message: `SQLite ${version} has the WAL-reset fault: several connections can corrupt the file. Use 3.51.3 or later`,
  }
}

/** Whether the file is where SQLite can keep its locks. */
export function diskFinding(file: string): Finding {
  if (file === ':memory:') return { name: 'disk', level: 'ok', message: 'memory' }
  const remote = networkFileSystem(file)
  if (remote === undefined) return { name: 'disk', level: 'ok', message: 'a local file system' }
  return {
    name: 'disk',
    level: 'fail',
    message: `a network file system (${remote}): SQLite cannot keep its locks there`,
  }
}
