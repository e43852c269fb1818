import { describe, expect, it } from 'vitest'

import { open, StoreError, UsageError } from '../../src/index.ts'
import { connect, newDatabase } from '../servers/kit.ts'
import { newQue, versions } from './kit.ts'
import { queSchema } from './schema.ts'

it.for(versions)('finds version %i by itself', async (version) => {
  const store = await (await newQue(version)).store()
  expect(store.format.version).toBe(version)
  expect(store.capabilities.has('listen')).toBe(version > 3)
})

it('finds the version by the columns where the comment is missing', async () => {
  const que = await newQue(3)
  await que.client.query('comment on table que_jobs is null')
  expect((await que.store()).format.version).toBe(3)
})

describe('refuses to open', () => {
  it('a database without the table, and makes none', async () => {
    const url = await newDatabase()
    await expect(open(`que:${url}`)).rejects.toThrow(/There is no table que_jobs in the schema public/)
    const client = await connect(url)
    const { rows } = await client.query(
      `select from pg_class where relname like '%que%' and relnamespace = 'public'::regnamespace`,
    )
    expect(rows).toEqual([])
  })

  it.for([
    ['a table of a newer version', queSchema(7), '8'],
    ['a table whose comment is about another', queSchema(5), '3'],
    [
      'a table of version 2, which has no queues',
      'create table que_jobs (priority int, run_at timestamptz, job_id bigserial, job_class text, args json, error_count int, last_error text)',
      '2',
    ],
    ['a table of somebody else’s', 'create table que_jobs (id int, what text)', 'ours'],
  ] as const)('%s', async ([, schema, comment]) => {
    const url = await newDatabase()
    const client = await connect(url)
    await client.query(schema)
    await client.query(`comment on table que_jobs is '${comment}'`)
    await expect(open(`que:${url}`)).rejects.toThrow(StoreError)
    await expect(open(`que:${url}`)).rejects.toThrow(`its comment says "${comment}"`)
  })

  it('with an option that the version has no place for', async () => {
    const three = await newQue(3)
    const seven = await newQue(7)
    await expect(three.store({ jobSchemaVersion: 9 })).rejects.toThrow(UsageError)
    await expect(seven.store({ args: 'any' })).rejects.toThrow(UsageError)
  })

  it('several as one store: their ids are their own, and may be the same', async () => {
    const [one, two] = [await newQue(3), await newQue(3)]
    await expect(open([`que:${one.url}`, `que:${two.url}`])).rejects.toThrow(/cannot be one of several/)
  })
})

it('works in another schema', async () => {
  const url = await newDatabase()
  const client = await connect(url)
  await client.query(`create schema queue; set search_path = queue; ${queSchema(3)}`)
  const jobs = await open(`que:${url}${url.includes('?') ? '&' : '?'}schema=queue`, { logger: false })
  expect(await jobs.lease()).toBeUndefined()
  await jobs.close()
})
