import { UsageError } from '../../core/errors.ts'
import { expectKnown, expectOneOf, expectWhole, show } from '../../core/expect.ts'
import {
  type ConnectOptions,
  connectOptionNames,
  type ConnectSettings,
  connectSettings,
  toBoolean,
} from '../pg/connect-options.ts'

/** How to work on the table of Que. Its version is found, not told. */
export interface QueOptions extends ConnectOptions {
  /** The schema that `que_jobs` is in. Default `public`, where Que always makes it. */
  readonly schema?: string
  /**
   * Whether to be told of new jobs as Que's own workers are, from version 4 on: a worker then has a row in `que_lockers` and listens. Default
   * true. Que tells one worker of each job, so some jobs are announced to ours alone, even those it has no task for; others find these with
   * their next poll.
   */
  readonly notify?: boolean
  /**
   * The `job_schema_version` of the jobs that are added and taken, from version 5 on. Default that of Ruby's own: 1 in version 5, 2 from version 6
   * on. With a number of your own, no Ruby worker sees them.
   */
  readonly jobSchemaVersion?: number
  /**
   * What a payload may be: `list`, the arguments of a Ruby job; or, in version 3, `any` JSON, for que-go alone: Ruby would take an object apart
   * into pairs. Default `list`.
   */
  readonly args?: 'list' | 'any'
}

/** The options with every default filled in. Times in milliseconds. */
export interface QueSettings extends ConnectSettings {
  readonly schema: string
  readonly notify: boolean
  readonly jobSchemaVersion: number | undefined
  readonly args: 'list' | 'any'
}

export const queOptionNames: readonly string[] = ['schema', 'notify', 'jobSchemaVersion', 'args', ...connectOptionNames]

/** @throws UsageError naming the option that is not as it should be */
export function queSettings(options: QueOptions): QueSettings {
  expectKnown(options, queOptionNames, 'the Que store')
  const { jobSchemaVersion } = options
  return {
    ...connectSettings(options),
    schema: toSchema(options.schema ?? 'public'),
    notify: toBoolean(options.notify ?? true, 'notify'),
    jobSchemaVersion:
      jobSchemaVersion === undefined ? undefined : expectWhole(jobSchemaVersion, 'jobSchemaVersion', 1, 2 ** 31 - 1),
    args: expectOneOf(options.args ?? 'list', 'args', ['list', 'any']),
  }
}

function toSchema(schema: unknown): string {
  if (typeof schema === 'string' && /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(schema)) return schema
  throw new UsageError(`Expected \`schema\` to be letters, digits and underscores, got ${show(schema)}`)
}
