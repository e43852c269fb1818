import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, it } from 'vitest'

import { type Fixture, guestContract, holdToContract } from '../../testing/contract/index.ts'
import { BackliteStore } from './index.ts'

const lacks = {
  priority: 'no column for it',
  dedupe: 'no column for a key',
  concurrency: 'no column for a key',
  cancel: 'nobody would hear of it',
  pause: 'no table of queues',
  limits: 'no table of queues',
  policy: 'no column for what a job asks for itself',
  logs: 'no table of lines',
  workers: 'no table of workers',
  connection: 'a file has one writer',
  pipeline: 'there is no network to save trips over',
  queues: 'a queue has one task, which is called as the queue is',
  failures: 'the row of a task that waits has no column for an error',
} as const

holdToContract({ describe, it }, 'backlite', inFile, lacks, guestContract)

function inFile(): Fixture {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-backlite-'))
  const file = join(folder, 'app.db')
  const open: { close(): unknown }[] = []
  return {
    store: new BackliteStore({ file, dispatcher: 'stopped' }),
    begin: () => {
      const tx = new DatabaseSync(file)
      open.push(tx)
      tx.exec('begin immediate')
      return { tx, commit: () => tx.exec('commit'), rollback: () => tx.exec('rollback') }
    },
    another: () => {
      const store = new BackliteStore({ file, dispatcher: 'stopped' })
      open.push(store)
      return store
    },
    close: async () => {
      for (const one of open) await one.close()
      rmSync(folder, { recursive: true })
    },
  }
}
