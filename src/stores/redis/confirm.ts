import { StoreError } from '../../core/errors.ts'
import type { Link } from '../redis-client/link.ts'
import type { RedisSettings } from './options.ts'
import { toList } from './row.ts'

/**
 * Waits until what was written before on this connection is where it was asked to be.
 * @param connection on which the jobs were added: on another one the server knows nothing of them
 * @throws StoreError, not retryable, when it is not so in time: the job is stored all the same, and another enqueue would double it
 */
export async function confirmed(
  link: Link,
  wanted: NonNullable<RedisSettings['confirm']>,
  connection: number,
): Promise<void> {
  const { replicas, disk, timeoutMs } = wanted
  const ms = String(timeoutMs)
  const [onDisk, copies] = disk
    ? toList(await link.once('WAITAOF', ['1', String(replicas), ms])).map(Number)
    : [1, Number(await link.once('WAIT', [String(replicas), ms]))]
  if (link.wire.connections !== connection)
    throw new StoreError('The jobs were added, but the connection broke before it was confirmed', { retryable: false })
  if ((onDisk ?? 0) >= 1 && (copies ?? 0) >= replicas) return
  const missing = (onDisk ?? 0) < 1 ? 'not on the disk yet' : `on ${copies} of ${replicas} replicas`
  throw new StoreError(`The jobs were added, but are ${missing} after ${timeoutMs} ms`, { retryable: false })
}
