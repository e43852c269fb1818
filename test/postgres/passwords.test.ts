import { inspect } from 'node:util'

import { expect, it, onTestFinished } from 'vitest'

import { open, task } from '../../src/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { connect, newDatabase, newProxy } from '../servers/kit.ts'
import { next } from '../sqlite/kit.ts'
import { rejection } from './kit.ts'

const canary = 'canary-4711'
const hello = task<number>({ name: 'hello' })

function withPassword(url: string): string {
  return Object.assign(new URL(url), { password: canary }).href
}

/** All that anybody could print of a value, its causes and hidden properties too. */
function printed(value: unknown): string {
  return `${inspect(value, { depth: 9, showHidden: true })} ${value instanceof Error ? `${value.stack} ${printed(value.cause)}` : ''}`
}

it('no error, event, log line or report contains the password, whatever goes wrong', async () => {
  const proxy = await newProxy(await newDatabase())
  const url = withPassword(proxy.url)
  const seen: string[] = []
  const note = (...values: readonly unknown[]): void => void seen.push(...values.map(printed))
  const logger = { debug: note, info: note, warn: note, error: note }
  const elsewhere = Object.assign(new URL(url), { pathname: '/no_such_database' }).href
  const nobody = Object.assign(new URL(url), { username: 'nobody_there' }).href

  note(await rejection(open(elsewhere, { logger })), await rejection(open(nobody, { logger })))
  note(await rejection(open(`${url}?schema=no-schema`, { logger })))
  note(await rejection(open(`${url}?sslmode=require`, { logger })))
  note(await rejection(open(url.replace('127.0.0.1', 'no-such-host.invalid'), { logger })))
  note(await rejection(open(url.replace('postgres:', 'postgress:') as 'postgres:', { logger })))
  note(await rejection(open(`postgres://ann:${canary}@:bad:port/`, { logger })))
  await proxy.refuse()
  note(await rejection(open(url, { logger, connectTimeout: '200ms' })))
  await proxy.blackHole()
  note(await rejection(open(url, { logger, connectTimeout: '200ms' })))
  await proxy.cut()
  await proxy.pass()

  const jobs = await open(url, { logger, timeout: '2s', connectTimeout: '2s' })
  onTestFinished(() => jobs.close({ grace: 0 }))
  jobs.on('*', (event) => note(event))
  note(await jobs.report())
  jobs.work([hello.handle((_, job) => job.log.info('ran'))], { poll: '50ms' })
  const completed = next(jobs, 'completed')
  await jobs.enqueue(hello, 1)
  await completed
  const failed = next(jobs, 'error')
  await proxy.refuse()
  await proxy.cut()
  note(await rejection(jobs.enqueue(hello, 2)), (await failed).error)
  await proxy.pass()
  const outside = await connect(proxy.url)
  await outside.query('drop schema jobferry cascade')
  note(await rejection(jobs.enqueue(hello, 3)))
  const store = await PostgresStore.open(url)
  await store.close()
  note(await rejection(store.queues()), store, jobs, JSON.stringify(store), JSON.stringify(jobs))
  expect(seen.length).toBeGreaterThan(20)
  expect(seen.filter((text) => text.includes(canary))).toEqual([])
})
