import { UsageError } from '../../core/errors.ts'
import { type Duration, toMs } from '../../core/duration.ts'
import { expectKnown, expectOneOf, expectWhole, show } from '../../core/expect.ts'
import type { PgPool } from './pg.ts'

/** `full`: on disk before the call returns. `relaxed`: safe from a dying process, but a crash of the server may undo the last moments. */
export type Durability = 'full' | 'relaxed'

export interface PostgresOptions {
  /** The schema our tables live in, made if there is none. Default `jobferry`. Two schemas in one database are two separate installations. */
  readonly schema?: string
  /**
   * How durable a write is once it has returned. Default `{ enqueue: 'full', settle: 'relaxed' }`: an enqueue that returned is as durable as
   * the server's `synchronous_commit` makes it; of claims and settlements a crash of the server may undo the last, and their jobs then run
   * again. One word sets both.
   */
  readonly durability?: Durability | { readonly enqueue?: Durability; readonly settle?: Durability }
  /**
   * A `pg.Pool` of your own in place of ours. It should be for this alone: leases are renewed through it, and must not wait behind an
   * application's queries. Its owner closes it. Its connections are made `read committed`. Not together with a URL's own settings.
   */
  readonly pool?: PgPool
  /** How many connections to open at most. Default 5. Beside these, one listens, and each `job.transaction` has its own. */
  readonly connections?: number
  /** How many connections `job.transaction` may use at a time; further ones wait for their turn. Default 10. */
  readonly transactions?: number
  /** TLS, as the `pg` driver takes it: `true`, or `{ ca, cert, key, rejectUnauthorized, servername }`. `sslmode=…` in the URL does the same. */
  readonly ssl?: boolean | object
  /** How long to wait for an answer before the connection is given up for lost and the call fails. Default '15s', at least '100ms'. */
  readonly timeout?: Duration
  /** How long to wait for a new connection before a call fails. Default '5s', at least '50ms'. */
  readonly connectTimeout?: Duration
  /**
   * Whether to use LISTEN and NOTIFY. Default true. Behind PgBouncer in transaction mode set it to false: workers then find new jobs by
   * polling (`poll`).
   */
  readonly notify?: boolean
  /** Whether to use named prepared statements. Default true; false for a pooler that does not know them (PgBouncer before 1.21). */
  readonly prepare?: boolean
  /** What the connections are called in pg_stat_activity. Default `jobferry`. */
  readonly applicationName?: string
}

/** The options with every default filled in. Times in milliseconds. */
export interface PostgresSettings {
  readonly schema: string
  readonly durability: { readonly enqueue: Durability; readonly settle: Durability }
  readonly pool: PgPool | undefined
  readonly connections: number
  readonly transactions: number
  readonly ssl: boolean | object | undefined
  readonly timeoutMs: number
  readonly connectMs: number
  readonly notify: boolean
  readonly prepare: boolean
  readonly applicationName: string
}

export const postgresOptionNames: readonly string[] = [
  'schema',
  'durability',
  'pool',
  'connections',
  'transactions',
  'ssl',
  'timeout',
  'connectTimeout',
  'notify',
  'prepare',
  'applicationName',
]

/** PostgreSQL cuts longer names without a word, and we add to ours. */
const longestSchema = 48

/** @throws UsageError naming the option that is not as it should be */
export function postgresSettings(options: PostgresOptions): PostgresSettings {
  expectKnown(options, postgresOptionNames, 'the PostgreSQL store')
  const { pool, ssl } = options
  if (pool !== undefined && typeof pool?.connect !== 'function')
    throw new UsageError(`Expected \`pool\` to be a pg.Pool, got ${show(pool)}`)
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null))
    throw new UsageError(`Expected \`ssl\` to be true, false or an object, got ${show(ssl)}`)
  return {
    schema: toSchema(options.schema ?? 'jobferry'),
    durability: toDurability(options.durability ?? {}),
    pool,
    connections: options.connections === undefined ? 5 : expectWhole(options.connections, 'connections', 1, 1_000),
    transactions: options.transactions === undefined ? 10 : expectWhole(options.transactions, 'transactions', 1, 1_000),
    ssl,
    timeoutMs: options.timeout === undefined ? 15_000 : toMs(options.timeout, 'timeout', 100),
    connectMs: options.connectTimeout === undefined ? 5_000 : toMs(options.connectTimeout, 'connectTimeout', 50),
    notify: toBoolean(options.notify ?? true, 'notify'),
    prepare: toBoolean(options.prepare ?? true, 'prepare'),
    applicationName: toApplicationName(options.applicationName ?? 'jobferry'),
  }
}

function toSchema(schema: unknown): string {
  if (
    typeof schema === 'string' &&
    new RegExp(`^[A-Za-z_][A-Za-z0-9_]{0,${longestSchema - 1}}$`).test(schema) &&
    !/^pg_/i.test(schema)
  )
    return schema
  throw new UsageError(
    `Expected \`schema\` to be letters, digits and underscores, at most ${longestSchema}, not beginning with pg_, got ${show(schema)}`,
  )
}

function toApplicationName(name: unknown): string {
  if (typeof name === 'string' && /^[ -~]{1,63}$/.test(name)) return name
  throw new UsageError(`Expected \`applicationName\` to be 1 to 63 printable ASCII characters, got ${show(name)}`)
}

function toBoolean(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value
  throw new UsageError(`Expected \`${option}\` to be true or false, got ${show(value)}`)
}

function toDurability(option: NonNullable<PostgresOptions['durability']>): PostgresSettings['durability'] {
  const words = ['full', 'relaxed'] as const
  if (typeof option === 'string') {
    const both = expectOneOf(option, 'durability', words)
    return { enqueue: both, settle: both }
  }
  expectKnown(option, ['enqueue', 'settle'], 'durability')
  return {
    enqueue: expectOneOf(option.enqueue ?? 'full', 'durability.enqueue', words),
    settle: expectOneOf(option.settle ?? 'relaxed', 'durability.settle', words),
  }
}
