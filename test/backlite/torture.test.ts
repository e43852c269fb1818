import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'

import { expect, it, onTestFinished } from 'vitest'

import { newFile } from '../sqlite/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignDispatcher, save } from './foreign.ts'
import { connect, newBacklite } from './kit.ts'
import { ledgerSchema, witnessed } from './torture-ledger.ts'

const count = 2_000
const kills = 10

it(
  'does each of 2,000 jobs, none in two places at a time, through ten kills, where a dispatcher of backlite has died before and Go programs go on adding',
  { timeout: 120_000 },
  async () => {
    const backlite = newBacklite()
    const ledgerFile = newFile()
    const ledger = connect(ledgerFile)
    ledger.exec(ledgerSchema)
    const go = connect(backlite.file)
    let added = 0
    const add = (most: number): void => {
      const tasks = Array.from({ length: Math.min(most, count - added) }, (_, i) => ({
        queue: 'tick',
        task: { N: added + i },
      }))
      added += tasks.length
      save(go, tasks)
    }
    add(600)

    // A dispatcher does its part, and dies with what it has claimed.
    const dispatcher = new ForeignDispatcher(go, [
      { name: 'tick', run: async (task) => await witnessedBy(ledger, (task as { N: number }).N) },
    ])
    const dispatching = dispatcher.start()
    await until('it has done its part', () => (doneBy(ledger, 'theirs') > 50 ? true : undefined))
    dispatcher.stop()
    await dispatching
    expect(dispatcher.die()).toBe(5)

    // Two workers of ours at a time, one of which is killed, and another takes its place.
    const workers = await Promise.all([startWorker(backlite.file, ledgerFile), startWorker(backlite.file, ledgerFile)])
    for (let n = 1; n <= kills; n++) {
      const worker = workers.shift()!
      const who = `ours ${worker.pid}`
      await until(`${who} has done its part`, () => {
        add(2)
        return doneBy(ledger, who) > 5 ? true : undefined
      })
      ledger.prepare('insert into killed values (?)').run(worker.pid!)
      worker.kill('SIGKILL')
      await once(worker, 'exit')
      add(50)
      workers.push(await startWorker(backlite.file, ledgerFile))
    }
    add(count)
    await until('every job is done', () => (backlite.rows().length === 0 ? true : undefined))
    for (const worker of workers) {
      worker.kill('SIGKILL')
      await once(worker, 'exit')
    }

    expect(ledger.prepare('select * from met').all()).toEqual([])
    const runs = ledger.prepare('select n, who from done').all()
    expect(new Set(runs.map(({ n }) => n)).size).toBe(count)
    expect(new Set(runs.map(({ who }) => who)).size).toBeGreaterThanOrEqual(kills + 1)
    // Only a run whose end was not stored yet when its process was killed can have been repeated: ten at a time, and those about to be settled.
    expect(runs.length - count).toBeLessThan(kills * 40)
    expect(backlite.rows('backlite_tasks_completed')).toEqual([])
  },
)

async function witnessedBy(ledger: DatabaseSync, n: number): Promise<void> {
  await witnessed(ledger, n, process.pid, 'theirs', async () => await wait(1))
}

async function startWorker(file: string, ledgerFile: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'torture-worker.ts'), [file, ledgerFile], {
    execArgv: ['--no-warnings'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

function doneBy(ledger: DatabaseSync, who: string): number {
  return Number(ledger.prepare('select count(*) as n from done where who = ?').get(who)?.['n'])
}
