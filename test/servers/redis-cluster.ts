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
  /** The master that has a key. */
  ownerOf(key: string): Promise<Redis>
  /** Starts a replica of a master, and resolves when it has all that the master has and every node knows of it. It ends with the cluster. */
  addReplica(master: Redis): Promise<Redis>
}

/**
 * Starts three masters without replicas, joins them, and resolves when each of them says that the cluster is whole, after about three
 * seconds. A node that is killed takes its third of the slots with it until it is started again.
 * @throws Error if a server does not start, or they cannot be joined
 */
export async function startRedisCluster(options: RedisOptions = {}): Promise<RedisCluster> {
  const starting = [1, 2, 3].map(() => startNode(options))
  const dispose = async (): Promise<void> => {
    for (const node of await Promise.allSettled(starting).then((all) => all.toReversed()))
      if (node.status === 'fulfilled') await node.value[Symbol.asyncDispose]()
  }
  try {
    const nodes = await Promise.all(starting)
    await join(nodes)
    await whole(nodes)
    const urls = nodes.map(({ url }) => url)
    return {
      nodes,
      urls,
      whole: () => whole(nodes),
      ownerOf: (key) => ownerOf(nodes, key),
      addReplica: async (master) => {
        const replica = startNode(options)
        starting.push(replica)
        return await follow(nodes, await replica, master)
      },
      [Symbol.asyncDispose]: dispose,
    }
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

async function ownerOf(nodes: readonly Redis[], key: string): Promise<Redis> {
  for (const node of nodes) if ((await node.ask('exists', key)) === '1') return node
  throw new Error(`No node of the cluster has the key ${key}`)
}

/** Every node must know it before one can be killed: they elect it. */
async function follow(nodes: readonly Redis[], replica: Redis, master: Redis): Promise<Redis> {
  const [id, own] = [await master.ask('cluster', 'myid'), await replica.ask('cluster', 'myid')]
  const port = await clusterPortOf(master)
  await replica.ask('cluster', 'meet', '127.0.0.1', String(master.port), port)
  await until('the replica knew its master', async () =>
    (await replica.ask('cluster', 'nodes')).includes(id) ? true : undefined,
  )
  await replica.ask('cluster', 'replicate', id)
  await replica.linked()
  await until('every node knew of the replica', async () => {
    const known = await Promise.all(nodes.map((node) => node.ask('cluster', 'nodes')))
    const line = new RegExp(`^${own} \\S+ slave ${id} .* connected$`, 'm')
    return known.every((all) => line.test(all)) || undefined
  })
  return replica
}

/** `… 127.0.0.1:port@clusterPort[,…] …` */
async function clusterPortOf(node: Redis): Promise<string> {
  return /@(\d+)\S* myself/.exec(await node.ask('cluster', 'nodes'))?.[1] ?? ''
}
