import type { Capability } from '../../core/capability.ts'
import { StoreError } from '../../core/errors.ts'
import type { Rules } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'

/**
 * How the table keeps a deduping key: `raw`, as it is given, for the whole table (v0.1); `scoped`, with its queue, and then at most one job
 * of a key is fetched at a time (from commit ed648f2 on).
 */
export type Flavour = 'raw' | 'scoped'

/** What liteq's format has room for. */
export const liteqCapabilities: ReadonlySet<Capability> = new Set([
  'schedule',
  'dedupe',
  'inspect',
  'transaction',
  'listen',
])

/** What liteq does where nothing else is said: one attempt, no wait before another, and every row stays. */
export const liteqRules: Rules = {
  queueOf: (task) => task,
  priority: 0,
  maxAttempts: 1,
  attemptsKeptBy: 'row',
  backoff: () => 0,
  retention: { completed: null, failed: null, cancelled: 0, payload: 'all' },
}

/** After how many seconds a job that a worker of ours has fetched is taken back: as soon as any consumer of liteq can do it. */
export const ownVisibilityS = 1

/**
 * Tells the flavour by its index.
 * @throws StoreError when there is no table `jobs`, or one that is not liteq's
 */
export function findFlavour(connection: Connection, file: string): Flavour {
  const columns = names(connection, `select name from pragma_table_info('jobs')`)
  if (columns.size === 0)
    throw refuse(`${file} has no table jobs. It is made by Setup of liteq, with the start of the Go program`)
  const indexes = names(connection, `select name from pragma_index_list('jobs')`)
  const missing = [
    ...known.filter((name) => !columns.has(name)).map((name) => `the column ${name}`),
    ...['todo', 'dedupe'].filter((name) => !indexes.has(name)).map((name) => `the index ${name}`),
  ]
  if (missing.length > 0)
    throw refuse(
      `The table jobs in ${file} is not liteq's, or of a version not known here: it lacks ${missing.join(', ')}`,
    )
  return indexes.has('no_concurrent') ? 'scoped' : 'raw'
}

const known = [
  'id',
  'queue',
  'job',
  'job_status',
  'execute_after',
  'remaining_attempts',
  'consumer_fetched_at',
  'finished_at',
  'deduping_key',
  'errors',
  'created_at',
  'updated_at',
]

function names(connection: Connection, text: string): ReadonlySet<string> {
  return new Set(
    connection
      .sql(text)
      .rows()
      .map(([name]) => String(name)),
  )
}

function refuse(message: string): StoreError {
  return new StoreError(`liteq: ${message}`, { retryable: false })
}
