import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { freePort } from './port.ts'
import { type Redis, type RedisOptions, startRedis } from './redis.ts'
import { redisPrograms } from './redis-programs.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** A Redis Cluster of three masters on this machine. */
export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly Redis[]
  /** Of the nodes. A client needs any one of them. */
  readonly urls: readonly string[]
  /** Resolves when every node says that the cluster is whole: at once, or two seconds after a node was started again. */
  whole(): Promise<void>
}

/**
 * Starts three masters without replicas, joins them, and resolves when each of them says that the cluster is whole, after about three
 * seconds. A node that is killed takes its third of the slots with it until it is started again.
 * @throws Error if a server does not start, or they cannot be joined
 */
export async function startRedisCluster(options: RedisOptions = {}): Promise<RedisCluster> {
  const starting = [1, 2, 3].map(() => startNode(options))
  const dispose = async (): Promise<void> => {
    for (const node of await Promise.allSettled(starting))
      if (node.status === 'fulfilled') await node.value[Symbol.asyncDispose]()
  }
  try {
    const nodes = await Promise.all(starting)
    await join(nodes)
    await whole(nodes)
    const urls = nodes.map(({ url }) => url)
    return { nodes, urls, whole: () => whole(nodes), [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function startNode({ settings, ...options }: RedisOptions): Promise<Redis> {
  const cluster = {
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    // Otherwise the port and 10,000: among those which the kernel gives away.
    'cluster-port': await freePort(),
    'cluster-node-timeout': 2_000,
  }
  return await startRedis({ ...options, settings: { ...cluster, ...settings } })
}

async function join(nodes: readonly Redis[]): Promise<void> {
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const { cli } = await redisPrograms()
  await run(cli, ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'])
}

async function whole(nodes: readonly Redis[]): Promise<void> {
  await until('every node of the cluster knew all', async () => {
    const states = await Promise.all(nodes.map((node) => node.ask('cluster', 'info')))
    return states.every((state) => state.includes('cluster_state:ok')) || undefined
  })
}
