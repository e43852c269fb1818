import { type Duration, toMs } from '../../core/duration.ts'
import { expectKnown, expectOneOf } from '../../core/expect.ts'
import type { FileSettings } from '../sqlite-file/file.ts'
import { fileOptionNames, type FileOptions, resolveSharedFileOptions } from '../sqlite-file/options.ts'

/** How to use the table of liteq in a file. Its flavour is found, not told. */
export interface LiteqOptions extends FileOptions {
  /** The path of the file that the Go program opens, too. It has to be there, with the table that `liteq.Setup` makes. */
  readonly file: string
  /**
   * After how long a job that a Go program took and did not finish is taken back: what a Go consumer calls `VisibilityTimeout`, rounded up to whole
   * seconds, at least '1s'. Say what they say, and longer than a Go handler ever runs: nothing renews what they have. Default: none, as in
   * liteq. Jobs that a worker of ours took are taken back when their lease ends, whatever is said here or there.
   */
  readonly visibilityTimeout?: Duration
  /**
   * What the text of a job is: `json`, so that a payload is any JSON value, and what is not JSON is given to a handler as the text that it is; or
   * `text`, so that a payload is that text, to the letter. Default `json`.
   */
  readonly payload?: 'json' | 'text'
}

/** The options with every default filled in. */
export interface LiteqSettings extends FileSettings {
  /** In seconds, as the table counts. `undefined`: only jobs that our workers took are taken back. */
  readonly visibilityS: number | undefined
  readonly payload: 'json' | 'text'
}

export const liteqOptionNames: readonly string[] = ['file', 'visibilityTimeout', 'payload', ...fileOptionNames]

/** What a URL may say behind a question mark. */
export const liteqUrlNames: readonly string[] = ['visibilityTimeout', 'payload', 'busyTimeout']

/** @throws UsageError naming the option that is not as it should be */
export function liteqSettings(options: LiteqOptions): LiteqSettings {
  expectKnown(options, liteqOptionNames, 'the liteq store')
  const visibility = options.visibilityTimeout
  return {
    ...resolveSharedFileOptions(options),
    store: 'liteq',
    visibilityS: visibility === undefined ? undefined : Math.ceil(toMs(visibility, 'visibilityTimeout', 1_000) / 1_000),
    payload: expectOneOf(options.payload ?? 'json', 'payload', ['json', 'text']),
  }
}
