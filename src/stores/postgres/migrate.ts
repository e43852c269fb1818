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
  if (found !== undefined && found.version >= schemaVersion) return expectKnown(found)
  await ask(client, 'begin')
  // The two-number form: single numbers are the ids of Que's jobs.
  await ask(client, `select pg_advisory_xact_lock(hashtext('jobferry migrate'), hashtext('${schema}'))`)
  const before = await readInstallation(client, schema)
  const version = before?.version ?? 0
  if (version < schemaVersion) {
    const exists = await ask(client, `select to_regnamespace('"${schema}"')::text`)
    if (exists[0]?.[0] === null) await ask(client, `create schema "${schema}"`)
    for (const text of [...migrations.slice(version), ...functions]) await ask(client, inSchema(text, schema))
    await ask(
      client,
      `insert into "${schema}".meta (key, value) values ('schema', '${schemaVersion}') on conflict (key) do update set value = excluded.value`,
    )
  }
  const after = await readInstallation(client, schema)
  await ask(client, 'commit')
  return expectKnown(after)
}

/** `undefined` where there are no tables of ours. */
export async function readInstallation(client: PgClient, schema: string): Promise<Installation | undefined> {
  const [there] = await ask(client, `select to_regclass('"${schema}".meta')::text`)
  if (there?.[0] === null) return undefined
  const rows = await ask(client, `select key, value from "${schema}".meta`)
  const values = new Map(rows.map(([key, value]) => [toText(key), toText(value)]))
  return { version: Number(values.get('schema') ?? 0), id: values.get('installation') ?? '' }
}

/** @throws StoreError unless the tables are those that this program knows */
export function expectKnown(found: Installation | undefined): Installation {
  if (found === undefined)
    throw new StoreError(
      'The database has no tables of jobferry in this schema. Run jobferry migrate, or open with migrate',
      {
        retryable: false,
      },
    )
  if (found.version === schemaVersion) return found
  const what = found.version > schemaVersion ? 'Update jobferry' : 'Run jobferry migrate'
  throw new StoreError(`The tables have version ${found.version}; this jobferry knows ${schemaVersion}. ${what}`, {
    retryable: false,
  })
}

async function ask(client: PgClient, text: string): Promise<readonly Row[]> {
  // Several statements in one text come back as a list of answers: then none is wanted.
  const { rows } = await client.query({ text, rowMode: 'array', types: asText })
  return rows ?? []
}
