import { expect, it } from 'vitest'

import { open, task } from '../../src/index.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { rejection, sockets } from './kit.ts'

const hello = task<number>({ name: 'hello' })

it('leaves no connection, no socket and no timer behind in a hundred openings', async () => {
  const { url, schema } = await newSchema()
  const outside = await connect(url)
  const { port } = new URL(url)
  const connections = async (): Promise<number> => {
    const { rows } = await outside.query('select from pg_stat_activity where application_name = $1', [schema])
    return rows.length
  }
  const cycle = async (): Promise<void> => {
    const jobs = await open(url, { schema, applicationName: schema, logger: false })
    const worker = jobs.work([hello.handle(() => undefined)])
    const { id } = await jobs.enqueue(hello, 1)
    await jobs.wait(id)
    await worker.stop()
    await jobs.close()
  }
  await cycle()
  const before = { sockets: sockets(Number(port)), resources: process.getActiveResourcesInfo().length }
  for (let n = 0; n < 100; n++) await cycle()
  expect(sockets(Number(port))).toBe(before.sockets)
  expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before.resources + 1)
  await until('the server has noticed', async () => ((await connections()) === 0 ? true : undefined))
})

it('leaves nothing behind of an opening that fails: at the connection, the password, the database, or the tables', async () => {
  const { url, schema } = await newSchema()
  const { port } = new URL(url)
  const before = sockets(Number(port))
  const nobody = Object.assign(new URL(url), { username: 'nobody_there' }).href
  const nowhere = Object.assign(new URL(url), { pathname: '/no_such_database' }).href
  const closed = Object.assign(new URL(url), { port: '1' }).href
  const outside = await connect(url)
  await outside.query(`create table ${schema}.meta (key text primary key, value text not null)`)
  await outside.query(`insert into ${schema}.meta values ('schema', '9999'), ('installation', 'x')`)
  const errors = [
    await rejection(open(closed, { schema, logger: false })),
    await rejection(open(nobody, { schema, logger: false })),
    await rejection(open(nowhere, { schema, logger: false })),
    await rejection(open(url, { schema, logger: false })),
  ]
  expect(errors.map(({ name, retryable }) => ({ name, retryable }))).toEqual([
    { name: 'StoreError', retryable: true },
    { name: 'StoreError', retryable: false },
    { name: 'StoreError', retryable: false },
    { name: 'StoreError', retryable: false },
  ])
  await outside.end()
  await until('the sockets are closed', () => (sockets(Number(port)) <= before ? true : undefined))
})
