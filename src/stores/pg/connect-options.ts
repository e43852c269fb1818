import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectWhole, show } from '../../core/expect.ts'

/** How to reach a PostgreSQL server, whatever is kept there. */
export interface ConnectOptions {
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
  /** What the connections are called in pg_stat_activity. Default `jobferry`. */
  readonly applicationName?: string
}

/** The options with every default filled in. Times in milliseconds. */
export interface ConnectSettings {
  readonly connections: number
  readonly transactions: number
  readonly ssl: boolean | object | undefined
  readonly timeoutMs: number
  readonly connectMs: number
  readonly applicationName: string
}

export const connectOptionNames: readonly string[] = [
  'connections',
  'transactions',
  'ssl',
  'timeout',
  'connectTimeout',
  'applicationName',
]

/** @throws UsageError naming the option that is not as it should be */
export function connectSettings(options: ConnectOptions): ConnectSettings {
  const { ssl } = options
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null))
    throw new UsageError(`Expected \`ssl\` to be true, false or an object, got ${show(ssl)}`)
  return {
    connections: options.connections === undefined ? 5 : expectWhole(options.connections, 'connections', 1, 1_000),
    transactions: options.transactions === undefined ? 10 : expectWhole(options.transactions, 'transactions', 1, 1_000),
    ssl,
    timeoutMs: options.timeout === undefined ? 15_000 : toMs(options.timeout, 'timeout', 100),
    connectMs: options.connectTimeout === undefined ? 5_000 : toMs(options.connectTimeout, 'connectTimeout', 50),
    applicationName: toApplicationName(options.applicationName ?? 'jobferry'),
  }
}

/** @throws UsageError unless it is true or false */
export function toBoolean(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value
  throw new UsageError(`Expected \`${option}\` to be true or false, got ${show(value)}`)
}

function toApplicationName(name: unknown): string {
  if (typeof name === 'string' && /^[ -~]{1,63}$/.test(name)) return name
  throw new UsageError(`Expected \`applicationName\` to be 1 to 63 printable ASCII characters, got ${show(name)}`)
}
