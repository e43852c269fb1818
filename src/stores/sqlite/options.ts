import { UsageError } from '../../core/errors.ts'
import { expectKnown, expectOneOf, show } from '../../core/expect.ts'
import {
  fileOptionNames,
  type FileOptions,
  type ResolvedFileOptions,
  resolveFileOptions,
} from '../sqlite-file/options.ts'

/** `full`: on disk before the call returns. `relaxed`: safe from a dying process, but a power cut may undo the last moments. */
export type Durability = 'full' | 'relaxed'

export interface SqliteOptions extends FileOptions {
  /** The path of the file, made if there is none; `':memory:'` for a queue that lives and dies with the process. */
  readonly file: string
  /**
   * How durable a write is once it has returned. Default `{ enqueue: 'full', settle: 'relaxed' }`: an enqueue that returned is on disk;
   * of claims and settlements a power cut may undo the last, and their jobs then run again. One word sets both.
   */
  readonly durability?: Durability | { readonly enqueue?: Durability; readonly settle?: Durability }
  /** What the names of our tables begin with. Default `jobferry_`. Two prefixes in one file are two separate installations. */
  readonly prefix?: string
}

/** The options with every default filled in. */
export interface SqliteSettings extends ResolvedFileOptions {
  readonly durability: { readonly enqueue: Durability; readonly settle: Durability }
  readonly prefix: string
}

export const sqliteOptionNames: readonly string[] = ['file', 'durability', 'prefix', ...fileOptionNames]

/** @throws UsageError naming the option that is not as it should be */
export function sqliteSettings(options: SqliteOptions): SqliteSettings {
  expectKnown(options, sqliteOptionNames, 'the SQLite store')
  const prefix = options.prefix ?? 'jobferry_'
  if (typeof prefix !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]{0,40}$/.test(prefix)) {
    throw new UsageError(`Expected \`prefix\` to be letters, digits and underscores, at most 41, got ${show(prefix)}`)
  }
  return {
    ...resolveFileOptions(options),
    durability: toDurability(options.durability ?? {}),
    prefix,
  }
}

function toDurability(option: NonNullable<SqliteOptions['durability']>): SqliteSettings['durability'] {
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
