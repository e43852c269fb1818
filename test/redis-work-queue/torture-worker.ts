import { setTimeout as wait } from 'node:timers/promises'

import { Redis } from 'ioredis'

import { open, task } from '../../src/index.ts'
import { Ledger } from './ledger.ts'

/** A worker of ours in a process of its own, to be killed. Says `ready` once it works; ends with whoever started it. */
const [url = '', prefix = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

const ledger = new Ledger(new Redis(url), prefix)
const jobs = await open(`redis-work-queue:${url}`, { prefix, logger: false, patience: '500ms' })
const tick = task<number>({ name: prefix })
jobs.work(
  [
    tick.handle(async (n) => {
      await ledger.witnessed(n, `ours ${process.pid}`, async () => await wait(n % 5))
    }),
  ],
  { concurrency: 10, lease: '1s', poll: '100ms' },
)
process.send?.('ready')
