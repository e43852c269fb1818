import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'
import { scripts } from './script.ts'

/** Nobody's name: the bell of a pipeline rings for its own process, too. */
const nobody = '-'

/**
 * Adds to a caller's pipeline the command that runs the script `append`. By its text: nobody could send it again with the text if the server
 * did not know it by its digest.
 * @throws UsageError when it is none of ioredis or node-redis
 */
export function appendTo(pipeline: object, namespace: string, args: readonly string[]): void {
  const own = [scripts.append.text, '1', namespace, nobody, '0', ...args]
  if (isIoRedis(pipeline)) pipeline.call('EVAL', own)
  else if (!isNodeRedis(pipeline))
    throw new UsageError(
      `Expected \`pipeline\` to be a pipeline or MULTI of ioredis or node-redis, got ${show(pipeline)}`,
    )
  // That of a cluster has to be told the key first.
  else if (pipeline.addCommand.length > 2) pipeline.addCommand(namespace, false, ['EVAL', ...own])
  else pipeline.addCommand(['EVAL', ...own])
}

function isIoRedis(pipeline: object): pipeline is { call(command: string, args: string[]): unknown } {
  return 'call' in pipeline && typeof pipeline.call === 'function' && !('duplicate' in pipeline)
}

function isNodeRedis(pipeline: object): pipeline is { addCommand(...args: unknown[]): unknown } {
  return 'addCommand' in pipeline && typeof pipeline.addCommand === 'function'
}
