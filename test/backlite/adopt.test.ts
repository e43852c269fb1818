import { expect, it } from 'vitest'

import { open, task } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { save } from './foreign.ts'
import { connect, newBacklite, textOf } from './kit.ts'

it('jobferry adopt moves what waits, once, into tables of ours in the same file, and leaves what somebody has', async () => {
  const backlite = newBacklite()
  const from = await backlite.jobs()
  const held = task<{ To: string }>({ name: 'held' })
  await from.enqueue(held, { To: 'eve' })
  const taken = await from.lease()
  const later = Date.UTC(2100, 0, 1)
  save(connect(backlite.file), [{ queue: 'mail', task: { To: '<ada>' } }], later)
  backlite.db
    .prepare('insert into backlite_tasks (id, created_at, queue, task, attempts) values (?, ?, ?, ?, 7)')
    .run('big', 0, 'mail', Buffer.from('{"N":9007199254740993}\n'))

  const target = `sqlite:${backlite.file}`
  const refused = await cli(target, 'adopt', `backlite:${backlite.file}`)
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toContain('a dispatcher of backlite may be running')
  const alone = `backlite:${backlite.file}?dispatcher=stopped`
  expect(await cli(target, 'adopt', alone)).toMatchObject({
    code: 0,
    err: '',
    out: expect.stringMatching(/^2 jobs moved/),
  })
  expect(backlite.values().map(({ queue }) => queue)).toEqual(['held'])
  await taken?.release()
  expect(await cli(target, 'adopt', alone)).toMatchObject({ code: 0, out: expect.stringMatching(/^1 job moved/) })
  expect(backlite.rows()).toEqual([])

  await using to = await open(target, { logger: false })
  const named = (await to.list()).map((job) => [JSON.stringify(job.payload), job] as const)
  const jobs = named.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, job]) => job)
  expect(
    jobs.map(({ task: name, queue, state, attempt, maxAttempts }) => [name, queue, state, attempt, maxAttempts]),
  ).toEqual([
    ['mail', 'mail', 'pending', 7, 8],
    ['mail', 'mail', 'pending', 0, 5],
    ['held', 'held', 'pending', 0, 5],
  ])
  expect(jobs.map(({ payload }) => payload)).toMatchObject([{}, { To: '<ada>' }, { To: 'eve' }])
  expect(jobs[1]?.runAt).toBe(later)
  const payloads = connect(backlite.file).prepare('select payload from jobferry_job').all() as {
    payload: string | Uint8Array
  }[]
  expect(payloads.map(({ payload }) => (typeof payload === 'string' ? payload : textOf(payload)))).toContain(
    '{"N":9007199254740993}',
  )
})
