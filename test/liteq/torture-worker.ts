import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'

import { open, task } from '../../src/index.ts'
import { witnessed } from './ledger.ts'

/** A worker of ours in a process of its own, to be killed. Says `ready` once it works; ends with whoever started it. */
const [file = '', ledgerFile = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

const ledger = new DatabaseSync(ledgerFile, { timeout: 5_000 })
ledger.exec('pragma synchronous = off')
const jobs = await open(`liteq:${file}?visibilityTimeout=2s`, { logger: false })
const tick = task<number>({ name: 'tick' })
jobs.work([tick.handle((n) => witnessed(ledger, n, `ours ${process.pid}`, async () => await wait(n % 7)))], {
  concurrency: 10,
  lease: '2s',
})
process.send?.('ready')
