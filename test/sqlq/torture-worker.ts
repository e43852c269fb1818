import { setTimeout as wait } from 'node:timers/promises'

import { Client } from 'pg'

import { open, task } from '../../src/index.ts'
import { witnessed } from '../que/ledger.ts'

/** A worker of ours in a process of its own, to be killed. Says `ready` once it works; ends with whoever started it. */
const [url = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))

const client = new Client(url)
await client.connect()
const jobs = await open(`sqlq:${url}`, { logger: false })
const tick = task<number>({ name: 'tick', queue: 'default', maxAttempts: 20, backoff: '1ms' })
jobs.work(
  [
    tick.handle(async (n) => {
      await witnessed(client, n, process.pid, `ours ${process.pid}`, async () => await wait(n % 7))
    }),
  ],
  { concurrency: 10, lease: '2s', poll: '500ms' },
)
process.send?.('ready')
