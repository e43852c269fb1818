import type { Client } from 'pg'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { type Finding, type Jobs, open, type OpenOptions, task } from '../../src/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { version } from '../../src/stores/postgres/report/server.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { type Postgres, startPostgres } from '../servers/postgres.ts'

const hello = task<{ n: number }>({ name: 'hello' })

/** A server of this file's own, since its settings are changed. */
let server: Postgres

beforeAll(async () => {
  server = await startPostgres({
    durable: true,
    settings: { max_connections: 20, max_prepared_transactions: 2, wal_level: 'replica', max_wal_senders: 2 },
  })
  return async () => await server[Symbol.asyncDispose]()
})

let made = 0

/** The URL of a new database on that server. */
async function newPlace(): Promise<string> {
  const name = `place_${++made}`
  const client = await connect(server.url)
  await client.query(`create database ${name}`)
  await client.end()
  return Object.assign(new URL(server.url), { pathname: `/${name}` }).href
}

async function openJobs(url: string, options: OpenOptions = {}): Promise<Jobs> {
  const jobs = await open(url, { logger: false, ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

async function finding(jobs: Jobs, name: string): Promise<Finding | undefined> {
  return (await jobs.report()).find((one) => one.name === name)
}

/** Sets what a connection of this database begins with. */
async function preset(url: string, setting: string, value: string): Promise<Client> {
  const client = await connect(url)
  await client.query(`alter database ${new URL(url).pathname.slice(1)} set ${setting} = '${value}'`)
  return client
}

/** Sets it for the whole server, for the length of the test. */
async function set(setting: string, value: string, back: string): Promise<void> {
  const client = await connect(server.url)
  const change = async (to: string): Promise<void> => {
    await client.query(`alter system set ${setting} = '${to}'`)
    await client.query('select pg_reload_conf()')
    for (;;) {
      const another = await connect(server.url) // sessions take a change over between two statements, new ones have it
      const { rows } = await another.query(`select current_setting('${setting}') as value`)
      await another.end()
      if (rows[0].value === to) return
    }
  }
  await change(value)
  onTestFinished(async () => await change(back))
}

describe('the report of a PostgreSQL store', () => {
  it('finds nothing wrong with a new store on a sound server, and says what is in force', async () => {
    const findings = await (await openJobs(await newPlace())).report()
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([])
    expect(findings.map(({ name, message }) => [name, message])).toEqual([
      ['server', expect.stringMatching(new RegExp(`^PostgreSQL ${server.version}\\b`))],
      ['encoding', 'UTF8'],
      ['writes', 'taken: not a standby, not read-only'],
      [
        'durability',
        'enqueue: full (synchronous_commit on); claim and settle: relaxed (a crash of the server may run the last jobs again)',
      ],
      ['bells', 'by NOTIFY on channel jobferry_jobferry'],
      [
        'connections',
        expect.stringMatching(/^\d+ of 17 in use, \d+ of them called jobferry; this process opens at most 16$/),
      ],
      ['rights', 'postgres may work; it may enqueue from SQL'],
      ['schema', expect.stringMatching(/^"jobferry", version 2, installation [0-9a-f-]{36}$/)],
      ['parts', 'every table, index and function is there'],
      [
        'dead rows',
        expect.stringMatching(/^job 0 rows, 0 dead, [\d.]+ MiB and [\d.]+ MiB of indexes; tally 0 rows, .*$/),
      ],
      ['autovacuum', 'on'],
      ['transactions', 'none is long'],
      [
        'clock',
        expect.stringMatching(/^\d+ ms (ahead of|behind) this machine's \(± \d+ ms\); jobs go by the store's$/),
      ],
    ])
  })

  it('refuses servers that are too old, and doubts those that nobody has tried', () => {
    expect([
      version('12.22', 120_022),
      version('13.0', 130_000),
      version('18.4', 180_004),
      version('19beta1', 190_000),
    ]).toEqual([
      { name: 'server', level: 'fail', message: 'PostgreSQL 12.22 is too old: at least 13 is needed' },
      { name: 'server', level: 'ok', message: 'PostgreSQL 13.0' },
      { name: 'server', level: 'ok', message: 'PostgreSQL 18.4' },
      { name: 'server', level: 'warn', message: 'PostgreSQL 19beta1 is newer than 18, the newest that was tried' },
    ])
  })

  it('says what an acknowledged job is worth where commits do not wait for the disk', async () => {
    const url = await newPlace()
    await openJobs(url)
    await preset(url, 'synchronous_commit', 'off')
    expect(await finding(await openJobs(url), 'durability')).toMatchObject({
      level: 'warn',
      message: expect.stringMatching(/^enqueue: full \(as if relaxed: synchronous_commit is off\)/),
    })
    const relaxed = await openJobs(await newPlace(), { durability: { enqueue: 'relaxed', settle: 'full' } })
    expect(await finding(relaxed, 'durability')).toEqual({
      name: 'durability',
      level: 'warn',
      message:
        'enqueue: relaxed (a crash of the server may lose the last); claim and settle: full (synchronous_commit on)',
    })
  })

  it('lets only a relaxed enqueue return before its commit is where it is to be', async () => {
    const url = await newPlace()
    // Notifying commits go one after the other: they would all wait for the first.
    const full = await openJobs(url, { timeout: '200ms', notify: false })
    const relaxed = await openJobs(url, { durability: 'relaxed', notify: false })
    await relaxed.enqueue(hello, { n: 1 }) // makes the lane, which is not relaxed
    await set('synchronous_standby_names', 'nobody', '')
    const enqueue = async (jobs: Jobs): Promise<string> => {
      const promise = jobs.enqueue(hello, { n: 2 })
      return await promise.then(
        () => 'returned',
        () => 'waited',
      )
    }
    await expect.poll(() => enqueue(full)).toBe('waited')
    expect(await enqueue(relaxed)).toBe('returned')
    await relaxed.enqueue(hello, { n: 3 }, { unique: { key: 'k', onConflict: 'reject' } })
  })

  it('warns of full_page_writes off, and fails for fsync off', async () => {
    const jobs = await openJobs(await newPlace())
    await set('full_page_writes', 'off', 'on')
    expect(await finding(await openJobs(await newPlace()), 'durability')).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('full_page_writes is off'),
    })
    await jobs.close()
    const { url, schema } = await newSchema() // on the server of the run, whose fsync is off
    expect(await finding(await openJobs(url, { schema }), 'durability')).toMatchObject({
      level: 'fail',
      message: expect.stringContaining('fsync is off'),
    })
  })

  it('fails where nothing can be written', async () => {
    const url = await newPlace()
    await (await openJobs(url)).close()
    await preset(url, 'default_transaction_read_only', 'on')
    expect(await finding(await openJobs(url, { migrate: false }), 'writes')).toEqual({
      name: 'writes',
      level: 'fail',
      message: 'transactions are read-only here (default_transaction_read_only)',
    })
  })

  it('fails for an encoding that cannot hold every text', async () => {
    const client = await connect(server.url)
    await client.query(`create database latin encoding 'LATIN1' locale 'C' template template0`)
    const url = Object.assign(new URL(server.url), { pathname: '/latin' }).href
    expect(await finding(await openJobs(url), 'encoding')).toMatchObject({
      level: 'fail',
      message: expect.stringMatching(/^LATIN1/),
    })
  })

  it('names tables, indexes and functions that are missing, and indexes that are invalid', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    const client = await connect(url)
    await client.query(`drop index jobferry.job_ready; drop function jobferry.prune; drop table jobferry.log;
      update pg_index set indisvalid = false where indexrelid = 'jobferry.job_running'::regclass`)
    expect(await finding(jobs, 'parts')).toEqual({
      name: 'parts',
      level: 'fail',
      message:
        'missing: table log, index job_ready, index job_running, index log_job, function prune. Somebody has removed or renamed them, or an index is invalid',
    })
  })

  it('says that there are no tables', async () => {
    const jobs = await openJobs(await newPlace(), { migrate: false })
    expect(await finding(jobs, 'schema')).toEqual({
      name: 'schema',
      level: 'fail',
      message: 'The database has no tables of jobferry in schema "jobferry". Run jobferry migrate',
    })
  })

  it('warns when autovacuum is off, for a table of ours or for all', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    const client = await connect(url)
    await client.query('alter table jobferry.job set (autovacuum_enabled = false)')
    expect(await finding(jobs, 'autovacuum')).toEqual({
      name: 'autovacuum',
      level: 'warn',
      message: 'off for job: dead rows are never removed',
    })
    await set('autovacuum', 'off', 'on')
    expect(await finding(await openJobs(url), 'autovacuum')).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('for the whole server'),
    })
  })

  it('warns of dead rows that vacuum does not remove', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    const client = await connect(url)
    await client.query(`alter table jobferry.tally set (autovacuum_enabled = false);
      insert into jobferry.tally (lane) select n from generate_series(1, 60000) as g (n); delete from jobferry.tally`)
    await client.end() // what it has counted is told at the latest now
    await expect
      .poll(() => finding(jobs, 'dead rows'))
      .toMatchObject({
        level: 'warn',
        message: expect.stringMatching(/tally 0 rows, 60,000 dead.*vacuum does not keep up/),
      })
  })

  it('names the transaction that keeps dead rows from being removed, whoever asks, and a prepared one', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    const idle = await connect(`${url}?application_name=sleeper`)
    await idle.query('begin isolation level repeatable read')
    await idle.query('select 1')
    const ready = await connect(url)
    await ready.query(`begin; create table t (); prepare transaction 'forgotten'`)
    expect(await finding(jobs, 'transactions')).toMatchObject({ level: 'ok' })
    const busy = await connect(url)
    await busy.query('set synchronous_commit = off')
    await busy.query('do $$ begin for n in 1..100100 loop perform txid_current(); commit; end loop; end $$')
    const found = await finding(jobs, 'transactions')
    expect(found).toMatchObject({ level: 'warn' })
    expect(found!.message).toMatch(/session \d+ sleeper \(\d+ s, \d{6} transactions ago\)/)
    expect(found!.message).toMatch(/prepared transaction forgotten \(\d+ s, \d{6} transactions ago\)/)
    await ready.query(`rollback prepared 'forgotten'`)
  })

  it('warns of a listener in a transaction that does not end, by which the queue of notifications fills up', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    const deaf = await connect(url)
    await deaf.query('listen news')
    await deaf.query('begin')
    await deaf.query('select 1')
    const client = await connect(url)
    await client.query(
      `select count(pg_notify('news', repeat('a', 7900) || n)) from generate_series(1, 11000) as g (n)`,
    )
    expect(await finding(jobs, 'bells')).toMatchObject({
      level: 'warn',
      message: expect.stringMatching(/1\.\d % full: somebody who listens/),
    })
    await deaf.end()
  })

  it('warns when most connections are in use', async () => {
    const url = await newPlace()
    const jobs = await openJobs(url)
    await Promise.all(Array.from({ length: 14 }, () => connect(`${url}?application_name=crowd`)))
    expect(await finding(jobs, 'connections')).toMatchObject({
      level: 'warn',
      message: expect.stringMatching(/^1[4-7] of 17 in use, 1 of them/),
    })
  })

  it('says how far the clock of the server is from that of this machine', async () => {
    const store = await PostgresStore.open(await newPlace())
    const time = store.time.bind(store)
    store.time = async () => (await time()) + 60_000 // a server whose clock cannot be set here
    const jobs = await open(store, { logger: false })
    onTestFinished(() => jobs.close())
    expect(await finding(jobs, 'clock')).toEqual({
      name: 'clock',
      level: 'warn',
      message: expect.stringMatching(
        /^(59|60)\d{3} ms ahead of this machine's \(± \d+ ms\); jobs go by the store's. Set one of them right$/,
      ),
    })
  })

  it('says that it does not notify when it does not', async () => {
    const jobs = await openJobs(await newPlace(), { notify: false })
    expect(await finding(jobs, 'bells')).toMatchObject({
      level: 'ok',
      message: 'off (notify: false): jobs of other processes are found by polling',
    })
  })
})
