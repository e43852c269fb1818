import { expect, it, onTestFinished } from 'vitest'

import { task } from '../../src/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { aClaim, addOne, aJob, ids } from '../../src/testing/contract/builders.ts'
import { connect, newProxy, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { openJobs, openStore, rejection, sockets } from './kit.ts'

const hello = task<number>({ name: 'hello' })

it('finds a half-open connection that listens by its heartbeat, and listens again', async () => {
  const { url, schema } = await newSchema()
  const other = await openJobs(url, { schema })
  const proxy = await newProxy(url)
  const store = await PostgresStore.open(
    proxy.url,
    { schema, timeout: '1s', connectTimeout: '1s' },
    { heartbeatMs: 50 },
  )
  onTestFinished(() => store.close())
  const rings: string[] = []
  await store.listen((bell) => rings.push(bell)) // the only connection it has
  await proxy.blackHole()
  const accepted = proxy.accepted
  await other.enqueue(hello, 1) // nobody hears of it
  await until('a new connection is tried', () => (proxy.accepted > accepted ? true : undefined))
  expect(rings).toEqual([])
  await proxy.cut() // what is in the hole never comes out of it
  await proxy.pass()
  await until('all was rung', () => (rings.length === 2 ? true : undefined))
  expect(rings).toEqual(['jobs', 'control'])
  await other.enqueue(hello, 2)
  await until('it hears again', () => (rings.length > 2 ? true : undefined))
})

it('gives a half-open connection up after the timeout, and does not try the others of its age one by one', async () => {
  const { url, schema } = await newSchema()
  const outside = await openStore(url, { schema })
  const proxy = await newProxy(url)
  const store = await openStore(proxy.url, { schema, timeout: '1s', connections: 5, notify: false })
  await Promise.all(Array.from({ length: 5 }, () => store.queues())) // five connections
  expect(proxy.connections).toBe(5)
  const job = await addOne(outside)

  await proxy.blackHole()
  const began = performance.now()
  const claiming = store.claim(aClaim())
  await until('its connection was given up', () => (proxy.accepted > 5 ? true : undefined))
  await proxy.pass() // the new one gets through; the old ones stay as they are
  expect(ids((await claiming).jobs)).toEqual([job.id])
  expect(performance.now() - began).toBeLessThan(4_000) // once the timeout, not five times
})

it('closes within a bound while its connections are half open, in use or not', async () => {
  const { url, schema } = await newSchema()
  const proxy = await newProxy(url)
  const store = await openStore(proxy.url, { schema, applicationName: schema })
  await store.listen(() => undefined)
  await Promise.all(Array.from({ length: 3 }, () => store.queues()))
  const { tx } = await store.begin()
  expect(tx).toBeDefined()
  await proxy.blackHole('replies')
  const asking = rejection(store.claim(aClaim()))
  const outside = await connect(url)
  await until('it was asked', async () => {
    const { rowCount } = await outside.query(
      `select from pg_stat_activity where application_name = $1 and query like '%.exchange(%'`,
      [schema],
    )
    return rowCount === 0 ? undefined : true
  })
  await proxy.blackHole()
  const began = performance.now()
  await store.close()
  expect(performance.now() - began).toBeLessThan(6_000)
  expect(await asking).toMatchObject({ name: expect.stringMatching(/StoreError|UsageError/) })
  await until('every socket is closed', () => (sockets(proxy.port) === 0 ? true : undefined))
  await proxy.pass()
})

it('begins a transaction of its own although the connection for it has been half open since the last', async () => {
  const { url, schema } = await newSchema()
  const proxy = await newProxy(url)
  await openStore(url, { schema }) // its tables may take longer than that
  const store = await openStore(proxy.url, { schema, timeout: '1s' })
  await (await store.begin()).rollback()
  await proxy.blackHole()
  const accepted = proxy.accepted
  const beginning = store.begin()
  await until('its connection was given up', () => (proxy.accepted > accepted ? true : undefined))
  await proxy.pass()
  const { tx, commit } = await beginning
  const job = aJob()
  await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], job.createdAt, tx)
  await commit()
  expect(await store.get([job.id])).toEqual([job])
})

it('adds a job once although the first attempt, given up for its time, is carried out in the end', async () => {
  const { url, schema } = await newSchema()
  const [outside, watcher] = [await connect(url), await connect(url)]
  await addOne(await openStore(url, { schema }), { id: 'first' })
  const store = await openStore(url, { schema, timeout: '1s' })
  const job = aJob()
  await outside.query(`begin; lock table ${schema}.tally in access exclusive mode`) // in its way after the row was added
  const adding = store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], job.createdAt)
  await until('the second attempt waits for the first', async () => {
    const { rows } = await watcher.query(
      `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%"${schema}".add(%'`,
    )
    return rows.length > 1 ? true : undefined
  })
  await outside.query('commit')
  expect(await adding).toEqual([{ ok: true, holders: [] }])
  expect(await store.get([job.id])).toEqual([job])
})
