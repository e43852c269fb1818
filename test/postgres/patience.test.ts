import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'

import { StoreError, task } from '../../src/index.ts'
import type { Store } from '../../src/store.ts'
import { over } from '../dashboard/kit.ts'
import { newQue } from '../que/kit.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { newSqlq } from '../sqlq/kit.ts'
import { openJobs, openStore, rejection } from './kit.ts'

interface Table {
  readonly name: string
  readonly store: Store<object>
  readonly client: Client
}

const tables: Readonly<Record<string, () => Promise<Table>>> = {
  async postgres() {
    const { url, schema } = await newSchema()
    return {
      name: `${schema}.job`,
      store: await openStore(url, { schema, connections: 1 }),
      client: await connect(url),
    }
  },
  async que() {
    const que = await newQue(7)
    return { name: 'que_jobs', store: await que.store({ connections: 1 }), client: que.client }
  },
  async sqlq() {
    const sqlq = await newSqlq()
    return { name: 'sqlq.jobs', store: await sqlq.store({ connections: 1 }), client: sqlq.client }
  },
}

it.each(Object.keys(tables))(
  'breaks a page off that takes longer than it may, and nothing else (%s)',
  async (format) => {
    const { name, store, client } = await tables[format]!()
    const free = await held(client, name)
    const error = await rejection(Promise.resolve(store.list({ limit: 1, withinMs: 50 })))
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('statement timeout') })
    // The same connection, for there is but one, has its old patience again.
    const patient = store.list({ limit: 1 })
    const { rows } = await client.query('select pg_sleep(0.2)')
    expect(rows).toHaveLength(1)
    await free()
    expect(await patient).toEqual([])
  },
)

it('answers a page of the dashboard that would take too long with 503, and the server is not at it any more', async () => {
  const { url, schema } = await newSchema()
  const jobs = await openJobs(url, { schema })
  const { id } = await jobs.enqueue(task({ name: 'note' }), undefined)
  const client = await connect(url)
  const page = over(jobs)
  const free = await held(client, `${schema}.job`)
  const answer = await page.ask('GET', 'api/jobs')
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
  expect(await answer.json()).toMatchObject({ code: 'store', detail: expect.stringContaining('ask for less') })
  const { rows } = await client.query(
    `select from pg_locks where relation = to_regclass($1) and not granted and database = (select oid from pg_database where datname = current_database())`,
    [`${schema}.job`],
  )
  expect(rows).toEqual([])
  await free()
  expect((await page.get('api/jobs')).jobs).toMatchObject([{ id }])
})

/** A table that nobody can read until it is let go. */
async function held(client: Client, table: string): Promise<() => Promise<void>> {
  await client.query(`begin; lock table ${table} in access exclusive mode`)
  const free = async (): Promise<void> => void (await client.query('rollback'))
  onTestFinished(free)
  return free
}
