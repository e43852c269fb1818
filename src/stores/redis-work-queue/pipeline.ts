import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'
import type { Argument } from '../redis-client/wire.ts'

/** What a script is told that nobody of ours calls. */
export const nobody = '-'

/**
 * Adds a command to a caller's pipeline or MULTI.
 * @throws UsageError when it is none of ioredis or node-redis
 */
export function appendTo(pipeline: object, key: string, command: string, args: readonly Argument[]): void {
  if (isIoRedis(pipeline)) pipeline.call(command, [...args])
  else if (!isNodeRedis(pipeline))
    throw new UsageError(
      `Expected \`pipeline\` to be a pipeline or MULTI of ioredis or node-redis, got ${show(pipeline)}`,
    )
  // That of a cluster has to be told the key first.
  else if (pipeline.addCommand.length > 2) pipeline.addCommand(key, false, [command, ...args])
  else pipeline.addCommand([command, ...args])
}

function isIoRedis(pipeline: object): pipeline is { call(command: string, args: Argument[]): unknown } {
  return 'call' in pipeline && typeof pipeline.call === 'function' && !('duplicate' in pipeline)
}

function isNodeRedis(pipeline: object): pipeline is { addCommand(...args: unknown[]): unknown } {
  return 'addCommand' in pipeline && typeof pipeline.addCommand === 'function'
}
