import { type Duration, toMs } from '../../core/duration.ts'
import { expectKnown, expectOneOf } from '../../core/expect.ts'
import type { FileSettings } from '../sqlite-file/file.ts'
import { fileOptionNames, type FileOptions, resolveSharedFileOptions } from '../sqlite-file/options.ts'

/** How to use the tables of backlite in a file. */
export interface BackliteOptions extends FileOptions {
  /** The path of the file that the Go program opens, too. */
  readonly file: string
  /**
   * Whether a dispatcher of backlite may be running on the file, in whatever program (`client.Start`). Default `running`: nothing is then
   * worked here, nor changed of a task that waits, since a dispatcher takes tasks without a look at who else has; adding and looking are
   * safe beside it. `stopped`: you see to it that there is none for as long as this store is open.
   */
  readonly dispatcher?: 'running' | 'stopped'
  /**
   * After how long a claim that was not renewed is over, and its task is taken again; what a Go program calls `ReleaseAfter`. Default '10m', at
   * least '100ms'. No lease may be longer, and all programs that work the file should say the same.
   */
  readonly releaseAfter?: Duration
}

/** The options with every default filled in. Times in milliseconds. */
export interface BackliteSettings extends FileSettings {
  readonly dispatcher: 'running' | 'stopped'
  readonly releaseMs: number
}

export const backliteOptionNames: readonly string[] = ['file', 'dispatcher', 'releaseAfter', ...fileOptionNames]

/** What a URL may say behind a question mark. */
export const urlNames: readonly string[] = ['dispatcher', 'releaseAfter', 'busyTimeout']

/** @throws UsageError naming the option that is not as it should be */
export function backliteSettings(options: BackliteOptions): BackliteSettings {
  expectKnown(options, backliteOptionNames, 'the backlite store')
  return {
    ...resolveSharedFileOptions(options),
    store: 'backlite',
    dispatcher: expectOneOf(options.dispatcher ?? 'running', 'dispatcher', ['running', 'stopped']),
    releaseMs: options.releaseAfter === undefined ? 600_000 : toMs(options.releaseAfter, 'releaseAfter', 100),
  }
}
