import type { Finding } from '../../../store.ts'
import type { PostgresSettings } from '../options.ts'
import { channelOf } from '../statements.ts'
import type { Ask } from './ask.ts'

/** The versions that the tests are run on, or near enough to. */
const oldest = 13
const newest = 18

/** So full a notification queue says that somebody listens in a transaction that does not end: normally it is empty. */
const fullQueue = 0.01

/** So great a part of the connections in use asks for attention. */
const manyConnections = 0.8

/** What is the same for all databases of the server, or set for this role and database. */
export async function server(ask: Ask, settings: PostgresSettings): Promise<readonly Finding[]> {
  const [row = []] = await ask(settingsOf)
  const values = new Map(names.map((name, i) => [name, row[i] ?? '']))
  const value = (name: Name): string => values.get(name) ?? ''
  return [
    version(value('server_version'), Number(value('server_version_num'))),
    encoding(value('server_encoding')),
    writable(value('transaction_read_only') === 'on', row[names.length] === 'true'),
    durability(value, settings),
    notifications(Number(row[names.length + 1]), settings),
    await connections(ask, settings),
  ]
}

const names = [
  'server_version',
  'server_version_num',
  'server_encoding',
  'transaction_read_only',
  'fsync',
  'full_page_writes',
  'synchronous_commit',
] as const

type Name = (typeof names)[number]

const settingsOf = `
  select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')},
    pg_is_in_recovery()::text as standby, pg_notification_queue_usage()::text as queue`

/** @param number as the server counts: 150014 is 15.14 */
export function version(name: string, number: number): Finding {
  const major = Math.floor(number / 10_000)
  const found = `PostgreSQL ${name}`
  if (major < oldest)
    return { name: 'server', level: 'fail', message: `${found} is too old: at least ${oldest} is needed` }
  if (major > newest)
    return { name: 'server', level: 'warn', message: `${found} is newer than ${newest}, the newest that was tried` }
  return { name: 'server', level: 'ok', message: found }
}

function encoding(name: string): Finding {
  if (name === 'UTF8') return { name: 'encoding', level: 'ok', message: name }
  return { name: 'encoding', level: 'fail', message: `${name}: payloads and names may hold what it cannot. Use UTF8` }
}

function writable(readOnly: boolean, standby: boolean): Finding {
  if (standby)
    return { name: 'writes', level: 'fail', message: 'this is a standby, which takes no writes. Use the primary' }
  if (!readOnly) return { name: 'writes', level: 'ok', message: 'taken: not a standby, not read-only' }
  return { name: 'writes', level: 'fail', message: 'transactions are read-only here (default_transaction_read_only)' }
}

function durability(value: (name: Name) => string, { durability: { enqueue, settle } }: PostgresSettings): Finding {
  const commit = value('synchronous_commit')
  const full = commit === 'off' ? 'as if relaxed: synchronous_commit is off' : `synchronous_commit ${commit}`
  const says = {
    enqueue: enqueue === 'full' ? full : 'a crash of the server may lose the last',
    settle: settle === 'full' ? full : 'a crash of the server may run the last jobs again',
  }
  const words = `enqueue: ${enqueue} (${says.enqueue}); claim and settle: ${settle} (${says.settle})`
  if (value('fsync') === 'off')
    return {
      name: 'durability',
      level: 'fail',
      message: `fsync is off: a crash of the machine can destroy the database. ${words}`,
    }
  if (value('full_page_writes') === 'off')
    return {
      name: 'durability',
      level: 'warn',
      message: `full_page_writes is off: safe only on a file system that never tears a page. ${words}`,
    }
  return { name: 'durability', level: enqueue === 'full' && commit !== 'off' ? 'ok' : 'warn', message: words }
}

function notifications(used: number, { schema, notify }: PostgresSettings): Finding {
  const words = notify
    ? `by NOTIFY on channel ${channelOf(schema)}`
    : 'off (notify: false): jobs of other processes are found by polling'
  if (used < fullQueue) return { name: 'bells', level: 'ok', message: words }
  return {
    name: 'bells',
    level: 'warn',
    message: `${words}; the server's notification queue is ${percent(used)} full: somebody who listens is in a transaction that does not end. When it is full, enqueues fail`,
  }
}

async function connections(
  ask: Ask,
  { applicationName, connections: most, transactions }: PostgresSettings,
): Promise<Finding> {
  const [row = []] = await ask(`
    select count(*)::text, (count(*) filter (where application_name = '${applicationName.replaceAll("'", "''")}'))::text as ours,
      (current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true), '0')::integer)::text as most
    from pg_stat_activity where backend_type = 'client backend'`)
  const [used, ours, all] = row.map(Number)
  if (used === undefined || ours === undefined || all === undefined)
    return { name: 'connections', level: 'warn', message: 'cannot be counted' }
  const message = `${used} of ${all} in use, ${ours} of them called ${applicationName}; this process opens at most ${most + 1 + transactions}`
  if (used < all * manyConnections) return { name: 'connections', level: 'ok', message }
  return { name: 'connections', level: 'warn', message: `${message}. Raise max_connections, or lower \`connections\`` }
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}
