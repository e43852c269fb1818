import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, it } from 'vitest'

import { type Fixture, holdToContract } from '../../testing/contract/index.ts'
import { SqliteStore } from './index.ts'

const oneWriter = 'while it is open nothing else can write to the file, not even to renew the lease it is to complete'

const noNetwork = 'there is no network to save trips over'

holdToContract({ describe, it }, 'sqlite', inFile, { connection: oneWriter, pipeline: noNetwork })

holdToContract({ describe, it }, 'sqlite in memory', () => ({ store: new SqliteStore({ file: ':memory:' }) }), {
  transaction: 'no other connection can reach its jobs',
  connection: 'no other connection can reach its jobs',
  pipeline: noNetwork,
  another: 'no other connection can reach its jobs',
})

function inFile(): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-contract-'))
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
