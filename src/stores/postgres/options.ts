import { UsageError } from '../../core/errors.ts'
import { expectKnown, expectOneOf, show } from '../../core/expect.ts'
import {
  type ConnectOptions,
  connectOptionNames,
  type ConnectSettings,
  connectSettings,
  toBoolean,
} from '../pg/connect-options.ts'
import type { PgPool } from '../pg/pg.ts'

/** `full`: on disk before the call returns. `relaxed`: safe from a dying process, but a crash of the server may undo the last moments. */
export type Durability = 'full' | 'relaxed'

export interface PostgresOptions extends ConnectOptions {
  /** The schema our tables live in, made if there is none. Default `jobferry`. Two schemas in one database are two separate installations. */
  readonly schema?: string
  /**
   * How durable a write is once it has returned. Default `{ enqueue: 'full', settle: 'relaxed' }`: an enqueue that returned is as durable as
   * the server's `synchronous_commit` makes it; of claims and settlements a crash of the server may undo the last, and their jobs then run
   * again. Whatever else was stored (a cancellation, an edit, a retry) is as durable as an enqueue always. One word sets both.
   */
  readonly durability?: Durability | { readonly enqueue?: Durability; readonly settle?: Durability }
  /**
   * A `pg.Pool` of your own in place of ours. It should be for this alone: leases are renewed through it, and must not wait behind an
   * application's queries. Its owner closes it. Its connections are made `read committed`. Not together with a URL's own settings.
   */
  readonly pool?: PgPool
  /**
   * Whether to use LISTEN and NOTIFY. Default true. Behind PgBouncer in transaction mode set it to false: workers then find new jobs by
   * polling (`poll`).
   */
  readonly notify?: boolean
  /** Whether to use named prepared statements. Default true; false for a pooler that does not know them (PgBouncer before 1.21). */
  readonly prepare?: boolean
}

/** The options with every default filled in. Times in milliseconds. */
export interface PostgresSettings extends ConnectSettings {
  readonly schema: string
  readonly durability: { readonly enqueue: Durability; readonly settle: Durability }
  readonly pool: PgPool | undefined
  readonly notify: boolean
  readonly prepare: boolean
}

export const postgresOptionNames: readonly string[] = [
  'schema',
  'durability',
  'pool',
  'notify',
  'prepare',
  ...connectOptionNames,
]

/** PostgreSQL cuts longer names without a word, and we add to ours. */
const longestSchema = 48

/** @throws UsageError naming the option that is not as it should be */
export function postgresSettings(options: PostgresOptions): PostgresSettings {
  expectKnown(options, postgresOptionNames, 'the PostgreSQL store')
  const { pool } = options
  if (pool !== undefined && typeof pool?.connect !== 'function')
    throw new UsageError(`Expected \`pool\` to be a pg.Pool, got ${show(pool)}`)
  return {
    ...connectSettings(options),
    schema: toSchema(options.schema ?? 'jobferry'),
    durability: toDurability(options.durability ?? {}),
    pool,
    notify: toBoolean(options.notify ?? true, 'notify'),
    prepare: toBoolean(options.prepare ?? true, 'prepare'),
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
