import type { Capability } from '../../core/capability.ts'
import { StoreError } from '../../core/errors.ts'
import type { Rules } from '../../store.ts'
import type { Row } from '../pg/query.ts'
import { toVersion } from './row.ts'

/** The version of sqlq's schema that is known here. */
export const knownVersion = 17

/** Whether the tables are there. To be followed by `versionQuery` if they are. */
export const tablesQuery: string = `
  select (to_regclass('sqlq.jobs') is not null and to_regclass('sqlq_migrations') is not null)::text as c0`

/** The version as sqlq itself reads it: by the latest migration, in a table that it finds by the search path. */
export const versionQuery: string = `
  select version::text as c0 from sqlq_migrations order by applied_on desc, version desc limit 1`

/** @throws StoreError: there are no such tables */
export function refuseMissing(): never {
  throw new StoreError(
    'sqlq: there are no tables sqlq.jobs and sqlq_migrations in this database. sqlq makes them itself, with schema.Apply',
    { retryable: false },
  )
}

/** @throws StoreError for any version but the one that is known */
export function expectKnownVersion(rows: readonly Row[]): void {
  const version = toVersion(rows[0])
  if (version === knownVersion) return
  throw new StoreError(
    `sqlq: the schema is of version ${version ?? 'none'}, and known here is ${knownVersion}. ` +
      'Let schema.Apply of a newer sqlq bring it up to date, or use a newer jobferry',
    { retryable: false },
  )
}

/** What sqlq's format has room for. Nobody notifies anybody. Of `policy`, the row has attempts and one retention: see `refusal`. */
export const sqlqCapabilities: ReadonlySet<Capability> = new Set([
  'schedule',
  'priority',
  'retain',
  'cancel',
  'inspect',
  'limits',
  'policy',
  'logs',
  'transaction',
  'connection',
])

/** What sqlq does where nothing else is said: see docs/guests/sqlq.md. */
export const sqlqRules: Rules = {
  priority: 10,
  maxAttempts: 1,
  attemptsKeptBy: 'row',
  backoff: sqlqBackoffMs,
  retention: { completed: null, failed: null, cancelled: null, payload: 'all' },
}

/** sqlq's own wait after the given attempt, in milliseconds: 11 to 69 s, 26 to 113 s, 91 to 207 s and so on; never more than ten years. */
export function sqlqBackoffMs(attempt: number, _error: unknown, random: number): number {
  return Math.min(attempt ** 4 + 10 + Math.floor(random * 30) * (attempt + 1), 315_360_000) * 1_000
}
