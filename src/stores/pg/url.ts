import { UsageError } from '../../core/errors.ts'
import { expectOneOf, show, suggestion } from '../../core/expect.ts'

/** What a URL can say of TLS. The driver would let it win over the option in silence. */
const tlsNames = new Set(['ssl', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation'])

const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const

/**
 * Takes what is ours (`?schema=…`) out of a URL: the rest is the driver's. An option given beside it must not contradict it.
 * @throws UsageError for a URL that is none; its text, which may hold a password, is not repeated
 */
export function withUrlOptions<Options extends { readonly schema?: string; readonly ssl?: boolean | object }>(
  url: string,
  options: Options,
): { readonly url: string; readonly options: Options } {
  if (!URL.canParse(url)) throw new UsageError('Expected a URL like postgres://user@host:5432/database')
  const parsed = new URL(url)
  const names = [...parsed.searchParams.keys()]
  for (const name of names) {
    // What the driver does not know it passes over, and the jobs would be in another schema.
    const meant = name === 'schema' ? '' : suggestion(name, ['schema'])
    if (meant !== '') throw new UsageError(`Unknown parameter "${name}" in the URL.${meant}`)
    if (tlsNames.has(name) && options.ssl !== undefined)
      throw new UsageError(`Both the URL (${name}) and the option \`ssl\` speak of TLS. Say it once`)
  }
  // The driver takes a word that it does not know for none, and encrypts nothing.
  for (const mode of parsed.searchParams.getAll('sslmode')) expectOneOf(mode, 'sslmode', tlsModes)
  const [schema, ...more] = parsed.searchParams.getAll('schema')
  if (schema === undefined) return { url, options }
  if (more.length > 0) throw new UsageError('The URL names more than one schema. Say it once')
  if (options.schema !== undefined && options.schema !== schema)
    throw new UsageError(`The URL says schema=${show(schema)}, the options say ${show(options.schema)}. Say it once`)
  parsed.searchParams.delete('schema')
  return { url: parsed.href, options: { ...options, schema } }
}
