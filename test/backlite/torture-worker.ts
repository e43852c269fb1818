import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'

import { open, task } from '../../src/index.ts'
import { witnessed } from './torture-ledger.ts'

/** A worker of ours in a process of its own, to be killed. Says `ready` once it works; ends with whoever started it. */
const [file = '', ledgerFile = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

const ledger = new DatabaseSync(ledgerFile, { timeout: 10_000 })
ledger.exec('pragma synchronous = off')
const jobs = await open(`backlite:${file}`, { logger: false, dispatcher: 'stopped', releaseAfter: '3s' })
const tick = task<{ N: number }>({ name: 'tick', maxAttempts: 50 })
jobs.work(
  [
    tick.handle(async ({ N }) => {
      await witnessed(ledger, N, process.pid, `ours ${process.pid}`, async () => await wait(N % 7))
    }),
  ],
  { concurrency: 10, lease: '3s' },
)
process.send?.('ready')
