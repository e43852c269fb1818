import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import type { Fixture } from '../../src/testing/contract/index.ts'

/** A SQLite store that lives in this process alone. */
export function inMemory(): Fixture {
  return { store: new SqliteStore({ file: ':memory:' }) }
}

/** A SQLite store on a file of its own, which others can open, too. In memory where there is such a folder: no power is cut here. */
export function inFile(): Fixture {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'jobferry-model-'))
  const file = join(folder, 'jobs.db')
  const open: { close(): unknown }[] = []
  return {
    store: new SqliteStore({ file }),
    begin: () => {
      const tx = new DatabaseSync(file)
      open.push(tx)
      tx.exec('begin immediate')
      return { tx, commit: () => tx.exec('commit'), rollback: () => tx.exec('rollback') }
    },
    another: () => {
      const store = new SqliteStore({ file })
      open.push(store)
      return store
    },
    close: () => {
      for (const one of open) one.close()
      rmSync(folder, { recursive: true })
    },
  }
}
