import { chmodSync } from 'node:fs'
import { Client } from 'pg'
import { startPostgres } from '../test/servers/postgres.ts'
import { atSchema } from './contenders/postgres-schema.ts'
import type { Home } from './engine.ts'

/**
 * What a small server of one's own is set to; the rest is as PostgreSQL comes. Autovacuum looks every 15 seconds, as the large hosters set
 * it, since with its own minute it would not come before a round is over.
 */
const settings = {
  shared_buffers: '512MB',
  max_wal_size: '4GB',
  min_wal_size: '1GB',
  max_connections: 300,
  autovacuum_naptime: '15s',
}

/** So many files of write-ahead log are there before the first round. */
const segments = 12

/** A server of our own, on disk and durable, with a schema for each store. */
export async function postgresServer(folder: string): Promise<Home> {
  chmodSync(folder, 0o755) // the server runs as another user
  const server = await startPostgres({ durable: true, settings, parent: folder })
  const client = new Client({ connectionString: server.url })
  client.on('error', () => undefined) // the server is stopped before its clients
  await client.connect()
  await growLog(client)
  const told = Object.entries(settings).map(([name, value]) => `${name} ${value}`)
  return {
    conditions: [
      `PostgreSQL ${server.version}, fsync on, ${told.join(', ')}, in ${folder}`,
      'full = synchronous_commit on for everybody, default = as each comes (ours and raw: enqueues on, claims and settlements off)',
    ].join('\n'),
    place: async (n) => {
      await client.query(`create schema bench_${n}`)
      return `${server.url}#bench_${n}`
    },
    discard: async (place) => {
      await client.query(`drop schema ${atSchema(place).schema} cascade`)
    },
    end: () => server[Symbol.asyncDispose](),
  }
}

/**
 * Makes log files that the rounds then use again, as in a server that is in use. Without them a round measures how the file system makes new
 * ones, whoever happens to come when the next is due.
 */
async function growLog(client: Client): Promise<void> {
  for (let i = 0; i < segments; i += 1) {
    await client.query("select pg_logical_emit_message(false, 'bench', 'x')")
    await client.query('select pg_switch_wal()')
  }
  await client.query('checkpoint')
}
