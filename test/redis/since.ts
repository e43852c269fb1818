/** What a server says of its commands (`COMMAND DOCS`, from 7.0 on), by name; of subcommands by both names, `client info`. */
export type Docs = ReadonlyMap<string, Doc>

interface Doc {
  readonly since: string
  /** Changes of its meaning, in words, and since when. */
  readonly history: readonly (readonly [since: string, what: string])[]
  /** Options by their word, and since when they are known; those as old as the command are left out. */
  readonly options: readonly (readonly [word: string, since: string])[]
}

/** `undefined` for an answer that is none. */
export function toDocs(answer: unknown): Docs | undefined {
  if (!Array.isArray(answer)) return undefined
  const docs = new Map<string, Doc>()
  read(answer, docs)
  return docs
}

/**
 * What of a call an older server does not know: the command, options, and changes that may be meant, which somebody has to read. A word is
 * taken for an option wherever it stands.
 */
export function newerIn([name = '', ...args]: readonly string[], docs: Docs, oldest: string): readonly string[] {
  const words = args.map((arg) => arg.toLowerCase())
  const both = `${name} ${words[0] ?? ''}`
  const [called, doc] = docs.has(both) ? [both, docs.get(both)] : [name, docs.get(name)]
  if (doc === undefined) return [`${name} (not told)`]
  if (isNewer(doc.since, oldest)) return [`${called} (${doc.since})`]
  const options = doc.options.filter(([word, since]) => isNewer(since, oldest) && words.includes(word))
  const changes = doc.history.filter(([since]) => isNewer(since, oldest))
  return [
    ...options.map(([word, since]) => `${called} ${word} (${since})`),
    ...changes.map(([since, what]) => `${called}: ${since} ${what}`),
  ]
}

function read(answer: readonly unknown[], docs: Map<string, Doc>): void {
  for (const [name, fields] of pairs(answer)) {
    const facts = new Map(pairs(fields))
    docs.set(name.replace('|', ' '), {
      since: String(facts.get('since')),
      history: list(facts.get('history')).map((entry) => [String(list(entry)[0]), String(list(entry)[1])] as const),
      options: optionsOf(facts.get('arguments')),
    })
    read(list(facts.get('subcommands')), docs)
  }
}

function optionsOf(given: unknown, within = '0.0.0'): readonly (readonly [string, string])[] {
  return list(given).flatMap((argument) => {
    const facts = new Map(pairs(argument))
    const [token, told] = [facts.get('token'), facts.get('since')]
    const since = typeof told === 'string' ? told : within
    const own = typeof token === 'string' ? [[token.toLowerCase(), since] as const] : []
    return [...own, ...optionsOf(facts.get('arguments'), since)]
  })
}

function pairs(given: unknown): readonly (readonly [string, unknown])[] {
  const all = list(given)
  return Array.from({ length: all.length / 2 }, (_, i) => [String(all[2 * i]), all[2 * i + 1]] as const)
}

function list(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : []
}

function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((version) => version.split('.').map(Number))
  for (const i of [0, 1, 2]) if ((a?.[i] ?? 0) !== (b?.[i] ?? 0)) return (a?.[i] ?? 0) > (b?.[i] ?? 0)
  return false
}
