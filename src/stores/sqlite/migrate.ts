import { StoreError } from '../../core/errors.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { toNumber } from './row.ts'
import { migrations } from './schema.ts'

/** The version of the tables that this program knows. */
export const schemaVersion: number = migrations.length

/**
 * Brings the tables up to date, inside a write transaction: the second process to come finds nothing left to do.
 * @throws StoreError when the file was made by a newer jobferry
 */
export function migrate(connection: Connection, prefix: string): void {
  connection.exec(`create table if not exists ${prefix}meta (key text primary key, value any) strict, without rowid`)
  const version = currentVersion(connection, prefix)
  if (version > schemaVersion) {
    throw new StoreError(
      `The file has schema version ${version}; this jobferry knows ${schemaVersion}. Update jobferry`,
      { retryable: false },
    )
  }
  if (version === schemaVersion) return
  for (const migration of migrations.slice(version)) connection.exec(migration.replaceAll('$', prefix))
  connection.exec(
    `insert into ${prefix}meta (key, value) values ('schema', ${schemaVersion}) on conflict (key) do update set value = excluded.value`,
  )
}

/** 0 for a file without our tables. */
export function currentVersion(connection: Connection, prefix: string): number {
  const known = connection.sql('select 1 from sqlite_schema where name = ?').row(`${prefix}meta`) !== undefined
  return known ? toNumber(connection.sql(`select value from ${prefix}meta where key = 'schema'`).row()?.[0] ?? 0) : 0
}
