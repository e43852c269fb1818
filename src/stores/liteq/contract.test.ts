import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, it } from 'vitest'

import { hasty } from '../../../test/liteq/hasty.ts'
import { type Flavour, flavours, liteqSchema } from '../../../test/liteq/schema.ts'
import { type Fixture, guestContract, holdToContract } from '../../testing/contract/index.ts'
import { LiteqStore } from './index.ts'

const lacks = {
  priority: 'no column for it',
  concurrency: 'no column for a key of its own',
  retain: 'nothing says until when a finished job is kept',
  cancel: 'nobody would hear of it',
  pause: 'no table of queues',
  limits: 'no table of queues',
  policy: 'no column for what a job asks for itself',
  logs: 'no table of lines',
  workers: 'no table of workers',
  connection: 'a file has one writer',
  pipeline: 'there is no network to save trips over',
  queues: 'no column names a task: a queue has the one of its name',
} as const

for (const flavour of flavours)
  holdToContract({ describe, it }, `liteq (${flavour})`, () => inFile(flavour), lacks, guestContract)

function inFile(flavour: Flavour): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-liteq-'))
  const file = join(folder, 'app.db')
  const db = new DatabaseSync(file)
  db.exec(`pragma synchronous = off; ${liteqSchema[flavour]}`)
  db.close()
  const open: { close(): unknown }[] = []
  return {
    store: new LiteqStore({ file, driver: hasty }),
    tickMs: 1_000,
    begin: () => {
      const tx = new DatabaseSync(file)
      open.push(tx)
      tx.exec('pragma synchronous = off; begin immediate')
      return { tx, commit: () => tx.exec('commit'), rollback: () => tx.exec('rollback') }
    },
    another: () => {
      const store = new LiteqStore({ file, driver: hasty })
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
      rmSync(folder, { recursive: true })
    },
  }
}
