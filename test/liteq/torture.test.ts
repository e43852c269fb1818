import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'

import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { newFile } from '../sqlite/kit.ts'
import { ForeignProgram } from './foreign.ts'
import { connect, type Liteq, newLiteq } from './kit.ts'
import { ledgerSchema, witnessed } from './ledger.ts'
import type { Flavour } from './schema.ts'

const count = 2_000
const kills = 10

it.for(['scoped'] satisfies Flavour[])(
  'does each of 2,000 jobs, none in two places at a time, beside a consumer of liteq and through ten kills (%s)',
  { timeout: 60_000 },
  async (flavour) => {
    const liteq = newLiteq(flavour)
    const ledgerFile = newFile()
    const ledger = connect(ledgerFile)
    ledger.exec(`${ledgerSchema}; pragma synchronous = off`)
    const jobs = await liteq.jobs()
    const tick = task<number>({ name: 'tick', maxAttempts: 25 })
    await jobs.enqueueMany(Array.from({ length: count }, (_, n) => tick.with(n)))

    let over = false
    onTestFinished(() => void (over = true))
    const playing = playForeign(liteq, flavour, ledger, () => over)
    const doneBy = (who: string): number =>
      Number(ledger.prepare('select count(*) as n from done where who = ?').get(who)?.['n'])
    let worker = await startWorker(liteq.file, ledgerFile)
    for (let n = 1; n <= kills; n++) {
      const next = startWorker(liteq.file, ledgerFile)
      const who = `ours ${worker.pid}`
      await until(`worker ${n} has done its part`, () => (doneBy(who) > 80 ? true : undefined))
      ledger.prepare('insert into killed values (?)').run(who)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      worker = await next
    }
    const left = liteq.db.prepare(`select count(*) as n from jobs where job_status in ('queued', 'fetched')`)
    await until('every job is done', () => (left.get()?.['n'] === 0 ? true : undefined))
    over = true
    await playing
    worker.kill('SIGKILL')
    await once(worker, 'exit')

    expect(ledger.prepare('select * from met').all()).toEqual([])
    const runs = ledger.prepare('select n, who from done').all()
    expect(new Set(runs.map((run) => run['n'])).size).toBe(count)
    expect(new Set(runs.map((run) => run['who'])).size).toBe(kills + 2)
    // Only a run whose end was not stored yet when its process was killed can have been repeated.
    expect(runs.length - count).toBeLessThan(kills * 40)
    expect(new Set(liteq.values().map((row) => row['job_status']))).toEqual(new Set(['completed']))
  },
)

async function startWorker(file: string, ledger: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'torture-worker.ts'), [file, ledger], { execArgv: ['--no-warnings'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

/** Consumes as liteq does, one job after the other, with the timeout that ours have, until told that it is over. */
async function playForeign(liteq: Liteq, flavour: Flavour, ledger: DatabaseSync, over: () => boolean): Promise<void> {
  const go = new ForeignProgram(liteq.db, flavour)
  while (!over()) {
    go.reset('tick', 2)
    const [job] = go.grab('tick', 1)
    if (job !== undefined) {
      await witnessed(ledger, Number(job.job), 'theirs', async () => await wait(20))
      go.complete(job)
    }
    await wait(job === undefined ? 20 : 0)
  }
}
