import { type Duration, toMs } from '../../core/duration.ts'
import { expectKnown } from '../../core/expect.ts'
import {
  type ConnectOptions,
  connectOptionNames,
  type ConnectSettings,
  connectSettings,
} from '../pg/connect-options.ts'

/** How to work on the schema of sqlq. Its version is found, not told, and its name is always `sqlq`. */
export interface SqlqOptions extends ConnectOptions {
  /**
   * The `keepalive_interval` of jobs that are added here: how long a Go worker may run one without a ping before anybody may take it back. Default
   * '30s', sqlq's own; at least '100ms'. A worker of ours sets its own lease for as long as it runs a job.
   */
  readonly keepAlive?: Duration
}

/** The options with every default filled in. Times in milliseconds. */
export interface SqlqSettings extends ConnectSettings {
  readonly keepAliveMs: number
}

export const sqlqOptionNames: readonly string[] = ['keepAlive', ...connectOptionNames]

/** @throws UsageError naming the option that is not as it should be */
export function sqlqSettings(options: SqlqOptions): SqlqSettings {
  expectKnown(options, sqlqOptionNames, 'the sqlq store')
  const { keepAlive } = options
  return {
    ...connectSettings(options),
    keepAliveMs: keepAlive === undefined ? 30_000 : toMs(keepAlive, 'keepAlive', 100),
  }
}
