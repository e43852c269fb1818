import { expect, it } from 'vitest'

import { open, StoreError, task } from '../../src/index.ts'
import { newPgBouncer, newProxy } from '../servers/kit.ts'
import { events, newSqlq } from './kit.ts'

const one = task<number>({ name: 'one', maxAttempts: 3 })

it.each(['complete', 'fail', 'release', 'snooze', 'cancel'] as const)(
  'has stored a %s whose answer was lost on the way, and says so, instead of taking the job for somebody else’s',
  async (end) => {
    const sqlq = await newSqlq()
    const proxy = await newProxy(sqlq.url)
    const jobs = await open(`sqlq:${proxy.url}`, { logger: false })
    await jobs.enqueue(one, 1)
    const held = await jobs.lease()
    await proxy.loseReply('for no key update')
    expect(await (end === 'complete' || end === 'release' ? held?.[end]() : held?.[end]('1h'))).toBe(true)
    const status = { complete: 'success', cancel: 'cancelled' }[end as string] ?? 'pending'
    expect(await sqlq.rows()).toMatchObject([{ status, attempt: ['release', 'snooze'].includes(end) ? '0' : '1' }])
    expect(await sqlq.logs()).toHaveLength(end === 'fail' ? 1 : 0)
    await jobs.close()
  },
)

it('fails an enqueue whose answer was lost, and does not try it again: it may have been added', async () => {
  const sqlq = await newSqlq()
  const proxy = await newProxy(sqlq.url)
  const jobs = await open(`sqlq:${proxy.url}`, { logger: false })
  await proxy.loseReply('insert into sqlq.jobs')
  const lost = jobs.enqueue(one, 1)
  await expect(lost).rejects.toThrow(StoreError)
  await expect(lost).rejects.toMatchObject({ retryable: false })
  expect(await sqlq.rows()).toHaveLength(1)
  await jobs.close()
})

it('renews across a connection that broke', async () => {
  const sqlq = await newSqlq()
  const proxy = await newProxy(sqlq.url)
  const jobs = await open(`sqlq:${proxy.url}`, { logger: false })
  await jobs.enqueue(one, 1)
  const held = await jobs.lease()
  await proxy.loseReply('last_keepalive')
  expect(await held?.extend('1m')).toBe(true)
  await proxy.cut()
  expect(await held?.extend('2m')).toBe(true)
  expect(await held?.complete()).toBe(true)
  expect(await sqlq.rows()).toMatchObject([{ status: 'success', attempt: '1' }])
  await jobs.close()
})

it('works behind PgBouncer in transaction mode: it keeps nothing in a session', async () => {
  const sqlq = await newSqlq()
  const pooler = await newPgBouncer(sqlq.url, { connections: 2 })
  const jobs = await open(`sqlq:${pooler.url}`, { logger: false, connections: 4 })
  await jobs.configure('default', { concurrency: 2 })
  const completed = events(jobs, 'completed', 20)
  const worker = jobs.work([one.handle((n, job) => job.transaction(async () => n))], { concurrency: 4, poll: '50ms' })
  await jobs.enqueueMany(Array.from({ length: 20 }, (_, n) => one.with(n)))
  await completed
  await worker.stop()
  expect((await sqlq.rows()).every(({ status, attempt }) => status === 'success' && attempt === '1')).toBe(true)
  await jobs.close()
})
