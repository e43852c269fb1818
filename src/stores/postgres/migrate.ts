import { StoreError } from '../../core/errors.ts'
import { functions } from './functions/index.ts'
import { asText, type PgClient } from '../pg/pg.ts'
import { type Row, toText } from './row.ts'
import { migrations } from './schema.ts'
import { inSchema } from './statements.ts'

/** The version of the tables that this program knows. */
export const schemaVersion: number = migrations.length

/** What the tables say of themselves. */
export interface Installation {
  readonly version: number
  /** A number drawn when the tables were made: it tells them from those of any other schema and database. */
  readonly id: string
}

/**
 * Brings the tables up to date in one transaction, under a lock that lets one process after the other do so: the second to come finds
 * nothing left to do. Tables that are up to date are only looked at, which needs no rights but to read them.
 * @throws StoreError when they were made by a newer jobferry
 */
export async function migrate(client: PgClient, schema: string): Promise<Installation> {
  const found = await readInstallation(client, schema)
  if (found !== undefined && found.version >= schemaVersion) return expectKnown(found, schema)
  // Whatever the defaults are: what another has done while we waited for the lock must be seen.
  await ask(client, 'begin isolation level read committed read write')
  // The two-number form: single numbers are the ids of Que's jobs.
  await ask(client, `select pg_advisory_xact_lock(hashtext('jobferry migrate'), hashtext('${schema}'))`)
  const before = await readInstallation(client, schema)
  const version = before?.version ?? 0
  if (version < schemaVersion) {
    const exists = await ask(client, `select 1::text from pg_catalog.pg_namespace where nspname = '${schema}'`)
    if (exists.length === 0) await ask(client, `create schema "${schema}"`)
    for (const text of [...migrations.slice(version), ...functions]) await ask(client, inSchema(text, schema))
    await ask(
      client,
      `insert into "${schema}".meta (key, value) values ('schema', '${schemaVersion}') on conflict (key) do update set value = excluded.value`,
    )
  }
  const after = await readInstallation(client, schema)
  await ask(client, 'commit')
  return expectKnown(after, schema)
}

/**
 * `undefined` where there are no tables of ours. Looks into the catalog itself: `to_regclass` answers from a cache, which goes on saying no
 * when another process has made the tables while we waited for the lock.
 */
export async function readInstallation(client: PgClient, schema: string): Promise<Installation | undefined> {
  const there = await ask(
    client,
    `select c.relname::text
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = '${schema}' and c.relname = 'meta'`,
  )
  if (there.length === 0) return undefined
  const rows = await ask(client, `select key, value from "${schema}".meta`)
  const values = new Map(rows.map(([key, value]) => [toText(key), toText(value)]))
  return { version: Number(values.get('schema') ?? 0), id: values.get('installation') ?? '' }
}

/** @throws StoreError unless the tables are those that this program knows */
export function expectKnown(found: Installation | undefined, schema: string): Installation {
  if (found === undefined)
    throw new StoreError(`${noTables(schema)}. Run jobferry migrate, or open with migrate`, { retryable: false })
  const strange = strangeness(found, schema)
  if (strange !== undefined) throw new StoreError(strange, { retryable: false })
  return found
}

/** What is wrong with tables of another version, and what to do; `undefined` if they are of ours. */
export function strangeness({ version }: Installation, schema: string): string | undefined {
  if (version === schemaVersion) return undefined
  const remedy = version > schemaVersion ? 'Update jobferry' : 'Run jobferry migrate'
  return `The tables in schema "${schema}" have version ${version}; this jobferry knows ${schemaVersion}. ${remedy}`
}

export function noTables(schema: string): string {
  return `The database has no tables of jobferry in schema "${schema}"`
}

async function ask(client: PgClient, text: string): Promise<readonly Row[]> {
  // Several statements in one text come back as a list of answers: then none is wanted.
  const { rows } = await client.query({ text, rowMode: 'array', types: asText })
  return rows ?? []
}
