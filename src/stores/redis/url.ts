import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'
import type { RedisOptions } from './options.ts'

/**
 * Takes what is ours (`?namespace=…`) out of a URL: the rest is the client's. An option given beside it must not contradict it.
 * @throws UsageError if it does; the URL, which may hold a password, is not repeated
 */
export function withUrlOptions(options: RedisOptions): RedisOptions {
  const [beginning = '', query] = (options.url ?? '').split('?')
  if (query === undefined || typeof options.url !== 'string') return options
  const parameters = new URLSearchParams(query)
  const namespace = parameters.get('namespace')
  if (namespace === null) return options
  if (options.namespace !== undefined && options.namespace !== namespace)
    throw new UsageError(
      `The URL says namespace=${show(namespace)}, the options say ${show(options.namespace)}. Say it once`,
    )
  parameters.delete('namespace')
  const rest = parameters.toString()
  return { ...options, namespace, url: rest === '' ? beginning : `${beginning}?${rest}` }
}
