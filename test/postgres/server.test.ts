import { setInterval } from 'node:timers/promises'

import { expect, it } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { aClaim } from '../../src/testing/contract/builders.ts'
import { connect, newPostgres, newProxy } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { count, next } from '../sqlite/kit.ts'
import { openJobs, openStore, rejection, sockets } from './kit.ts'

const hello = task<number>({ name: 'hello', maxAttempts: 20, backoff: '10ms' })

/** Longer outages: `AWAY_MS=60000 npx vitest run test/postgres/server`. */
const awayMs = Number(process.env['AWAY_MS'] ?? 3_000)

it('carries on by itself after crashes of the server in the middle of work, and loses nothing that was acknowledged', async () => {
  const postgres = await newPostgres()
  const jobs = await openJobs(postgres.url)
  const runs = new Map<string, number>()
  const acknowledged = new Set<string>()
  jobs.work([hello.handle((_, job) => void runs.set(job.id, (runs.get(job.id) ?? 0) + 1))], { lease: '2s' })
  for (let round = 0; round < 3; round++) {
    const some = Promise.withResolvers<void>()
    const enqueueing = Array.from({ length: 10 }, async () => {
      for (let n = 0; n < 100; n++) {
        const enqueued = await jobs.enqueue(hello, n).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'StoreError', retryable: true })
        })
        if (enqueued === undefined) return
        if (acknowledged.add(enqueued.id).size % 100 === 0) some.resolve()
      }
      some.resolve()
    })
    await some.promise
    await postgres.kill()
    await Promise.all(enqueueing)
    await postgres.start()
  }
  await until('each has run', () => ([...acknowledged].every((id) => runs.has(id)) ? true : undefined))
  expect(acknowledged.size).toBeGreaterThan(100)
  const completed = count(jobs, 'completed', 1)
  await jobs.enqueue(hello, 1)
  await completed
  // An end whose commit a crash has undone is a run that is repeated, once its lease has run out.
  await until('none is left', async () => ((await openCount(jobs)) === 0 ? true : undefined))
})

it('waits with few attempts while the server is away, refuses enqueues at once, and resumes within five seconds', async () => {
  const postgres = await newPostgres()
  const proxy = await newProxy(postgres.url)
  const jobs = await openJobs(proxy.url)
  const errors: unknown[] = []
  jobs.on('error', ({ error }) => errors.push(error))
  jobs.work([hello.handle(() => undefined)], { poll: '100ms', lease: '3s' })
  const first = next(jobs, 'completed')
  await jobs.enqueue(hello, 1)
  await first

  await postgres.stop()
  const before = proxy.accepted
  const cpu = process.cpuUsage()
  const began = performance.now()
  let refused = 0
  for await (const _ of setInterval(500)) {
    const asked = performance.now()
    expect(await rejection(jobs.enqueue(hello, 2))).toMatchObject({ name: 'StoreError', retryable: true })
    expect(performance.now() - asked).toBeLessThan(1_000)
    refused++
    if (performance.now() - began > awayMs) break
  }
  const attempts = proxy.accepted - before - refused
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  expect(attempts).toBeLessThan(15 + 5 * seconds)
  expect((user + system) / 1e6).toBeLessThan(0.3 * seconds)
  expect(errors.every((error) => (error as { retryable: boolean }).retryable)).toBe(true)

  await postgres.start()
  const resumed = performance.now()
  const second = next(jobs, 'completed')
  const direct = await openJobs(postgres.url)
  await direct.enqueue(hello, 3)
  await second
  expect(performance.now() - resumed).toBeLessThan(6_000)
})

it('closes within a bound, and leaves no socket, while the server is away', async () => {
  const postgres = await newPostgres()
  const proxy = await newProxy(postgres.url)
  const jobs = await open(proxy.url, { logger: false })
  jobs.work([hello.handle((_, job) => new Promise((resolve) => job.signal.addEventListener('abort', resolve)))])
  const started = next(jobs, 'started')
  await jobs.enqueue(hello, 1)
  await started
  await postgres.kill()
  const began = performance.now()
  await jobs.close({ grace: 0 })
  expect(performance.now() - began).toBeLessThan(9_000)
  expect(sockets(proxy.port)).toBe(0)
})

it('does not take a server that is read-only for a while for the last word', async () => {
  const postgres = await newPostgres()
  const outside = await connect(postgres.url)
  const jobs = await openJobs(postgres.url)
  jobs.work([hello.handle(() => undefined)], { poll: '100ms' })
  const first = next(jobs, 'completed')
  await jobs.enqueue(hello, 1)
  await first
  const readOnly = async (value: 'on' | 'off'): Promise<void> => {
    await outside.query('set default_transaction_read_only = off')
    await outside.query(`alter system set default_transaction_read_only = ${value}`)
    await outside.query('select pg_reload_conf()')
    await until('it is in force', async () => {
      const client = await connect(postgres.url)
      const { rows } = await client.query('show default_transaction_read_only')
      return rows[0].default_transaction_read_only === value ? true : undefined
    })
  }
  await readOnly('on')
  const error = next(jobs, 'error')
  expect(await rejection(jobs.enqueue(hello, 2))).toMatchObject({
    name: 'StoreError',
    retryable: true,
    message: expect.stringContaining('read-only'),
  })
  expect((await error).error).toMatchObject({ retryable: true, message: expect.stringContaining('read-only') })
  expect(await jobs.stats()).toHaveLength(1)
  await readOnly('off')
  const second = next(jobs, 'completed')
  await jobs.enqueue(hello, 3)
  await second
})

it('says clearly that the server has no connection left, and works once it has', async () => {
  const postgres = await newPostgres({ settings: { max_connections: 5, superuser_reserved_connections: 0 } })
  const store = await openStore(postgres.url, { notify: false, connections: 1 })
  await store.queues()
  const taken = await Promise.all(Array.from({ length: 4 }, () => connect(postgres.url)))
  const another = await rejection(openJobs(postgres.url))
  expect(another).toMatchObject({
    name: 'StoreError',
    retryable: true,
    message: expect.stringMatching(/too many clients/),
  })
  expect(await store.claim(aClaim())).toMatchObject({ jobs: [] }) // what is open goes on
  await Promise.all(taken.map((client) => client.end()))
  const jobs = await until('a connection is free', async () => await openJobs(postgres.url).catch(() => undefined))
  expect(await jobs.list()).toEqual([])
})

async function openCount(jobs: Jobs): Promise<number> {
  const stats = await jobs.stats()
  return stats.reduce((sum, { counts }) => sum + counts.pending + counts.running, 0)
}
