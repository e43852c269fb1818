import { parseArgs } from 'node:util'

import { toMs } from '../core/duration.ts'
import { UsageError } from '../core/errors.ts'
import { expectOneOf, expectWhole, show, suggestion } from '../core/expect.ts'
import { toInstant, toPast } from './time.ts'

/** One option of a verb: how it is written, what it says in the help, and what its text means. */
export interface Option<T> {
  /** A `flag` has no value, a `value` one, a `maybe` may have one, and `many` may be given several times. */
  readonly kind: 'flag' | 'value' | 'maybe' | 'many'
  /** What stands for the value in the help: `<name>`. */
  readonly hint: string
  readonly says: string
  readonly short?: string
  /** @throws UsageError for a text that is no such value */
  read(texts: readonly string[], option: string): T
}

export type Options = Readonly<Record<string, Option<unknown>>>

/** What the options came to; `undefined` for those not given. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T | undefined : never
}

export interface Parsed<O extends Options> {
  readonly values: Values<O>
  /** What was given beside options, in order. */
  readonly words: readonly string[]
}

export function flag(says: string, short?: string): Option<true> {
  return { kind: 'flag', hint: '', says, ...(short === undefined ? {} : { short }), read: () => true }
}

export function text(hint: string, says: string): Option<string> {
  return single(hint, says, (given) => given)
}

/** A whole number. */
export function whole(says: string, min: number, max: number): Option<number> {
  return single('<n>', says, (given, option) =>
    expectWhole(/^[+-]?\d{1,15}$/.test(given) ? Number(given) : given, option, min, max),
  )
}

/** A length of time, in milliseconds: `5m`, `1.5h`, or a bare number of milliseconds. */
export function duration(says: string, min = 0): Option<number> {
  return single('<duration>', says, (given, option) =>
    toMs(/^\d{1,15}$/.test(given) ? Number(given) : given, option, min),
  )
}

/** A time to come or gone: `2026-11-21T08:00Z`, or milliseconds since 1970. */
export function instant(says: string): Option<number> {
  return single('<time>', says, toInstant)
}

/** A time gone: as `instant`, or a duration, which is so long ago. */
export function past(says: string): Option<number> {
  return single('<time>', says, toPast)
}

export function oneOf<const T extends string>(allowed: readonly T[], says: string): Option<T> {
  return single(`<${allowed.join('|')}>`, says, (given, option) => expectOneOf(given, option, allowed))
}

/** An option that may be given several times. */
export function many(hint: string, says: string): Option<readonly string[]> {
  return { kind: 'many', hint, says, read: (texts) => texts }
}

/** An option that may stand without its value, which then is `otherwise`. */
export function maybe<T>(option: Option<T>, otherwise: string): Option<T> {
  return {
    ...option,
    kind: 'maybe',
    hint: `[${option.hint.slice(1, -1)}]`,
    read: (texts, name) =>
      option.read(
        texts.map((given) => given || otherwise),
        name,
      ),
  }
}

/**
 * Reads a command line by a table of options. `--name value` and `--name=value` are the same; after `--` there are only words.
 * @throws UsageError for an unknown option, a missing, superfluous or bad value, or an option given twice
 */
export function parse<O extends Options>(argv: readonly string[], options: O, where: string): Parsed<O> {
  const { tokens } = tokenize(argv, options)
  const given = new Map<string, string[]>()
  const words: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    if (option === undefined) throw unknown(rawName, Object.keys(options), where)
    given.set(name, [...(given.get(name) ?? []), expectValue(option, rawName, value, inlineValue)])
  }
  const values = Object.entries(options).map(([name, option]) => [name, readOne(option, `--${name}`, given.get(name))])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value was read by the option of its own name
  return { values: Object.fromEntries(values) as Values<O>, words }
}

/** The first word of a command line and the rest of it; the options before it are known by the table. */
export function splitVerb(
  argv: readonly string[],
  options: Options,
): { readonly verb: string | undefined; readonly rest: readonly string[] } {
  const first = tokenize(argv, options).tokens.find((token) => token.kind === 'positional')
  return first === undefined
    ? { verb: undefined, rest: argv }
    : { verb: first.value, rest: argv.toSpliced(first.index, 1) }
}

/** The given ones alone, for APIs that tell an option which is `undefined` from one that is absent. */
export function onlyGiven<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const set = Object.entries(options).filter(([, value]) => value !== undefined)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- those left are not undefined
  return Object.fromEntries(set) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

function single<T>(hint: string, says: string, read: (given: string, option: string) => T): Option<T> {
  return { kind: 'value', hint, says, read: ([first = ''], option) => read(first, option) }
}

function tokenize(argv: readonly string[], options: Options) {
  const config = Object.entries(options).map(([name, { kind, short }]) => [
    name,
    {
      type: kind === 'flag' ? 'boolean' : 'string',
      multiple: true,
      ...(short === undefined ? {} : { short }),
    } as const,
  ])
  return parseArgs({
    args: withMaybes(argv, options),
    options: Object.fromEntries(config),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
}

/** `--watch` without a value becomes `--watch=`, so that it does not take the option after it for one. The count of texts stays. */
function withMaybes(argv: readonly string[], options: Options): string[] {
  return argv.map((one, i) => {
    const alone = argv[i + 1]?.startsWith('-') ?? true
    return alone && one.startsWith('--') && options[one.slice(2)]?.kind === 'maybe' ? `${one}=` : one
  })
}

function expectValue(
  { kind }: Option<unknown>,
  rawName: string,
  value: string | undefined,
  inlineValue: boolean | undefined,
): string {
  if (kind === 'flag') {
    if (value !== undefined) throw new UsageError(`Option "${rawName}" takes no value, got ${show(value)}`)
    return ''
  }
  if (value === undefined || (inlineValue === false && value.startsWith('--')))
    throw new UsageError(`Option "${rawName}" needs a value`)
  return value
}

function readOne(option: Option<unknown>, name: string, texts: readonly string[] | undefined): unknown {
  if (texts === undefined) return undefined
  if (texts.length > 1 && option.kind !== 'many' && option.kind !== 'flag')
    throw new UsageError(`Option "${name}" is given ${texts.length} times; once is enough`)
  return option.read(texts, name)
}

function unknown(rawName: string, names: readonly string[], where: string): UsageError {
  const known = names.map((name) => `--${name}`)
  return new UsageError(
    `Unknown option "${rawName}" for ${where}.${suggestion(rawName, known) || ` Known: ${known.join(', ')}.`}`,
  )
}
