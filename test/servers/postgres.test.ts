import { existsSync } from 'node:fs'

import { describe, expect, inject, it } from 'vitest'

import { connect, newDatabase, newPostgres, newSchema } from './kit.ts'
import { startPostgres } from './postgres.ts'
import { childrenOf, running } from './running.ts'

describe('the PostgreSQL server of the run', () => {
  it('gives a test a schema of its own', async () => {
    const [one, other] = [await newSchema(), await newSchema()]
    const client = await connect(one.url)
    await client.query(`create table ${one.schema}.t (n int); create table ${other.schema}.t (n int)`)
    expect(one.schema).not.toBe(other.schema)
  })

  it('gives a test a database of its own', async () => {
    const url = await newDatabase()
    const client = await connect(url)
    const { rows } = await client.query('select current_database() as name')
    expect(url).toMatch(new RegExp(`/${rows[0].name}$`))
  })

  it('says its version, and takes 200 connections', async () => {
    const client = await connect()
    const { rows } = await client.query('show server_version')
    expect(rows[0].server_version).toMatch(new RegExp(`^${inject('postgres').version}`))
    expect((await client.query('show max_connections')).rows).toEqual([{ max_connections: '200' }])
  })
})

describe('a PostgreSQL server of a test', () => {
  it.for(['stop', 'kill -QUIT', 'kill -KILL'] as const)('keeps its data and its port over %s', async (how) => {
    const postgres = await newPostgres()
    const { port, pid } = postgres
    const before = await connect(postgres.url)
    await before.query('create table t (n int); insert into t values (7)')
    if (how === 'stop') await postgres.stop()
    else await postgres.kill(how === 'kill -QUIT' ? 'SIGQUIT' : 'SIGKILL')
    expect(postgres.running).toBe(false)
    await expect(connect(postgres.url)).rejects.toThrow('ECONNREFUSED')
    await postgres.start()
    const after = await connect(postgres.url)
    expect((await after.query('select n from t')).rows).toEqual([{ n: 7 }])
    expect({ port: postgres.port, samePid: postgres.pid === pid }).toEqual({ port, samePid: false })
  })

  it('leaves no process and no file behind', async () => {
    const postgres = await startPostgres()
    const processes = [postgres.pid, ...childrenOf(postgres.pid)]
    expect(processes.length).toBeGreaterThan(3)
    await postgres[Symbol.asyncDispose]()
    expect(processes.filter(running)).toEqual([])
    expect(existsSync(postgres.folder)).toBe(false)
  })

  it('runs beside others', async () => {
    const [one, other] = await Promise.all([newPostgres(), newPostgres()])
    await (await connect(one.url)).query('create table t (n int)')
    await expect((await connect(other.url)).query('select from t')).rejects.toThrow('does not exist')
  })

  it('may be started, stopped and restarted twice over, and ended while it is paused', async () => {
    const postgres = await newPostgres()
    const { pid } = postgres
    await postgres.start()
    expect(postgres.pid).toBe(pid)
    await postgres.stop()
    await postgres.stop()
    await postgres.restart()
    await connect(postgres.url)
    process.kill(postgres.pid, 'SIGSTOP')
  })

  it('flushes if it is to be durable, unlike the one of the run', async () => {
    const flushes = async (url?: string): Promise<unknown> => (await (await connect(url)).query('show fsync')).rows
    expect(await flushes((await newPostgres({ durable: true })).url)).toEqual([{ fsync: 'on' }])
    expect(await flushes()).toEqual([{ fsync: 'off' }])
  })

  it('takes further settings, and takes connections on its unix socket', async () => {
    const postgres = await newPostgres({ settings: { work_mem: '7MB', cluster_name: "it's" } })
    const client = await connect(postgres.socketUrl)
    const { rows } = await client.query(
      `select current_setting('work_mem') as mem, current_setting('cluster_name') as name, inet_client_addr() as address`,
    )
    expect(rows).toEqual([{ mem: '7MB', name: "it's", address: null }])
  })

  it('says why it does not start', async () => {
    await expect(startPostgres({ settings: { no_such_setting: 1 } })).rejects.toThrow(
      /has not started[^]*no_such_setting/,
    )
  })
})
