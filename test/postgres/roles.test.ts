import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Client } from 'pg'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { type Jobs, open, type OpenOptions, StoreError, task } from '../../src/index.ts'
import { schemaVersion } from '../../src/stores/postgres/migrate.ts'
import { connect } from '../servers/kit.ts'
import { type Postgres, startPostgres } from '../servers/postgres.ts'
import { cli } from './cli-kit.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/operate/postgres.md'), 'utf8')

/** The SQL of the page, block by block. */
const [making = '', granting = '', forSenders = ''] = [...page.matchAll(/```sql\n([^]*?)```/g)].map(([, sql]) => sql)

const mail = task<{ to: string }>({ name: 'mail', backoff: 0, maxAttempts: 3, retention: { completed: '1h' } })

/** A server of this file's own: roles are those of all databases. */
let server: Postgres

beforeAll(async () => {
  server = await startPostgres()
  const admin = await connectAs('postgres')
  await admin.query(making)
  const owner = await open(urlOf('jobferry_owner'), { logger: false })
  await owner.close()
  const client = await connectAs('jobferry_owner')
  await client.query(granting)
  await admin.query(forSenders)
  await Promise.all([admin.end(), client.end()])
  return async () => await server[Symbol.asyncDispose]()
})

function urlOf(role: string): string {
  return Object.assign(new URL(server.url), { username: role }).href
}

async function connectAs(role: string): Promise<Client> {
  const { Client } = await import('pg')
  const client = new Client(urlOf(role))
  await client.connect()
  return client
}

async function openAs(role: string, options: OpenOptions = {}): Promise<Jobs> {
  const jobs = await open(urlOf(role), { logger: false, ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

describe('the roles of the page', () => {
  it('worker: does all that the library does, and migrates tables that are up to date', async () => {
    const jobs = await openAs('jobferry_worker')
    const completed: unknown[] = []
    const over = new Promise<void>((resolve) => {
      jobs.on('completed', ({ job }) => {
        completed.push(job.id)
        if (completed.length === 4) resolve()
      })
    })
    const errors: unknown[] = []
    jobs.on('error', ({ error }) => errors.push(error))
    const { id } = await jobs.enqueue(mail, { to: 'ann' }, { unique: 'k' })
    await jobs.enqueue(mail, { to: 'ben' }, { unique: { key: 'k', onConflict: 'replace' }, queue: 'default' })
    await jobs.enqueueMany([
      mail.with({ to: 'c' }, { concurrencyKey: 'x' }),
      mail.with({ to: 'd' }, { concurrencyKey: 'x' }),
    ])
    const client = await connect(urlOf('jobferry_worker'))
    await client.query('begin')
    await jobs.enqueue(mail, { to: 'e' }, { tx: client })
    await client.query('commit')
    await jobs.configure('default', { concurrency: 2 })
    jobs.work(
      [
        mail.handle(async ({ to }, job) => {
          job.log.info('hello')
          if (job.attempt === 1 && to === 'd') throw new Error('again')
          if (to === 'e') await job.transaction(async (tx) => void (await tx.query('select 1', [])))
        }),
      ],
      { queues: ['default'] },
    )
    await over
    expect(errors).toEqual([])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', payload: { to: 'ben' } })
    await jobs.retry(id)
    await jobs.pause('default')
    await jobs.cancel(id)
    await jobs.edit((await jobs.enqueue(mail, { to: 'f' }, { delay: '1h' })).id, { priority: 3 })
    await jobs.resume('default')
    expect(await jobs.prune({ state: 'completed' })).toBeGreaterThan(0)
    expect((await jobs.report()).find(({ name }) => name === 'rights')).toEqual({
      name: 'rights',
      level: 'ok',
      message: 'jobferry_worker may work; it may enqueue from SQL',
    })
  })

  it('worker: sums up the tally, takes jobs back, forgets and logs', async () => {
    const { PostgresStore } = await import('../../src/stores/postgres/index.ts')
    const store = await PostgresStore.open(urlOf('jobferry_worker'))
    onTestFinished(() => store.close())
    await store.migrate()
    expect(await store.prune(1, 10)).toBe(0)
    expect((await store.expired(1, 10)).jobs).toEqual([])
    const client = await connect(urlOf('jobferry_worker'))
    await client.query('select jobferry.sum_up()')
    expect((await client.query('select count(*)::int as n from jobferry.tally')).rows).toEqual([{ n: 0 }])
    await expect(client.query('update jobferry.lane set pending = 0')).rejects.toThrow('permission denied')
    await expect(client.query(`update jobferry.meta set value = '9'`)).rejects.toThrow('permission denied')
    await expect(client.query('create table jobferry.mine ()')).rejects.toThrow('permission denied')
  })

  it('producer: enqueues by the function, and reads nothing', async () => {
    const client = await connect(urlOf('jobferry_producer'))
    const { rows } = await client.query(
      `select jobferry.enqueue('secret', '{"card":"4711"}', unique_key => 'once') as id`,
    )
    const again = await client.query(`select jobferry.enqueue('secret', unique_key => 'once') as id`)
    expect(again.rows).toEqual(rows)
    for (const table of ['meta', 'queue', 'lane', 'tally', 'job', 'log', 'worker'])
      await expect(client.query(`select from jobferry.${table}`)).rejects.toThrow(
        `permission denied for table ${table}`,
      )
    for (const call of [
      `claim(null, null, null, 1, 'x', 1, 1, null, null)`,
      `insert_each('[{"id":"x"}]', 0)`,
      `write_each('[{"id":"x"}]', true)`,
      `lanes_of('{a}', '{b}', '{0}', '{f}')`,
      `prune(9e15::bigint, 1)`,
    ])
      await expect(client.query(`select jobferry.${call}`)).rejects.toThrow('permission denied')
    const jobs = await openAs('jobferry_viewer')
    expect(await jobs.get(rows[0].id)).toMatchObject({ payload: { card: '4711' } })
    expect(await cli(urlOf('jobferry_producer'), 'stats')).toMatchObject({
      code: 1,
      err: expect.stringContaining('permission denied'),
    })
  })

  it('viewer: sees everything and changes nothing', async () => {
    const jobs = await openAs('jobferry_viewer')
    await (await openAs('jobferry_worker')).enqueue(mail, { to: 'ann' }, { delay: '1h', queue: 'seen' })
    expect((await jobs.stats()).find(({ queue }) => queue === 'seen')?.counts.pending).toBe(1)
    const [seen] = await jobs.list({ queue: 'seen' })
    expect(await jobs.logs(seen!.id)).toEqual([])
    for (const verb of ['stats', 'list']) expect((await cli(urlOf('jobferry_viewer'), verb)).code).toBe(0)
    const hint = 'This role lacks rights: see docs/operate/postgres.md for those that it needs'
    for (const change of [
      () => jobs.enqueue(mail, { to: 'x' }),
      () => jobs.cancel(seen!.id),
      () => jobs.pause('seen'),
      () => jobs.lease(),
    ])
      await expect(change()).rejects.toThrow(
        expect.objectContaining({ name: StoreError.name, message: expect.stringContaining(hint) }),
      )
    const client = await connect(urlOf('jobferry_viewer'))
    await expect(client.query(`select jobferry.enqueue('x')`)).rejects.toThrow('permission denied for function enqueue')
    expect((await jobs.report()).find(({ name }) => name === 'rights')).toEqual({
      name: 'rights',
      level: 'ok',
      message: 'jobferry_viewer may look, and change nothing; it may not enqueue from SQL',
    })
  })

  it('sender: a Node program enqueues, also in its transaction, and reads nothing', async () => {
    const jobs = await openAs('jobferry_sender')
    await jobs.enqueue(mail, { to: 'ann' }, { queue: 'sent' })
    await jobs.enqueueMany(Array.from({ length: 1_000 }, () => mail.with({ to: 'x' }, { queue: 'sent', delay: '1h' })))
    const client = await connect(urlOf('jobferry_sender'))
    await client.query('begin')
    await jobs.enqueue(mail, { to: 'ben' }, { queue: 'sent', tx: client })
    await client.query('commit')
    await client.query('select jobferry.sum_up()') // as every 500th transaction does
    await expect(jobs.list()).rejects.toThrow('permission denied for table job')
    expect(
      (await (await openAs('jobferry_viewer')).stats()).find(({ queue }) => queue === 'sent')?.counts.pending,
    ).toBe(1_002)
  })

  it('a worker that lacks a right is told which by the doctor, and a stranger that it may not enter', async () => {
    const admin = await connect(server.url)
    await admin.query(`create role half login in role jobferry_viewer; grant usage on schema jobferry to half;
      grant insert on jobferry.job to half; create role stranger login`)
    const half = await (await openAs('half')).report()
    expect(half.find(({ name }) => name === 'rights')).toMatchObject({
      level: 'fail',
      message: expect.stringMatching(/^half may not work: it lacks .*update on job/),
    })
    await expect(openAs('stranger')).rejects.toThrow('permission denied for schema jobferry')
  })

  it('an upgrade by anybody but the owner is refused and changes nothing', async () => {
    const owner = await connect(urlOf('jobferry_owner'))
    await owner.query(`update jobferry.meta set value = '0' where key = 'schema'`)
    onTestFinished(
      async () => void (await owner.query(`update jobferry.meta set value = '${schemaVersion}' where key = 'schema'`)),
    )
    await expect(openAs('jobferry_worker')).rejects.toThrow(/must be owner|permission denied|already exists/)
  })
})
