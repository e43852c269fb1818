import type { Capability } from '../../core/capability.ts'
import { StoreError, UsageError } from '../../core/errors.ts'
import type { Rules } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import type { QueSettings } from './options.ts'
import { toTable } from './row.ts'

/** What a version of Que's table can hold. */
export interface Format {
  readonly version: 3 | 4 | 5 | 6 | 7
  /** The table, quoted. */
  readonly table: string
  /** Finished and expired jobs stay, and there is a table of those who listen: from 4 on. */
  readonly keeps: boolean
  /** The `job_schema_version` that is ours; `undefined` before 5. */
  readonly schemaVersion: number | undefined
  /** Keyword arguments have a column of their own: from 6 on. */
  readonly keywords: boolean
  /** What a payload may be. */
  readonly args: 'list' | 'any'
}

/** The table's columns and its comment, in which Que keeps the version. */
export const formatQuery = `
  select coalesce(obj_description(c.oid, 'pg_class'), '') as c0,
    coalesce((select string_agg(a.attname, ' ') from pg_attribute a where a.attrelid = c.oid and a.attnum > 0), '') as c1
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1::text and c.relname = 'que_jobs' and c.relkind in ('r', 'p')`

/**
 * Tells the version by its columns, and believes the comment where it says the same or, of two versions with the same columns, which.
 * @throws StoreError when there is no such table, or one of a version that nobody here knows · UsageError for an option that it cannot hold
 */
export function toFormat(rows: readonly Row[], settings: QueSettings): Format {
  const found = toTable(rows[0])
  const { schema } = settings
  if (found === undefined)
    throw refuse(
      `There is no table que_jobs in the schema ${schema}. Que makes it itself, with Que.migrate! or que-go's schema.sql`,
    )
  const version = toVersion(found.columns, found.comment)
  if (version === undefined)
    throw refuse(
      `The table que_jobs in the schema ${schema} is of no version known here, which are 3 to 7 (its comment says "${found.comment}")`,
    )
  const { jobSchemaVersion, args } = settings
  if (jobSchemaVersion !== undefined && version < 5)
    throw new UsageError(`\`jobSchemaVersion\` is for versions from 5 on; this table is of version ${version}`)
  if (args === 'any' && version > 3)
    throw new UsageError(`\`args: 'any'\` is for version 3; in version ${version} arguments are always a list`)
  return {
    version,
    table: `"${schema}".que_jobs`,
    keeps: version > 3,
    schemaVersion: version < 5 ? undefined : (jobSchemaVersion ?? (version === 5 ? 1 : 2)),
    keywords: version > 5,
    args,
  }
}

/** What Que's format has room for. Before version 4 it notifies nobody. */
export function capabilitiesOf(listens: boolean): ReadonlySet<Capability> {
  return new Set([
    'schedule',
    'priority',
    'inspect',
    'transaction',
    'connection',
    ...(listens ? (['listen'] as const) : []),
  ])
}

/** What Que does where nothing else is said: see docs/guests/que.md. */
export function rulesOf({ keeps }: Format): Rules {
  return {
    priority: 100,
    maxAttempts: keeps ? 16 : Number.MAX_SAFE_INTEGER,
    attemptsKeptBy: 'worker',
    backoff: queBackoffMs,
    retention: { completed: 0, failed: null, cancelled: 0, payload: 'all' },
  }
}

/** Que's own wait after the given attempt, in milliseconds: 4 s, 19 s, 84 s and so on; never more than ten years. */
export function queBackoffMs(attempt: number): number {
  return Math.min(attempt ** 4 + 3, 315_360_000) * 1_000
}

function toVersion(columns: ReadonlySet<string>, comment: string): Format['version'] | undefined {
  const said = comment === '' ? undefined : Number(comment)
  const wanted = [...known].findLast(([, names]) => names.every((name) => columns.has(name)))
  if (wanted === undefined || (columns.has('job_id') && !columns.has('queue'))) return undefined
  const [least] = wanted
  if (least !== 6) return said === undefined || said === least ? least : undefined
  return said === undefined || said === 7 ? 7 : said === 6 ? 6 : undefined // the same columns
}

/** What each version has that the ones before it have not. */
const known: ReadonlyMap<3 | 4 | 5 | 6, readonly string[]> = new Map([
  [3, ['job_id', 'job_class', 'args', 'error_count', 'last_error', 'queue']],
  [4, ['id', 'finished_at', 'expired_at', 'last_error_message', 'last_error_backtrace']],
  [5, ['id', 'finished_at', 'expired_at', 'last_error_message', 'last_error_backtrace', 'job_schema_version']],
  [
    6,
    ['id', 'finished_at', 'expired_at', 'last_error_message', 'last_error_backtrace', 'job_schema_version', 'kwargs'],
  ],
])

function refuse(message: string): StoreError {
  return new StoreError(`Que: ${message}`, { retryable: false })
}
