import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { ledgerSchema, witnessed } from '../que/ledger.ts'
import { connect } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignWorker } from './foreign.ts'
import { newSqlq } from './kit.ts'

const count = 2_000
const kills = 10

it(
  'does each of 2,000 jobs, none in two places at a time, beside a worker of sqlq and through ten kills',
  { timeout: 120_000 },
  async () => {
    const sqlq = await newSqlq()
    await sqlq.client.query(ledgerSchema)
    const jobs = await sqlq.jobs({ keepAlive: '2s' })
    const tick = task<number>({ name: 'tick', queue: 'default', maxAttempts: 20 })
    await jobs.enqueueMany(Array.from({ length: count }, (_, n) => tick.with(n)))

    let over = false
    onTestFinished(() => void (over = true))
    const playing = playForeign(sqlq.url, () => over)
    let worker = await startWorker(sqlq.url)
    for (let n = 1; n <= kills; n++) {
      const { pid } = worker
      await until(`worker ${n} has done its part`, async () =>
        (await doneBy(sqlq.client, pid)) > 60 ? true : undefined,
      )
      await sqlq.client.query('insert into killed values ($1)', [worker.pid])
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      worker = await startWorker(sqlq.url)
    }
    await until('every job is done', async () => ((await left(sqlq.client)) === 0 ? true : undefined))
    over = true
    await playing
    worker.kill('SIGKILL')
    await once(worker, 'exit')

    expect((await sqlq.client.query('select * from met')).rows).toEqual([])
    const { rows: runs } = await sqlq.client.query<{ n: number; who: string }>('select n, who from done')
    expect(new Set(runs.map(({ n }) => n)).size).toBe(count)
    expect(new Set(runs.map(({ who }) => who)).size).toBe(kills + 2)
    // Only a run whose end was not stored yet when its process was killed can have been repeated: ten at a time, and those about to be settled.
    expect(runs.length - count).toBeLessThan(kills * 40)
  },
)

async function startWorker(url: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'torture-worker.ts'), [url], { execArgv: ['--no-warnings'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function doneBy(client: Client, pid: number | undefined): Promise<number> {
  const { rows } = await client.query<{ n: string }>('select count(*) as n from done where who = $1', [`ours ${pid}`])
  return Number(rows[0]?.n)
}

async function left(client: Client): Promise<number> {
  const { rows } = await client.query<{ n: string }>(`select count(*) as n from sqlq.jobs where status <> 'success'`)
  return Number(rows[0]?.n)
}

/** Works as sqlq does until told that it is over, and reaps as it does, if more often. */
async function playForeign(url: string, over: () => boolean): Promise<void> {
  const foreign = await ForeignWorker.start(url, ['default'], ['tick'])
  const client = await connect(url)
  for (let n = 0; !over(); n++) {
    await foreign.workOne(async ({ parameters }) => {
      await witnessed(client, Number(parameters), process.pid, 'theirs', async () => await wait(20))
    })
    if (n % 50 === 0) await foreign.reap()
  }
  await foreign.end()
}
