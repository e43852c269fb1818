import { StoreError } from '../../core/errors.ts'
import type { Link } from '../redis-client/link.ts'
import { toText } from './row.ts'

/** @throws StoreError when the server is older than what we do needs, or cannot be reached */
export async function expectServer(link: Link): Promise<void> {
  const server = await info(link, 'server')
  const version = server.get('redis_version') ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 6 || (major === 6 && minor >= 2)) return
  throw new StoreError(`Expected Redis 6.2 or later, or Valkey, got Redis ${version}`, { retryable: false })
}

/** What the server says of itself, by name. */
export async function info(link: Link, section: string): Promise<ReadonlyMap<string, string>> {
  const text = toText(await link.command('INFO', [section]))
  return new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]]
    }),
  )
}
