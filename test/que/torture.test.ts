import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { connect } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignWorker } from './foreign.ts'
import { newQue } from './kit.ts'
import { ledgerSchema, witnessed } from './ledger.ts'

const count = 2_000
const kills = 10

describe.for([3, 7] as const)('version %i', (version) => {
  it(
    'does each of 2,000 jobs, none in two places at a time, beside a worker of Que and through ten kills',
    { timeout: 120_000 },
    async () => {
      const que = await newQue(version)
      await que.client.query(ledgerSchema)
      const jobs = await que.jobs()
      const tick = task<[number]>({ name: 'Tick', queue: que.queue })
      await jobs.enqueueMany(Array.from({ length: count }, (_, n) => tick.with([n])))

      let over = false
      onTestFinished(() => void (over = true))
      const playing = playForeign(que.url, version, que.queue, () => over)
      let worker = await startWorker(que.url, que.queue)
      for (let n = 1; n <= kills; n++) {
        const { pid } = worker
        await until(`worker ${n} has done its part`, async () =>
          (await doneBy(que.client, pid)) > 80 ? true : undefined,
        )
        await que.client.query('insert into killed values ($1)', [worker.pid])
        worker.kill('SIGKILL')
        await once(worker, 'exit')
        worker = await startWorker(que.url, que.queue)
      }
      await until('every job is done', async () => ((await que.rows()).length === 0 ? true : undefined))
      over = true
      await playing
      worker.kill('SIGKILL')
      await once(worker, 'exit')

      expect((await que.client.query('select * from met')).rows).toEqual([])
      const { rows: runs } = await que.client.query<{ n: number; who: string }>('select n, who from done')
      expect(new Set(runs.map(({ n }) => n)).size).toBe(count)
      expect(new Set(runs.map(({ who }) => who)).size).toBe(kills + 2)
      // Only a run whose end was not stored yet when its process was killed can have been repeated: ten at a time, and those about to be settled.
      expect(runs.length - count).toBeLessThan(kills * 40)
      await until('the server has ended the sessions of the dead', async () =>
        (await que.locks()).length === 0 ? true : undefined,
      )
    },
  )
})

async function startWorker(url: string, queue: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'torture-worker.ts'), [url, queue], { execArgv: ['--no-warnings'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function doneBy(client: Client, pid: number | undefined): Promise<number> {
  const { rows } = await client.query<{ n: string }>('select count(*) as n from done where who = $1', [`ours ${pid}`])
  return Number(rows[0]?.n)
}

/** Works as Que does until told that it is over. */
async function playForeign(url: string, version: 3 | 7, queue: string, over: () => boolean): Promise<void> {
  const foreign = await ForeignWorker.start(url, version, queue)
  const client = await connect(url)
  while (!over())
    await foreign.workOne(async ({ args }) => {
      const [n = 0] = JSON.parse(args) as number[]
      await witnessed(client, n, process.pid, 'theirs', async () => await wait(20))
    })
  await foreign.end()
}
