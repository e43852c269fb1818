import { randomBytes } from 'node:crypto'

import { Client } from 'pg'
import { inject, onTestFinished } from 'vitest'

import { type PgBouncer, startPgBouncer } from './pgbouncer.ts'
import { type Postgres, type PostgresOptions, startPostgres } from './postgres.ts'
import { type TcpProxy, startProxy } from './proxy.ts'
import { until } from './until.ts'
import { type RedisCluster, startRedisCluster } from './redis-cluster.ts'
import { type Redis, type RedisOptions, startRedis } from './redis.ts'
import { type RedisPair, startRedisPair } from './redis-sentinel.ts'

/** A place on the PostgreSQL server of this run. */
export interface Schema {
  /** Of the server's database `postgres`, in which the schema is. */
  readonly url: string
  readonly schema: string
}

/** Makes a schema, empty, for the length of the test, on the PostgreSQL server of this run. */
export async function newSchema(): Promise<Schema> {
  const { url } = inject('postgres')
  const schema = newName()
  await execute(url, `create schema ${schema}`)
  // A lock that is still held then is that of something which the test has forgotten to end: better to say so than to wait.
  onTestFinished(() => execute(url, `set lock_timeout = '5s'; drop schema if exists ${schema} cascade`))
  return { url, schema }
}

/**
 * Makes a database, empty, for the length of the test, and resolves to its URL. Connections that are left at its end are cut off, but
 * those that are just being closed may end in peace: a driver does not listen to them any more, and would throw what it hears.
 */
export async function newDatabase(): Promise<string> {
  const { url } = inject('postgres')
  const database = newName()
  await execute(url, `create database ${database}`)
  onTestFinished(async () => {
    await until('nobody is connected', () => isDeserted(url, database), { withinMs: 2_000 }).catch(() => undefined)
    await execute(url, `drop database if exists ${database} with (force)`)
  })
  return Object.assign(new URL(url), { pathname: `/${database}` }).href
}

/** Connects to a PostgreSQL server, by default that of this run, for the length of the test. A connection that breaks is no error by itself. */
export async function connect(url: string = inject('postgres').url): Promise<Client> {
  const client = new Client(url)
  client.on('error', () => {}) // the next query reports it
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

/** A PostgreSQL server of the test's own, for those that stop and kill it. */
export async function newPostgres(options?: PostgresOptions): Promise<Postgres> {
  const postgres = await startPostgres(options)
  onTestFinished(() => postgres[Symbol.asyncDispose]())
  return postgres
}

/**
 * A proxy in front of a server, for the length of the test. Clients use its `url`.
 *
 * What was opened later is ended earlier: a client that says goodbye into a black hole would wait. Let it pass, or cut, before the end.
 */
export async function newProxy(target: string): Promise<TcpProxy> {
  const proxy = await startProxy(target)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return proxy
}

/** PgBouncer in transaction mode in front of a PostgreSQL server, for the length of the test. */
export async function newPgBouncer(target: string, options?: { readonly connections?: number }): Promise<PgBouncer> {
  const pooler = await startPgBouncer(target, options)
  onTestFinished(() => pooler[Symbol.asyncDispose]())
  return pooler
}

/** A prefix for keys on the Redis server of this run that no other test has. What is left under it goes with the server. */
export function newPrefix(): string {
  return newName()
}

/** A Redis server of the test's own, for those that stop and kill it. */
export async function newRedis(options?: RedisOptions): Promise<Redis> {
  const redis = await startRedis(options)
  onTestFinished(() => redis[Symbol.asyncDispose]())
  return redis
}

/** A Redis Cluster of the test's own. It takes three seconds. */
export async function newRedisCluster(options?: RedisOptions): Promise<RedisCluster> {
  const cluster = await startRedisCluster(options)
  onTestFinished(() => cluster[Symbol.asyncDispose]())
  return cluster
}

/** A Redis server of the test's own with a replica, and a Sentinel that promotes it. It takes a second. */
export async function newRedisPair(options?: RedisOptions): Promise<RedisPair> {
  const pair = await startRedisPair(options)
  onTestFinished(() => pair[Symbol.asyncDispose]())
  return pair
}

function newName(): string {
  return `test_${randomBytes(8).toString('hex')}`
}

async function isDeserted(url: string, database: string): Promise<true | undefined> {
  const client = new Client(url)
  await client.connect()
  try {
    const { rows } = await client.query('select from pg_stat_activity where datname = $1', [database])
    return rows.length === 0 ? true : undefined
  } finally {
    await client.end()
  }
}

/** On a connection of its own. */
async function execute(url: string, sql: string): Promise<void> {
  const client = new Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
