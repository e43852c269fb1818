import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { ForeignDispatcher, save } from './foreign.ts'
import { connect, newBacklite } from './kit.ts'
import { Ledger } from './ledger.ts'

const count = 400

/** Every tenth job fails once. */
const timesOf = (n: number): number => (n % 10 === 0 ? 2 : 1)

it('takes turns at its tables with a dispatcher of backlite, Go programs adding all the while: no job runs twice, none is left', async () => {
  const backlite = newBacklite()
  const ledger = new Ledger()
  const tick = task<{ N: number }>({ name: 'tick', maxAttempts: 2, backoff: '1ms' })
  const tock = task<{ N: number }>({ name: 'tock', maxAttempts: 2, backoff: '1ms' })
  const run = (who: string) => async (n: number, attempt: number) => {
    await ledger.witness(n, who)
    if (n % 10 === 0 && attempt === 1) throw new Error('once')
  }
  const theirs = (who: string): ForeignDispatcher => {
    const runs = (payload: unknown, attempt: number): Promise<void> => run(who)((payload as { N: number }).N, attempt)
    const queues = ['tick', 'tock'].map((name) => ({ name, maxAttempts: 2, backoffMs: 1, run: runs }))
    const dispatcher = new ForeignDispatcher(connect(backlite.file), queues)
    onTestFinished(() => dispatcher.stop())
    return dispatcher
  }
  const isDone = (atLeast: number) => () => (ledger.done.length >= atLeast ? true : undefined)
  const go = connect(backlite.file)
  const add = (n: number): void => void save(go, [{ queue: n % 2 === 0 ? 'tick' : 'tock', task: { N: n } }])

  // A dispatcher runs, and we add and look beside it. It is told of ours only when somebody of its own program adds something.
  const beside = await backlite.jobs({ dispatcher: 'running' })
  for (let n = 0; n < 200; n++) {
    if (n % 3 === 0) await beside.enqueue(n % 2 === 0 ? tick : tock, { N: n })
    else add(n)
  }
  const first = theirs('before')
  const firstEnds = first.start()
  await until('the dispatcher has done its part', isDone(50))
  expect((await beside.stats()).map(({ queue }) => queue)).toEqual(['tick', 'tock'])
  first.stop()
  await firstEnds
  await beside.close()

  // It is stopped: we work what it has left, and what Go programs go on adding.
  const jobs = await backlite.jobs()
  const handlers = [tick, tock].map((one) => one.handle(({ N }, job) => run('ours')(N, job.attempt)))
  const worker = jobs.work(handlers, { concurrency: 4, poll: '10m' })
  for (let n = 200; n < 300; n++) add(n)
  const wanted = Array.from({ length: 300 }, (_, n) => timesOf(n)).reduce((a, b) => a + b)
  await until('we have done what there was', isDone(wanted))
  for (let n = 300; n < 350; n++) add(n)
  await until('we have done a part of the rest', isDone(wanted + 20))
  await worker.stop()
  for (let n = 350; n < count; n++) add(n)
  await jobs.close()

  // We are stopped: it finds everything as it would have left it itself.
  const last = theirs('after')
  const lastEnds = last.start()
  await until('every job is done', () => (backlite.rows().length === 0 ? true : undefined))
  last.stop()
  await lastEnds

  expect(ledger.met).toEqual([])
  expect(ledger.times).toEqual(Array.from({ length: count }, (_, n) => [n, timesOf(n)]))
  expect([...new Set(ledger.done.map(({ who }) => who))]).toEqual(['before', 'ours', 'after'])
})
