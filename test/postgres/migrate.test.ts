import { spawn } from 'node:child_process'
import { once } from 'node:events'

import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { type Jobs, open, type OpenOptions, StoreError, task } from '../../src/index.ts'
import { schemaVersion } from '../../src/stores/postgres/migrate.ts'
import { connect, newDatabase, newSchema } from '../servers/kit.ts'
import { next } from '../sqlite/kit.ts'
import { cli } from './cli-kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })
const newer = schemaVersion + 1

async function openJobs(url: string, options: OpenOptions = {}): Promise<Jobs> {
  const jobs = await open(url, { logger: false, ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

/** What is thrown: its words, and whether trying again may help. */
async function refusal(promise: Promise<unknown>): Promise<{ readonly message: string; readonly retryable: boolean }> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof StoreError)) throw new Error('expected a StoreError', { cause: error })
  const { message, retryable } = error
  return { message, retryable }
}

async function column(client: Client, sql: string): Promise<readonly unknown[]> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' })
  return rows.map(([value]: readonly unknown[]) => value)
}

async function toNewer(schema: string, url?: string): Promise<Client> {
  const client = await connect(url)
  await client.query(`update "${schema}".meta set value = '${newer}' where key = 'schema'`)
  return client
}

describe('migrations of PostgreSQL', () => {
  it('let many stores open an empty database at once, whatever its isolation: one installation, and no error', async () => {
    const url = await newDatabase()
    const client = await connect(url)
    const name = new URL(url).pathname.slice(1)
    await client.query(`alter database ${name} set default_transaction_isolation = 'serializable'`)
    const all = await Promise.all(Array.from({ length: 8 }, () => openJobs(url)))
    await Promise.all(all.map((jobs, n) => jobs.enqueue(hello, { n })))
    expect((await all[0]!.stats())[0]?.counts.pending).toBe(8)
    expect(await column(client, `select key from jobferry.meta order by 1`)).toEqual(['installation', 'schema'])
  })

  it('let many processes migrate at once', async () => {
    const url = await newDatabase()
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['src/cli/main.ts', 'migrate', '--url', url], { stdio: ['ignore', 'ignore', 'inherit'] }),
    )
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as unknown))
    expect(codes).toEqual([0, 0, 0, 0])
    expect(await (await openJobs(url, { migrate: false })).list()).toEqual([])
  })

  it('keep two schemas of one database apart: jobs, keys, settings, limits, counts and bells', async () => {
    const url = await newDatabase()
    const ours = await openJobs(url, { schema: 'ours' })
    const theirs = await openJobs(url, { schema: 'theirs' })
    const options = { unique: 'k', concurrencyKey: 'c' }
    const [a, b] = [await ours.enqueue(hello, { n: 1 }, options), await theirs.enqueue(hello, { n: 2 }, options)]
    expect([a.outcome, b.outcome]).toEqual(['added', 'added'])
    await ours.configure('default', { concurrency: 1 })
    await ours.pause('default')
    expect(await ours.lease()).toBeUndefined()
    const held = await theirs.lease()
    expect(held?.payload).toEqual({ n: 2 })
    await ours.resume('default')
    expect((await ours.lease())?.payload).toEqual({ n: 1 })
    expect(await ours.get(b.id)).toBeUndefined()
    expect((await theirs.stats())[0]).toMatchObject({ concurrency: null, counts: { running: 1 } })
    const client = await connect(url)
    expect(
      await column(
        client,
        `select count(distinct v.value)::int from (select value from ours.meta where key = 'installation'
      union all select value from theirs.meta where key = 'installation') v`,
      ),
    ).toEqual([2])
    await client.query('begin')
    await expect(ours.enqueue(hello, { n: 3 }, { tx: client })).resolves.toMatchObject({ outcome: 'added' })
    await client.query('rollback')
  })

  it('keep to a schema of any legal name', async () => {
    const url = await newDatabase()
    const schema = `Mixed_Case9_${'x'.repeat(36)}`
    const [worker, producer] = [await openJobs(url, { schema }), await openJobs(url, { schema })]
    const completed = next(worker, 'completed')
    worker.work([hello.handle(() => {})], { poll: '1h' })
    await producer.enqueue(hello, { n: 1 })
    await completed
    const again = next(worker, 'completed')
    const client = await connect(url)
    await client.query(`select "${schema}".enqueue('hello', '{"n":2}')`)
    await again
    await openJobs(url, { schema: 'user' })
    const schemas = `select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')`
    expect(await column(client, `${schemas} order by 1`)).toEqual([schema, 'user'])
  })

  it('leave nothing behind when they fail', async () => {
    const { url, schema } = await newSchema()
    const client = await connect()
    await client.query(`create table ${schema}.log (mine integer)`)
    expect(await refusal(openJobs(url, { schema }))).toEqual({
      message: 'PostgreSQL: relation "log" already exists',
      retryable: false,
    })
    const left = `select relname from pg_class where relnamespace = '${schema}'::regnamespace`
    expect(await column(client, left)).toEqual(['log'])
    await client.query(`drop table ${schema}.log`)
    await openJobs(url, { schema })
  })

  it('bring tables of the first version up to date, with their jobs, while a worker of that version goes on', async () => {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema })
    jobs.work([hello.handle(() => {})], { presence: false })
    const client = await connect()
    await client.query(`drop table ${schema}.worker; update ${schema}.meta set value = '1' where key = 'schema'`)
    const migrated = await openJobs(url, { schema })
    const completed = next(jobs, 'completed')
    await jobs.enqueue(hello, { n: 1 })
    await completed
    expect(await migrated.workers()).toEqual([])
  })

  it("say so when the schema is somebody else's, or cannot be made", async () => {
    const url = await newDatabase()
    const owner = await connect(url)
    const role = new URL(url).pathname.slice(1)
    await owner.query(`create role ${role} login; create schema theirs`)
    onTestFinished(async () => void (await owner.query(`drop owned by ${role}; drop role ${role}`)))
    const as = Object.assign(new URL(url), { username: role }).href
    const rights = 'This role lacks rights: see docs/operate/postgres.md for those that it needs'
    expect(await refusal(openJobs(as))).toEqual({
      message: `PostgreSQL: permission denied for database ${role}. ${rights}`,
      retryable: false,
    })
    expect(await refusal(openJobs(as, { schema: 'theirs' }))).toEqual({
      message: `PostgreSQL: permission denied for schema theirs. ${rights}`,
      retryable: false,
    })
    await owner.query(`grant usage, create on schema theirs to ${role}`)
    const jobs = await openJobs(as, { schema: 'theirs' })
    await jobs.enqueue(hello, { n: 1 })
    await jobs.close()
  })
})

describe('another version of the tables', () => {
  it('is refused at the opening, with and without migrate, and by the command line', async () => {
    const { url, schema } = await newSchema()
    await (await openJobs(url, { schema })).close()
    await toNewer(schema)
    const message = `The tables in schema "${schema}" have version ${newer}; this jobferry knows ${schemaVersion}. Update jobferry`
    expect(await refusal(openJobs(url, { schema }))).toEqual({ message, retryable: false })
    expect(await refusal(openJobs(url, { schema, migrate: false }))).toEqual({ message, retryable: false })
    const named = `${url}?schema=${schema}`
    for (const verb of ['migrate', 'list', 'stats']) {
      const { code, err } = await cli(named, verb)
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(message) })
    }
    const doctor = await cli(named, 'doctor', '--json')
    expect({ code: doctor.code, ...(JSON.parse(doctor.out) as object) }).toEqual({
      code: 1,
      ok: false,
      findings: [{ name: 'open', level: 'fail', message: expect.stringContaining(message) }],
    })
  })

  it('that is older is refused without migrate, and says what to do', async () => {
    const { url, schema } = await newSchema()
    await (await openJobs(url, { schema })).close()
    const client = await connect()
    await client.query(`update ${schema}.meta set value = '0' where key = 'schema'`)
    expect((await refusal(openJobs(url, { schema, migrate: false }))).message).toBe(
      `The tables in schema "${schema}" have version 0; this jobferry knows ${schemaVersion}. Run jobferry migrate`,
    )
  })

  it('that comes while a worker runs does not stop it as long as its functions are there; the report says it', async () => {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema })
    const completed = next(jobs, 'completed')
    jobs.work([hello.handle(() => {})])
    await toNewer(schema)
    await jobs.enqueue(hello, { n: 1 })
    await completed
    expect((await jobs.report()).find(({ name }) => name === 'schema')).toEqual({
      name: 'schema',
      level: 'fail',
      message: expect.stringContaining(`have version ${newer}; this jobferry knows ${schemaVersion}. Update jobferry`),
    })
  })

  it('that has taken away what a worker calls is told to it in so many words, and its jobs wait', async () => {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema })
    await jobs.enqueue(hello, { n: 1 })
    const client = await toNewer(schema)
    await client.query(`alter function ${schema}.exchange rename to exchange2`)
    const failed = next(jobs, 'error')
    jobs.work([hello.handle(() => {})])
    const { error } = await failed
    expect(error).toMatchObject({ code: 'store', retryable: false })
    expect((error as Error).message).toContain(`have version ${newer}; this jobferry knows ${schemaVersion}`)
    expect((await jobs.stats())[0]?.counts.pending).toBe(1)
  })
})

describe('no tables', () => {
  it('are an error at the first use that says what to do', async () => {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema, migrate: false })
    const message = `The database has no tables of jobferry in schema "${schema}". Run jobferry migrate, or open with migrate`
    expect(await refusal(jobs.enqueue(hello, { n: 1 }))).toEqual({ message, retryable: false })
    expect(await refusal(jobs.list())).toEqual({ message, retryable: false })
    expect(await refusal(jobs.lease())).toEqual({ message, retryable: false })
    const client = await connect()
    await client.query('begin')
    expect(await refusal(jobs.enqueue(hello, { n: 1 }, { tx: client }))).toEqual({ message, retryable: false })
    expect((await cli(`${url}?schema=${schema}`, 'stats')).err).toContain(message)
  })

  it('of a schema that is not there either are the same', async () => {
    const jobs = await openJobs(await newDatabase(), { migrate: false })
    expect((await refusal(jobs.list())).message).toContain('no tables of jobferry in schema "jobferry"')
  })
})
