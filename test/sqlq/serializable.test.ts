import { expect, it, onTestFinished } from 'vitest'

import { StoreError } from '../../src/index.ts'
import { connectSettings } from '../../src/stores/pg/connect-options.ts'
import { Connections } from '../../src/stores/pg/connections.ts'
import { loadDriver } from '../../src/stores/pg/pg.ts'
import { type Ask, Serializable } from '../../src/stores/sqlq/serializable.ts'
import { takeJobs } from '../../src/stores/sqlq/taker.ts'
import { ForeignWorker } from './foreign.ts'
import { newSqlq, type Sqlq } from './kit.ts'

it.each<[what: string, types: readonly string[]]>([
  ['the last place of a queue', ['theirs']],
  ['the very job', ['ours']],
])('takes nothing when a Go worker has taken %s between the look and the taking', async (_, types) => {
  const { sqlq, serializable } = await opened()
  await sqlq.client.query(`
    insert into sqlq.queues (name, concurrency) values ('q', 1);
    insert into sqlq.jobs (queue, typename) values ('q', 'ours'), ('q', 'theirs')`)
  const foreign = await ForeignWorker.start(sqlq.url, ['q'], types)
  let tries = 0
  const now = Date.now() + 1_000
  const request = { tasks: new Map([['ours', 1]]), limit: 1, lease: 'x', until: now + 30_000, now }
  const taken = await serializable.run(async (ask) => {
    tries++
    const asked: string[] = []
    return await takeJobs(request, async (text, values) => {
      const rows = await ask(text, values)
      if (tries === 1 && asked.push(text) === 1) expect(await foreign.dequeue()).toBeDefined()
      return rows
    })
  })
  expect([taken, tries]).toEqual([[], 2])
  expect((await sqlq.rows()).filter(({ status }) => status === 'running')).toMatchObject([{ typename: types[0] }])
  await foreign.end()
})

it('lets many through that undo each other, one after the other', async () => {
  const { sqlq, serializable } = await opened()
  await sqlq.client.query(`insert into sqlq.queues (name, concurrency) values ('q', 0)`)
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      await serializable.run(async (ask) => {
        const [row] = await ask('select sum(concurrency)::text as c0 from sqlq.queues')
        await ask('update sqlq.queues set concurrency = $1::text::integer + 1', [String(row?.[0])])
      })
    }),
  )
  expect((await sqlq.client.query('select concurrency from sqlq.queues')).rows).toEqual([{ concurrency: 12 }])
})

it('begins anew when the connection is lost before the commit, and says so when it is lost with it', async () => {
  const { sqlq, serializable } = await opened()
  const cut = async (ask: Ask): Promise<void> => {
    const [row] = await ask('select pg_backend_pid()::text as c0')
    await sqlq.client.query('select pg_terminate_backend($1, 5000)', [row?.[0]])
  }
  let tries = 0
  await serializable.run(async (ask) => {
    if (++tries === 1) await cut(ask)
    await ask(`insert into sqlq.queues (name) values ('once')`)
  })
  const lost = serializable.run(async (ask) => {
    tries++
    await ask(`insert into sqlq.queues (name) values ('never')`)
    await cut(ask)
  })
  await expect(lost).rejects.toThrow(StoreError)
  await expect(lost).rejects.toMatchObject({ retryable: true })
  expect(tries).toBe(3)
  expect((await sqlq.client.query('select name from sqlq.queues')).rows).toEqual([{ name: 'once' }])
})

it('throws what the work throws, with everything undone, and goes on', async () => {
  const { sqlq, serializable } = await opened()
  const broken = serializable.run(async (ask) => {
    await ask(`insert into sqlq.queues (name) values ('never')`)
    throw new StoreError('no', { retryable: false })
  })
  await expect(broken).rejects.toThrow('no')
  await expect(serializable.run(async (ask) => await ask('select 1 / 0'))).rejects.toThrow('division by zero')
  expect(await serializable.run(async (ask) => await ask('select name from sqlq.queues'))).toEqual([])
  expect((await sqlq.client.query('select from sqlq.queues')).rowCount).toBe(0)
})

async function opened(): Promise<{ sqlq: Sqlq; serializable: Serializable }> {
  const sqlq = await newSqlq()
  const driver = await loadDriver(sqlq.url, connectSettings({}))
  const connections = new Connections(driver.pool(4))
  onTestFinished(async () => await connections.end())
  return { sqlq, serializable: new Serializable(connections) }
}
