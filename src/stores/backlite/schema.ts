import { StoreError } from '../../core/errors.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { type Column, toColumn } from './row.ts'

/** What `Install` of backlite v0.6 runs, which does nothing where the tables are. */
export const install = `
create table if not exists backlite_tasks (
    id text PRIMARY KEY,
    created_at integer NOT NULL,
    queue text NOT NULL,
    task blob NOT NULL,
    wait_until integer,
    claimed_at integer,
    last_executed_at integer,
    attempts integer NOT NULL DEFAULT 0
) STRICT;

create table if not exists backlite_tasks_completed (
    id text PRIMARY KEY NOT NULL,
    created_at integer NOT NULL,
    queue text NOT NULL,
    last_executed_at integer,
    attempts integer NOT NULL,
    last_duration_micro integer,
    succeeded integer,
    task blob,
    expires_at integer,
    error text
) STRICT;

create index if not exists backlite_tasks_wait_until ON backlite_tasks (wait_until) WHERE wait_until IS NOT NULL;
`

const known: Readonly<Record<string, readonly string[]>> = {
  backlite_tasks: [
    'id text',
    'created_at integer',
    'queue text',
    'task blob',
    'wait_until integer',
    'claimed_at integer',
    'last_executed_at integer',
    'attempts integer',
  ],
  backlite_tasks_completed: [
    'id text',
    'created_at integer',
    'queue text',
    'last_executed_at integer',
    'attempts integer',
    'last_duration_micro integer',
    'succeeded integer',
    'task blob',
    'expires_at integer',
    'error text',
  ],
}

/**
 * Whether the tables of backlite are there. Columns of somebody else's beside those of v0.6 are fine, as they are to backlite, if a row can do
 * without them.
 * @throws StoreError for tables of that name which are not known here
 */
export function installed(connection: Connection): boolean {
  const tables = Object.entries(known).map(([table, names]) => {
    const columns = connection
      .sql('select name, lower(type), "notnull", dflt_value from pragma_table_info(?)')
      .rows(table)
      .map(toColumn)
    return { table, columns, missing: names.filter((name) => !columns.some(({ words }) => words === name)) }
  })
  if (tables.every(({ columns }) => columns.length === 0)) return false
  for (const { table, columns, missing } of tables) {
    if (columns.length === 0) throw refuse(`there is no table ${table} beside the other`)
    if (missing.length > 0) throw refuse(`the table ${table} has no column "${missing.join('", "')}"`)
    const needed = columns.find((column) => column.needed && known[table]?.includes(column.words) !== true)
    if (needed !== undefined) throw refuse(`every row of ${table} would need a value for its column "${needed.words}"`)
  }
  return true
}

export type { Column }

function refuse(what: string): StoreError {
  return new StoreError(`backlite: ${what}. The tables known here are those of backlite v0.6`, { retryable: false })
}
