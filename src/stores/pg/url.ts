import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'

/**
 * Takes what is ours (`?schema=…`) out of a URL: the rest is the driver's. An option given beside it must not contradict it.
 * @throws UsageError for a URL that is none; its text, which may hold a password, is not repeated
 */
export function withUrlOptions<Options extends { readonly schema?: string }>(
  url: string,
  options: Options,
): { readonly url: string; readonly options: Options } {
  if (!URL.canParse(url)) throw new UsageError('Expected a URL like postgres://user@host:5432/database')
  const parsed = new URL(url)
  const schema = parsed.searchParams.get('schema')
  if (schema === null) return { url, options }
  if (options.schema !== undefined && options.schema !== schema)
    throw new UsageError(`The URL says schema=${show(schema)}, the options say ${show(options.schema)}. Say it once`)
  parsed.searchParams.delete('schema')
  return { url: parsed.href, options: { ...options, schema } }
}
