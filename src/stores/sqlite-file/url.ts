import { UsageError } from '../../core/errors.ts'
import { expectKnown, show } from '../../core/expect.ts'

/**
 * The options that a URL of a file stands for: `liteq:app.db`, `liteq:/abs/app.db?visibilityTimeout=20s`, `liteq:///abs/app.db` as other
 * libraries write it. One given beside it must not contradict it.
 * @param known what may stand behind the question mark
 * @throws UsageError for a URL without a file, with a parameter that nobody knows, or one that is said twice
 */
export function fileUrlOptions<T extends object>(
  url: string,
  options: T,
  known: readonly string[],
): T & { readonly file: string } {
  const scheme = url.slice(0, url.indexOf(':'))
  const [path = '', ...rest] = url.slice(scheme.length + 1).split('?')
  if (path === '' || path === '//')
    throw new UsageError(`Expected the path of a file after ${scheme}:, got ${show(url)}`)
  const given = new Map<string, unknown>(Object.entries(options))
  const said: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(rest.join('?'))) {
    if (said[name] !== undefined) throw new UsageError(`The URL says \`${name}\` more than once`)
    const beside = given.get(name)
    if (beside !== undefined && beside !== value)
      throw new UsageError(`The URL says ${name}=${value}, the options say ${show(beside)}. Say it once`)
    said[name] = value
  }
  expectKnown(said, known, 'the URL')
  return { ...options, ...said, file: path.startsWith('///') ? path.slice(2) : path }
}
