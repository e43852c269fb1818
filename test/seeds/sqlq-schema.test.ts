import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'

import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { run } from '../../src/cli/run.ts'
import { type JobInfo, open, StoreError, task } from '../../src/index.ts'
import { connect, newDatabase, newSchema, openPostgresBench } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

describe('sqlq: the schema', () => {
  it('S45: makes its tables once, whoever comes first of five who open at once, and keeps what is in them', async () => {
    const { url, schema } = await newSchema()
    const opened = await Promise.all(Array.from({ length: 5 }, () => open(url, { schema, logger: false })))
    onTestFinished(async () => void (await Promise.all(opened.map((jobs) => jobs.close()))))
    const added = await Promise.all(opened.map((jobs, n) => jobs.enqueue(work, n)))
    const again = await open(url, { schema, logger: false })
    onTestFinished(() => again.close())
    expect((await again.list()).map(({ id }) => id).toSorted()).toEqual(added.map(({ id }) => id).toSorted())
  })

  it('S45: does not touch the tables of a newer version, nor make any where it is not to', async () => {
    const { url, schema } = await newSchema()
    const without = await open(url, { schema, migrate: false, logger: false })
    onTestFinished(() => without.close())
    await expect(without.enqueue(work, 1)).rejects.toThrow(StoreError)
    await (await open(url, { schema, logger: false })).close()
    const client = await connect()
    await client.query(`update ${schema}.meta set value = '99' where key = 'schema'`)
    await expect(open(url, { schema, logger: false })).rejects.toThrow(
      'have version 99; this jobferry knows 2. Update jobferry',
    )
  })

  it('S45: keeps everything in one schema, and is gone with it; needs no extension', async () => {
    const url = await newDatabase()
    const client = await connect(url)
    const before = await everything(client)
    const jobs = await open(url, { logger: false })
    await jobs.enqueue(work, 1)
    const there = await everything(client)
    await jobs.close()
    expect(there.filter((one) => !before.includes(one) && !one.startsWith('jobferry.'))).toEqual([])
    await client.query('drop schema jobferry cascade')
    expect(await everything(client)).toEqual(before)
  })

  it('S46: can be enqueued into, looked at and steered from a shell, whatever the program is written in', async () => {
    const { url, schema } = await newSchema()
    const jobs = await open(url, { schema, logger: false })
    onTestFinished(() => jobs.close())
    const parsed = new URL(url)
    parsed.searchParams.set('schema', schema)
    const shell = async (...argv: readonly string[]): Promise<unknown> =>
      JSON.parse(await said(parsed.href, ...argv, '--json'))
    const { id } = (await shell('enqueue', 'work', '{"n":1}', '--queue', 'mail', '--priority', '3')) as JobInfo
    const held = await jobs.lease()
    expect(held).toMatchObject({ id, queue: 'mail', priority: 3, payload: { n: 1 } })
    await shell('cancel', id)
    expect(await jobs.get(id)).toMatchObject({ state: 'running', cancel: expect.any(String) })
    await held?.fail(new Error('no'))
    expect(await shell('show', id)).toMatchObject({ id, state: 'cancelled', attempt: 1 })
    await shell('retry', id)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending' })
  })

  it('F15: has no column empty that every job has', async () => {
    const { schema } = await openPostgresBench()
    const client = await connect()
    const always = ['id', 'lane', 'queue', 'state', 'run_at', 'created_at', 'attempt', 'max_attempts', 'rev']
    const { rows } = await client.query<{ column_name: string; is_nullable: string }>(
      `select column_name, is_nullable from information_schema.columns
      where table_schema = $1 and table_name = 'job' and column_name = any($2)`,
      [schema, always],
    )
    expect(rows.map(({ column_name, is_nullable }) => [column_name, is_nullable]).toSorted()).toEqual(
      always.map((column) => [column, 'NO']).toSorted(),
    )
  })
})

/** Every table, index, type, function, schema and extension of a database, but for those of the system. */
async function everything(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select distinct n.nspname || '.' || o.name as name
    from pg_namespace n join (
      select relname as name, relnamespace as of from pg_class
      union all select typname, typnamespace from pg_type
      union all select proname, pronamespace from pg_proc
      union all select '', oid from pg_namespace
      union all select extname, extnamespace from pg_extension
    ) o on o.of = n.oid
    where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
    order by name`)
  return rows.map(({ name }) => name)
}

/** What a command prints. */
async function said(url: string, ...argv: readonly string[]): Promise<string> {
  let text = ''
  const write = (chunk: Buffer, _: string, done: () => void): void => {
    text += String(chunk)
    done()
  }
  const stdout = Object.assign(new Writable({ write }), { isTTY: false, columns: 100 })
  const io = {
    stdin: Readable.from(['']),
    stdout,
    stderr: stdout,
    env: { JOBFERRY_URL: url },
    cwd: '/',
    signals: new EventEmitter(),
    exit: (): void => undefined,
  }
  expect({ code: await run(argv, io), text }).toMatchObject({ code: 0 })
  return text
}
