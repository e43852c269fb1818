import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { firstIdAt } from '../../src/core/id.ts'
import { type Jobs, open, task } from '../../src/index.ts'
import { connect, newDatabase, newSchema } from '../servers/kit.ts'
import { next } from '../sqlite/kit.ts'

interface Place {
  readonly jobs: Jobs
  readonly schema: string
  /** Somebody who knows nothing of us but SQL. */
  readonly client: Client
  /** Calls `enqueue` with these arguments, written as SQL, and answers with the id. */
  enqueue(args: string): Promise<string>
}

async function arrange(): Promise<Place> {
  const { url, schema } = await newSchema()
  const jobs = await open(url, { schema, logger: false })
  onTestFinished(() => jobs.close({ grace: 0 }))
  const client = await connect()
  const enqueue = async (args: string): Promise<string> => {
    const { rows } = await client.query(`select ${schema}.enqueue(${args}) as id`)
    return rows[0].id
  }
  return { jobs, schema, client, enqueue }
}

/** Among ids of one millisecond, those of two makers have no order; the clocks of server and client may be a few apart. */
async function nextMillisecond(client: Client): Promise<void> {
  await client.query('select pg_sleep(0.02)')
}

describe('enqueue from SQL', () => {
  it('adds a job as the library does, with the same defaults', async () => {
    const { jobs, enqueue } = await arrange()
    const ours = await jobs.enqueue(task<{ n: number }>({ name: 'hello' }), { n: 1 })
    const theirs = await enqueue(`'hello', '{"n":1}'`)
    const [a, b] = [(await jobs.get(ours.id))!, (await jobs.get(theirs))!]
    expect({ ...b, id: '', createdAt: 0, runAt: 0 }).toEqual({ ...a, id: '', createdAt: 0, runAt: 0 })
    expect(b.runAt).toEqual(b.createdAt)
    expect((await jobs.stats())[0]?.counts.pending).toBe(2)
  })

  it('takes every argument', async () => {
    const { jobs, enqueue } = await arrange()
    const id =
      await enqueue(`'bill', json_build_object('order', 7), queue => 'money', run_at => '2030-01-02 03:04:05.678+00',
      priority => -3, max_attempts => 9, unique_key => 'order:7', unique_until => 'settled', concurrency_key => 'ann'`)
    expect(await jobs.get(id)).toMatchObject({
      task: 'bill',
      queue: 'money',
      payload: { order: 7 },
      runAt: Date.parse('2030-01-02T03:04:05.678Z'),
      priority: -3,
      maxAttempts: 9,
      unique: { key: 'order:7', until: 'settled', held: true },
      concurrencyKey: 'ann',
    })
    expect((await jobs.get(await enqueue(`'raw', bytes => '\\x00ff'::bytea`)))?.payload).toEqual(
      new Uint8Array([0, 255]),
    )
    expect((await jobs.get(await enqueue(`'none'`)))?.payload).toBeUndefined()
    expect((await jobs.get(await enqueue(`'null', 'null'`)))?.payload).toBeNull()
    expect((await jobs.get(await enqueue(`'a', queue => ''`)))?.queue).toBe('')
  })

  it('gives ids of the same form, which sort among those of the library by their time', async () => {
    const { jobs, client, enqueue } = await arrange()
    const hello = task({ name: 'hello' })
    const ids: string[] = []
    for (const add of [async () => (await jobs.enqueue(hello)).id, async () => await enqueue(`'hello'`)].flatMap(
      (one) => [one, one],
    )) {
      ids.push(await add())
      await nextMillisecond(client)
    }
    expect(ids.every((id) => /^[0-9a-hjkmnp-tv-z]{21}$/.test(id))).toBe(true)
    expect((await jobs.list({ order: 'oldest' })).map(({ id }) => id)).toEqual(ids)
    const [sql] = ids.slice(2)
    expect(firstIdAt((await jobs.get(sql!))!.createdAt)).toBe(sql!.slice(0, 9))
  })

  it('refuses what the library refuses, says what was expected, and adds nothing', async () => {
    const { jobs, enqueue } = await arrange()
    const refused = [
      [`null`, 'Expected task to be text of 1 to 255 characters without control characters, got null'],
      [`''`, 'task to be text of 1 to 255 characters without control characters, got ""'],
      [`E'a\\nb'`, 'task to be text of 1 to 255 characters without control characters, got "a\\nb"'],
      [`U&'a\\0085'`, 'task to be text of 1 to 255 characters'],
      [`repeat('x', 256)`, 'task to be text of 1 to 255 characters'],
      [`repeat(U&'\\+01F600', 128)`, 'task to be text of 1 to 255 characters'],
      [`'a', queue => null`, 'queue to be text of 0 to 255 characters without control characters, got null'],
      [`'a', queue => E'\\t'`, 'queue to be text of 0 to 255 characters'],
      [`'a', priority => 40000`, 'priority to be a whole number from -32768 to 32767, got 40000'],
      [`'a', max_attempts => 0`, 'max_attempts to be a whole number from 1 to 10000, got 0'],
      [`'a', run_at => 'infinity'`, 'run_at to be a time from 1970 to 275760, got infinity'],
      [`'a', run_at => '1969-12-31'`, 'run_at to be a time from 1970 to 275760, got 1969-12-31'],
      [`'a', unique_key => ''`, 'unique_key to be text of 1 to 255 characters'],
      [
        `'a', unique_key => 'k', unique_until => 'soon'`,
        `unique_until to be 'claimed', 'settled' or an interval of time to come, got 'soon'`,
      ],
      [`'a', unique_key => 'k', unique_until => '-1 hour'`, `got '-1 hour'`],
      [`'a', unique_key => 'k', unique_until => null`, 'unique_until to be'],
      [`'a', concurrency_key => ''`, 'concurrency_key to be text of 1 to 255 characters'],
      [`'a', to_json(repeat('x', 1048575))`, 'payload to be at most 1048576 bytes, got 1048577 bytes'],
      [`'a', bytes => convert_to(repeat('x', 1048577), 'UTF8')`, 'payload to be at most 1048576 bytes'],
      [`'a', '1', bytes => '\\x01'`, 'one of payload and bytes to be null, got both'],
    ] as const
    for (const [args, message] of refused)
      await expect(enqueue(args)).rejects.toMatchObject({ code: '22023', message: expect.stringContaining(message) })
    expect(await jobs.list()).toEqual([])
  })

  it('takes what is just within the limits', async () => {
    const { jobs, enqueue } = await arrange()
    await enqueue(`repeat(U&'\\+01F600', 127) || 'x', to_json(repeat('x', 1048574)), queue => repeat('q', 255)`)
    expect(await jobs.list()).toMatchObject([{ task: `${'😀'.repeat(127)}x`, payload: 'x'.repeat(1_048_574) }])
  })

  it('refuses what is no JSON', async () => {
    await expect((await arrange()).enqueue(`'a', '{n:1}'`)).rejects.toMatchObject({ code: '22P02' })
  })

  it('answers with the holder of a unique key, whoever enqueued it, for as long as it is held', async () => {
    const { jobs, enqueue } = await arrange()
    const hello = task<number>({ name: 'hello' })
    const holder = await jobs.enqueue(hello, 1, { unique: 'k' })
    expect(await enqueue(`'hello', '2', unique_key => 'k'`)).toBe(holder.id)
    const held = await jobs.lease()
    const second = await enqueue(`'hello', '2', unique_key => 'k', unique_until => '1 hour'`)
    expect(second).not.toBe(holder.id)
    expect(await jobs.enqueue(hello, 3, { unique: 'k' })).toEqual({ id: second, outcome: 'kept' })
    await held?.complete()
    await (await jobs.lease())?.complete()
    expect(await enqueue(`'hello', '4', unique_key => 'k'`)).toBe(second)
    expect(await enqueue(`'hello', '4', unique_key => 'k', queue => 'other'`)).not.toBe(second)
  })

  it('gives rivals for one key one job', async () => {
    const { jobs, schema } = await arrange()
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect()))
    const text = `select ${schema}.enqueue('hello', unique_key => 'k') as id`
    const ids = await Promise.all(clients.map(async (client) => (await client.query(text)).rows[0].id as string))
    expect(new Set(ids).size).toBe(1)
    expect(await jobs.list()).toHaveLength(1)
  })

  it('in a trigger is part of the transaction: a rollback leaves nothing, a commit wakes a worker that never met its kind', async () => {
    const { jobs, schema, client } = await arrange()
    await client.query(`
      create table ${schema}.orders (id integer primary key, email text not null);
      create function ${schema}.welcome() returns trigger language plpgsql as $fn$
      begin
        perform ${schema}.enqueue('welcome', json_build_object('order', new.id, 'to', new.email), queue => 'mail', priority => 7);
        return new;
      end $fn$;
      create trigger welcome after insert on ${schema}.orders for each row execute function ${schema}.welcome()`)
    const seen: unknown[] = []
    const welcome = task({
      name: 'welcome',
      payload: { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } },
      handler: (payload) => void seen.push(payload),
    })
    const idle = next(jobs, 'completed')
    jobs.work([welcome], { poll: '1h' })
    await jobs.enqueue(welcome, 'first')
    await idle
    await client.query(`begin; insert into ${schema}.orders values (1, 'ada@example.org')`)
    expect(await jobs.list({ queue: 'mail' })).toEqual([])
    await client.query('rollback')
    const completed = next(jobs, 'completed')
    await client.query(`begin; insert into ${schema}.orders values (2, 'ben@example.org'); commit`)
    await completed
    expect(seen).toEqual(['first', { order: 2, to: 'ben@example.org' }])
    expect(await jobs.list({ queue: 'mail' })).toMatchObject([
      { payload: { order: 2 }, state: 'completed', priority: 7 },
    ])
  })

  it('is not believed: a payload that the schema of the task refuses fails the job', async () => {
    const { jobs, enqueue } = await arrange()
    const strict = task({
      name: 'strict',
      payload: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value: unknown) =>
            typeof value === 'number' ? { value } : { issues: [{ message: 'no number' }] },
        },
      },
      handler: () => undefined,
    })
    jobs.work([strict])
    const failed = next(jobs, 'failed')
    const id = await enqueue(`'strict', '"x"', max_attempts => 1`)
    await failed
    expect(await jobs.get(id)).toMatchObject({
      state: 'failed',
      failures: [{ name: 'PayloadError', message: expect.stringContaining('no number') }],
    })
  })

  it("trusts no table, type or function of the caller's by the name of its own", async () => {
    const { jobs, schema, client } = await arrange()
    await client.query(`create function ${schema}.length(text) returns integer language sql as 'select 1 / 0';
      create table pg_temp.job (id text); create domain pg_temp.text as integer; set search_path = ${schema}, pg_temp, public`)
    const { rows } = await client.query(`select ${schema}.enqueue('hello') as id`)
    expect(await jobs.get(rows[0].id)).toMatchObject({ task: 'hello' })
  })

  it('works as the page on it says', async () => {
    const url = await newDatabase()
    const jobs = await open(url, { logger: false })
    onTestFinished(() => jobs.close())
    const client = await connect(url)
    await client.query('create table orders (id integer, email text)')
    const page = readFileSync(join(import.meta.dirname, '../../docs/learn/sql.md'), 'utf8')
    for (const [, sql = ''] of page.matchAll(/```sql\n([^]*?)```/g)) await client.query(sql)
    await client.query(`insert into orders values (17, 'ada@example.com')`)
    expect(
      (await jobs.list({ order: 'oldest' })).map(({ task: name, queue, payload }) => [name, queue, payload]),
    ).toEqual([
      ['send-email', 'default', { to: 'ada@example.com' }],
      ['remind', 'default', { order: 17 }],
      ['confirm-order', 'mail', { order: 17, to: 'ada@example.com' }],
    ])
  })
})
