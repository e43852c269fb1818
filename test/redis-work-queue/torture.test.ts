import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue } from './kit.ts'
import { Ledger } from './ledger.ts'

const count = 2_000
const kills = 10

it(
  'does each of 2,000 jobs, none in two places at a time, beside a client of redis-work-queue and through ten kills',
  { timeout: 120_000 },
  async () => {
    const queue = await newQueue()
    const ledger = new Ledger(queue.client, queue.prefix)
    const jobs = await queue.jobs()
    const tick = task<number>({ name: queue.prefix })
    await jobs.enqueueMany(Array.from({ length: count }, (_, n) => tick.with(n)))

    let over = false
    onTestFinished(() => void (over = true))
    const playing = playForeign(queue.url, queue.prefix, () => over)
    // The next is there already when one is killed: a process takes longer to start than its part of the work.
    let next = startWorker(queue.url, queue.prefix)
    for (let n = 1; n <= kills; n++) {
      const worker = await next
      next = startWorker(queue.url, queue.prefix)
      const who = `ours ${worker.pid}`
      await until(`worker ${n} has done its part`, async () => ((await ledger.doneBy(who)) > 30 ? true : undefined))
      await ledger.killed(who)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
    }
    const last = await next
    await until('every job is done', async () => (Object.keys(await queue.keys()).length === 0 ? true : undefined), {
      withinMs: 60_000,
    })
    over = true
    await playing
    last.kill('SIGKILL')
    await once(last, 'exit')

    expect(await ledger.met()).toEqual([])
    const runs = await ledger.done()
    expect(new Set(runs.map(({ n }) => n)).size).toBe(count)
    expect(new Set(runs.map(({ who }) => who)).size).toBe(kills + 2)
    // Only a run whose end was not stored yet when its process was killed can have been repeated: those at hand, and those about to be settled.
    expect(runs.length - count).toBeLessThan(kills * 40)
  },
)

async function startWorker(url: string, prefix: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'torture-worker.ts'), [url, prefix], { execArgv: ['--no-warnings'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

/** Works as the clients do until told that it is over. */
async function playForeign(url: string, prefix: string, over: () => boolean): Promise<void> {
  const redis = new Redis(url)
  const client = new ForeignClient(redis, prefix, 'theirs')
  const ledger = new Ledger(redis, prefix)
  while (!over()) {
    const item = await client.lease(30)
    if (item === undefined) {
      await wait(5)
      continue
    }
    await ledger.witnessed(Number(item.data), 'theirs', async () => await wait(25))
    await client.complete(item.id)
  }
  redis.disconnect()
}
