import { StoreError } from '../../core/errors.ts'
import { atLeast, info, versionOf } from './info.ts'
import type { Link } from './link.ts'
import { toText } from './row.ts'

/** The layout of the keys that this program knows. */
export const layoutVersion = 1

/** @throws StoreError when the server is older than 6.2 or cannot be reached */
export async function expectVersion(link: Link): Promise<void> {
  const { name, version } = versionOf(await info(link, 'server'))
  if (atLeast(version, 6, 2)) return
  throw new StoreError(`Expected Redis 6.2 or later, or Valkey, got ${name}`, { retryable: false })
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
