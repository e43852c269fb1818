import { UsageError } from '../core/errors.ts'
import { suggestion } from '../core/expect.ts'
import { flag, many, type Option, type Options, parse, text, type Values } from './options.ts'
import type { Terminal } from './terminal.ts'

/** The options of every verb. */
export type Globals = Readonly<Record<'allow-unsafe-sqlite' | 'json' | 'debug' | 'help', Option<true>>> & {
  readonly url: Option<readonly string[]>
  readonly prefix: Option<string>
}

export const globals: Globals = {
  url: many(
    '<url>',
    'the store, as sqlite:app.db, postgres:… or redis:…; several for one spread over them; default: JOBFERRY_URL',
  ),
  prefix: text('<prefix>', 'what the names of the tables begin with; default jobferry_'),
  'allow-unsafe-sqlite': flag('go on with a SQLite that has the WAL-reset fault'),
  json: flag('results as JSON: one document, or one per line where they are a stream'),
  debug: flag('errors with their stack'),
  help: flag('this help', 'h'),
}

/** One call of a verb: its options as read, its words, and where it speaks. */
export interface Call<O extends Options = Options> {
  readonly values: Values<O & Globals>
  readonly words: readonly string[]
  readonly terminal: Terminal
}

/** What is said of a verb, and what it does. */
interface Spec<O extends Options> {
  readonly name: string
  /** Its words as the help shows them: `<id…>`. */
  readonly usage?: string
  /** How many words it takes at least and at most; default none. */
  readonly words?: readonly [min: number, max: number]
  /** One sentence. */
  readonly summary: string
  /** Further sentences, in lines. */
  readonly notes?: string
  /** True if it imports modules of the user's, which may keep the process alive: it is then ended. */
  readonly importing?: boolean
  readonly options: O
  /** Gives the exit code. @throws UsageError for exit code 2, anything else for 1 */
  run(call: Call<O>): Promise<number>
}

/** A verb of the command line, its options' types forgotten. */
export interface Verb extends Omit<Spec<Options>, 'run'> {
  /** Reads the command line and, unless help is asked for, runs. Gives the exit code, or `'help'`. */
  run(argv: readonly string[], terminal: Terminal): Promise<number | 'help'>
}

export function verb<O extends Options>(spec: Spec<O>): Verb {
  return {
    ...spec,
    async run(argv, terminal) {
      const { values, words } = parse<O & Globals>(argv, { ...spec.options, ...globals }, `jobferry ${spec.name}`)
      if (values.help !== undefined) return 'help'
      expectWords(spec, words)
      return await spec.run({ values, words, terminal })
    },
  }
}

/** The verb of this name. @throws UsageError with the name that was probably meant */
export function expectVerb(verbs: readonly Verb[], name: string): Verb {
  const found = verbs.find((one) => one.name === name)
  if (found !== undefined) return found
  const names = verbs.map((one) => one.name)
  throw new UsageError(`Unknown verb "${name}".${suggestion(name, names) || ` Known: ${names.join(', ')}.`}`)
}

function expectWords(spec: Omit<Spec<Options>, 'run'>, words: readonly string[]): void {
  const [min, max] = spec.words ?? [0, 0]
  const form = `jobferry ${spec.name}${spec.usage === undefined ? '' : ` ${spec.usage}`}`
  if (words.length < min) throw new UsageError(`Expected ${form}`)
  if (words.length > max) throw new UsageError(`Expected ${form}, got one word too many: "${words[max]}"`)
}
