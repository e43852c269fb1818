import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { makeFolder } from './folder.ts'
import { freePort } from './port.ts'
import { Redis, type RedisOptions, startRedis } from './redis.ts'
import { redisPrograms } from './redis-programs.ts'
import { until } from './until.ts'

/** Two Redis servers, one of them the replica of the other, and a Sentinel that knows them as `jobs`. */
export interface RedisPair extends AsyncDisposable {
  readonly sentinel: Redis
  /** The one that Sentinel says is the master. */
  master(): Promise<Redis>
  /** Resolves when another than this one is the master. */
  promoted(old: Redis): Promise<Redis>
}

/**
 * Starts the two and a Sentinel, which promotes the replica when the master has not answered for half a second; resolves when all know each
 * other, after about a second.
 * @throws Error if one of them does not start
 */
export async function startRedisPair(options: RedisOptions = {}): Promise<RedisPair> {
  const started: Redis[] = []
  const dispose = async (): Promise<void> => {
    for (const one of started.toReversed()) await one[Symbol.asyncDispose]()
  }
  try {
    const settings = { 'repl-diskless-sync-delay': 0, ...options.settings }
    const first = await startRedis({ ...options, settings })
    started.push(first)
    const second = await startRedis({ ...options, settings })
    started.push(second)
    await second.ask('replicaof', '127.0.0.1', String(first.port))
    await second.linked() // Sentinel asks the master for its replicas when it begins, and not soon again
    const sentinel = await startSentinel(first)
    started.push(sentinel)
    await until('Sentinel knew of the replica', async () => {
      const replicas = await sentinel.ask('sentinel', 'replicas', 'jobs')
      return /\nflags\nslave\n[^]*\nmaster-link-status\nok(?:\n|$)/.test(replicas) || undefined
    })
    return toPair([first, second], sentinel, dispose)
  } catch (error) {
    await dispose()
    throw error
  }
}

function toPair(servers: readonly Redis[], sentinel: Redis, dispose: () => Promise<void>): RedisPair {
  const master = async (): Promise<Redis> => {
    const [, port] = (await sentinel.ask('sentinel', 'get-master-addr-by-name', 'jobs')).split('\n')
    const found = servers.find((server) => String(server.port) === port)
    if (found === undefined) throw new Error(`Sentinel has a master on port ${port}, which is none of ours`)
    return found
  }
  return {
    sentinel,
    master,
    promoted: (old) =>
      until('Sentinel had promoted the replica', async () => {
        const now = await master()
        return now === old ? undefined : now
      }),
    [Symbol.asyncDispose]: dispose,
  }
}

async function startSentinel(master: Redis): Promise<Redis> {
  const folder = makeFolder(tmpdir(), 'redis')
  const port = await freePort()
  const config = join(folder, 'sentinel.conf')
  writeFileSync(
    config,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor jobs 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds jobs 500',
      'sentinel failover-timeout jobs 3000',
      '',
    ].join('\n'),
  )
  const sentinel = new Redis({ programs: await redisPrograms(), args: [config, '--sentinel'], folder, port })
  try {
    await sentinel.start()
    // It looks at the servers twice a second, not every ten, and is not put off by a machine that stood still for two seconds.
    await sentinel.ask('sentinel', 'debug', 'info-period', '500', 'tilt-trigger', '60000')
    return sentinel
  } catch (error) {
    await sentinel[Symbol.asyncDispose]()
    throw error
  }
}
