import { expect, it } from 'vitest'

import { open, task } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newDatabase } from '../servers/kit.ts'
import { ForeignWorker } from './foreign.ts'
import { newSqlq } from './kit.ts'

it('jobferry adopt moves what waits, page by page, once, and leaves what a Go worker has taken', async () => {
  const sqlq = await newSqlq()
  const from = await sqlq.jobs()
  const mail = task<string>({ name: 'mail', queue: 'mail', maxAttempts: 3 })
  await from.enqueue(mail, 'bob', { priority: 7 })
  const foreign = await ForeignWorker.start(sqlq.url, ['mail'], ['mail'])
  const theirs = await foreign.dequeue()
  const many = Array.from({ length: 700 }, (_, n) => mail.with(`no ${n}`, n % 2 === 0 ? {} : { delay: '1h' }))
  await from.enqueueMany([mail.with('ada', { retention: { completed: '2h', failed: '2h', cancelled: '2h' } }), ...many])

  const target = await newDatabase()
  const moved = await cli(target, 'adopt', `sqlq:${sqlq.url}`)
  expect(moved).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^701 jobs moved\n?$/) as string })
  expect(await sqlq.rows()).toMatchObject([{ id: theirs?.id, status: 'running' }])
  await foreign.fail(theirs!)
  await foreign.end()
  expect(await cli(target, 'adopt', `sqlq:${sqlq.url}`)).toMatchObject({ code: 0 })
  expect(await sqlq.rows()).toEqual([])

  await using to = await open(target, { logger: false })
  const jobs = await to.list({ order: 'oldest', limit: 1_000 })
  expect(jobs.map(({ payload }) => payload)).toEqual(['ada', ...many.map((_, n) => `no ${n}`), 'bob'])
  expect([jobs[0], jobs.at(-1)]).toMatchObject([
    { task: 'mail', queue: 'mail', state: 'pending', priority: 10, attempt: 0, maxAttempts: 3 },
    { task: 'mail', queue: 'mail', state: 'pending', priority: 7, attempt: 1, maxAttempts: 3 },
  ])
  expect((await to.lease({ tasks: ['mail'] }))?.payload).toBe('bob')
})
