import { DatabaseSync } from 'node:sqlite'

import { expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { count, newFile, next, openHandle, openJobs, startChild } from './kit.ts'

/** The points of section 5 that need several processes, or the time as it is. */
const hello = task<{ n: number }>({ name: 'hello' })

it('S2: notes a run whose handler brings the process down with a rejection that nobody hears', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const { id } = await jobs.enqueue(hello, { n: 1 }, { maxAttempts: 1 })
  const child = await startChild({ silent: true })
  await child.call('open', file)
  await expect(child.call('crash')).rejects.toThrow('The child has ended')
  const rescued = next(jobs, 'rescued')
  jobs.work([hello.handle(() => 1)], { poll: '10m' })
  expect(await rescued).toMatchObject({ job: { id }, state: 'failed' })
  expect(await jobs.get(id)).toMatchObject({ state: 'failed', failures: [{ name: 'LeaseExpiredError' }] })
})

it('S7: gives five hundred jobs to the workers of several processes, each once', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const children = await Promise.all(Array.from({ length: 3 }, () => startChild()))
  await Promise.all(children.map((child) => child.call('open', file)))
  const draining = children.map((child) => child.call('runAll', 500))
  const added = await jobs.enqueueMany(Array.from({ length: 500 }, (_, n) => hello.with({ n })))
  const ran = (await Promise.all(draining)).flat()
  expect(ran.toSorted()).toEqual(added.map(({ id }) => id).toSorted())
})

it('S8: wakes a worker of another process without its poll, also for rows of a transaction of that process', async () => {
  const file = newFile()
  const jobs = await openJobs(file)
  const child = await startChild()
  await child.call('open', file)
  jobs.work([hello.handle(() => 1)], { poll: '10m' })
  await jobs.enqueue(hello, { n: 0 })
  await next(jobs, 'completed')
  const completed = next(jobs, 'completed')
  const id = await child.call('enqueue', 1)
  expect((await completed).job.id).toBe(id)
  const second = next(jobs, 'completed')
  expect(await child.call('enqueueInTransaction', file, 2)).toBe((await second).job.id)
})

it('S9: outlives a database that is locked for longer than it waits, and works everything afterwards', async () => {
  const file = newFile()
  const jobs = await openJobs(file, { busyTimeout: '20ms' })
  await jobs.enqueueMany(Array.from({ length: 200 }, (_, n) => hello.with({ n })))
  const child = await startChild()
  await child.call('hold', file)
  const trouble = count(jobs, 'error', 3)
  const completed = count(jobs, 'completed', 200)
  for (let n = 0; n < 4; n++) jobs.work([hello.handle(() => 1)])
  await trouble
  await child.call('letGo')
  await completed
  expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: 200, pending: 0 })
})

it('S10: works thousands of jobs a second where ten hands of backlite work a hundred', async () => {
  const jobs = await openJobs(newFile())
  await jobs.enqueueMany(Array.from({ length: 3_000 }, (_, n) => hello.with({ n })))
  const completed = count(jobs, 'completed', 3_000)
  const began = performance.now()
  jobs.work([hello.handle(() => 1)], { concurrency: 10 })
  await completed
  expect(performance.now() - began).toBeLessThan(10_000) // 300 a second: far below what it does, far above a hundred
})

it('S22: brings its tables up to date by numbered steps, under names that clash with nobody’s', async () => {
  const file = newFile()
  const app = new DatabaseSync(file)
  app.exec('create table jobs (id integer); create table queue (id integer); create index todo on jobs (id)')
  app.close()
  const jobs = await openJobs(file, { prefix: 'bg_' })
  await jobs.enqueue(hello, { n: 1 })
  expect((await jobs.report()).find(({ name }) => name === 'schema')).toMatchObject({ level: 'ok' })
  const db = openHandle(file)
  const names = db
    .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    .all() as { name: string }[]
  expect(
    names
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('bg_'))
      .toSorted(),
  ).toEqual(['jobs', 'queue'])
})
