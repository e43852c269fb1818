import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { ledgerSchema, witnessed } from '../que/ledger.ts'
import { connect } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignWorker } from './foreign.ts'
import { newSqlq } from './kit.ts'

const count = 300

it('shares its schema with a worker of sqlq: no job runs twice, none is left, and both have their part', async () => {
  const sqlq = await newSqlq()
  await sqlq.client.query(ledgerSchema)
  const jobs = await sqlq.jobs()
  const tick = task<number>({ name: 'tick', queue: 'default', maxAttempts: 2, backoff: '1ms' })
  const [own, theirs] = [await connect(sqlq.url), await connect(sqlq.url)]
  const foreign = await ForeignWorker.start(sqlq.url, ['default'], ['tick'])
  onTestFinished(() => foreign.end())
  for (let n = 0; n < count; n++) await (n % 2 === 0 ? jobs.enqueue(tick, n) : foreign.enqueue('default', 'tick', n, 2))

  const worker = jobs.work(
    [
      tick.handle(async (n, job) => {
        await witnessed(own, n, 1, 'ours', async () => {})
        if (n % 10 === 0 && job.attempt === 1) throw new Error('once')
      }),
    ],
    { concurrency: 4, poll: '20ms' },
  )
  const over = new AbortController()
  const playing = (async () => {
    while (!over.signal.aborted)
      await foreign.workOne(async ({ parameters, attempt }) => {
        const n = Number(parameters)
        await witnessed(theirs, n, 2, 'theirs', async () => {})
        if (n % 10 === 0 && attempt === 1) throw new Error('once')
      })
  })()
  await until('every job is done', async () =>
    (await sqlq.rows()).every(({ status }) => status === 'success') ? true : undefined,
  )
  over.abort()
  await playing
  await worker.stop()

  expect((await sqlq.client.query('select * from met')).rows).toEqual([])
  const { rows: runs } = await sqlq.client.query<{ n: number; times: string }>(
    'select n, count(*) as times from done group by n order by n',
  )
  expect(runs.map(({ n, times }) => [n, Number(times)])).toEqual(
    Array.from({ length: count }, (_, n) => [n, n % 10 === 0 ? 2 : 1]),
  )
  const { rows: parts } = await sqlq.client.query<{ who: string }>('select distinct who from done order by who')
  expect(parts.map(({ who }) => who)).toEqual(['ours', 'theirs'])
  for (const { parameters, attempt } of await sqlq.rows())
    expect([parameters, attempt]).toEqual([parameters, Number(parameters) % 10 === 0 ? '2' : '1'])
})

it('keeps a queue’s concurrency together with workers of sqlq: never one too many, whoever takes them', async () => {
  const sqlq = await newSqlq()
  const jobs = await sqlq.jobs()
  const slow = task<number>({ name: 'slow', queue: 'narrow' })
  await jobs.configure('narrow', { concurrency: 3 })
  await jobs.enqueueMany(Array.from({ length: 60 }, (_, n) => slow.with(n)))
  let [running, most] = [0, 0]
  const run = async (): Promise<void> => {
    running++
    most = Math.max(most, running)
    await new Promise((resolve) => void setImmediate(resolve))
    running--
  }
  const others = [await sqlq.jobs(), await sqlq.jobs()]
  const workers = [jobs, ...others].map((one) => one.work([slow.handle(run)], { concurrency: 5, poll: '10ms' }))
  const foreign = await Promise.all([1, 2].map(async () => await ForeignWorker.start(sqlq.url, ['narrow'], ['slow'])))
  const over = new AbortController()
  const playing = foreign.map(async (one) => {
    while (!over.signal.aborted) await one.workOne(run)
    await one.end()
  })
  // Counted by the rows: what a handler counts ends before its job does.
  let mostRows = 0
  await until('every job is done', async () => {
    const rows = await sqlq.rows()
    mostRows = Math.max(mostRows, rows.filter(({ status }) => status === 'running').length)
    return rows.every(({ status }) => status === 'success') ? true : undefined
  })
  over.abort()
  await Promise.all(playing)
  await Promise.all(workers.map(async (worker) => await worker.stop()))
  expect(most).toBeLessThanOrEqual(3)
  expect(mostRows).toBeLessThanOrEqual(3)
  expect((await sqlq.rows()).every(({ attempt }) => attempt === '1')).toBe(true)
})
