import { StoreError, UsageError } from '../../core/errors.ts'
import { atLeast, info, versionOf } from './info.ts'
import type { Link } from '../redis-client/link.ts'
import type { RedisSettings } from './options.ts'
import { toText } from './row.ts'

/** The layout of the keys that this program knows. */
export const layoutVersion = 1

/** @throws StoreError when the server is older than the settings need, or cannot be reached · UsageError for `confirm` with a cluster */
export async function expectServer(link: Link, { confirm }: RedisSettings): Promise<void> {
  if (confirm !== undefined && link.wire.cluster)
    throw new UsageError(
      '`confirm` is for one server with its replicas: a client of a cluster does not say which connection it uses',
    )
  const { name, version } = versionOf(await info(link, 'server'))
  const [major, minor] = confirm?.disk === true ? [7, 2] : [6, 2]
  if (atLeast(version, major, minor)) return
  const why = confirm?.disk === true ? ' for `confirm.disk`' : ''
  throw new StoreError(`Expected Redis ${major}.${minor} or later, or Valkey${why}, got ${name}`, { retryable: false })
}

/**
 * Marks the namespace as ours, in our layout. There is nothing to make beforehand: keys come with the first job.
 * @throws StoreError when the namespace is in a layout that this program does not know
 */
export async function prepare(link: Link): Promise<void> {
  const key = `${link.namespace}version`
  await link.command('SET', [key, String(layoutVersion), 'NX'])
  const found = await currentVersion(link)
  if (found === layoutVersion) return
  throw new StoreError(
    `The namespace ${link.namespace} has layout version ${found}, but this jobferry knows ${layoutVersion}. ${found > layoutVersion ? 'Update jobferry' : 'Work it off with the older jobferry first'}`,
    { retryable: false },
  )
}

/** 0 when nothing of ours is there. */
export async function currentVersion(link: Link): Promise<number> {
  return Number(toText(await link.command('GET', [`${link.namespace}version`])))
}
