import { expect, it, onTestFinished } from 'vitest'

import { open } from '../../src/index.ts'
import { cli } from '../postgres/cli-kit.ts'
import { newPrefix } from '../servers/kit.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue } from './kit.ts'

it('jobferry adopt moves what waits, once, and leaves what somebody has', async () => {
  const queue = await newQueue()
  const client = new ForeignClient(queue.client, queue.prefix, 'theirs')
  for (const id of ['leased', 'popped', 'bytes', 'order:17'])
    await client.addItem(id, id === 'bytes' ? 'no JSON' : '{"n":1}')
  await client.lease(30)
  await client.pop()
  const target = `${queue.url}?namespace=${newPrefix()}`
  const from = Date.now()
  const moved = await cli(target, 'adopt', `redis-work-queue:${queue.url}?prefix=${queue.prefix}`)
  expect(moved).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^2 jobs moved\n?$/) as string })
  expect(Object.keys(await queue.keys())).toEqual([':item:leased', ':item:popped', ':lease:leased', ':processing'])

  await using to = await open(target, { logger: false })
  const jobs = await to.list({ order: 'oldest' })
  expect(jobs.map((job) => [job.task, job.queue, job.payload, job.unique?.key])).toEqual([
    [queue.prefix, 'default', new Uint8Array(Buffer.from('no JSON')), 'bytes'],
    [queue.prefix, 'default', { n: 1 }, 'order:17'],
  ])
  for (const { createdAt, runAt } of jobs) {
    expect(createdAt).toBeGreaterThanOrEqual(from)
    expect(runAt).toBeLessThanOrEqual(Date.now())
  }
})

it('moves each of many jobs once, while a client goes on working', async () => {
  const queue = await newQueue()
  const client = new ForeignClient(queue.client, queue.prefix, 'theirs')
  await using from = await queue.jobs()
  await using to = await open('memory:', { logger: false })
  const count = 1_200
  for (let n = 0; n < count; n += 200)
    await Promise.all(Array.from({ length: 200 }, async (_, i) => await client.addItem(`job ${n + i}`, String(n + i))))
  const over = new AbortController()
  onTestFinished(() => over.abort())
  const done: number[] = []
  const playing = (async () => {
    while (!over.signal.aborted) {
      const item = await client.lease(30)
      if (item === undefined) continue
      done.push(Number(item.data))
      await client.complete(item.id)
    }
  })()
  const { moved } = await to.adopt(from, { source: queue.prefix })
  over.abort()
  await playing
  const there = (await to.list({ limit: 1_000 })).map(({ payload }) => payload as number)
  const more = (await to.list({ limit: 1_000, order: 'oldest' })).map(({ payload }) => payload as number)
  expect(done.length).toBeGreaterThan(0)
  expect(moved + done.length).toBe(count)
  expect([...done, ...new Set([...there, ...more])].toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: count }, (_, n) => n),
  )
  expect(await queue.keys()).toEqual({})
})
