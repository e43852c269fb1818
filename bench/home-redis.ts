import { Redis } from 'ioredis'
import { startRedis } from '../test/servers/redis.ts'
import type { Durability } from './contender.ts'
import type { Home } from './engine.ts'

/** The numbers of databases are used again after so many stores; never so many are open. */
const databases = 100

/** An append-only file that is longer is rewritten, between two rounds. */
const longFile = 512 * 2 ** 20

/**
 * A server for each durability, since on Redis that is the server's, and a database of it for each store. No server forks while somebody is
 * measured: snapshots are off, and append-only files are rewritten here.
 */
export async function redisServers(folder: string): Promise<Home> {
  const [full, relaxed, none] = await Promise.all([
    serve(folder, 'always'),
    serve(folder, 'everysec'),
    serve(folder, 'no'),
  ])
  const servers: Readonly<Record<Durability, Served>> = { full, relaxed, default: none }
  const [, version = '?'] = /redis_version:(\S+)/.exec(await none.client.info('server')) ?? []
  return {
    conditions: [
      `Redis ${version} on 127.0.0.1, without snapshots, its append-only files in ${folder}`,
      'full / relaxed = appendfsync always / everysec for everybody, default = no append-only file, as Redis comes',
    ].join('\n'),
    place: (n, durability) => `${servers[durability].url}/${n % databases}`,
    discard: async (place) => {
      const { client } = Object.values(servers).find(({ url }) => place.startsWith(`${url}/`)) ?? none
      await client.select(Number(new URL(place).pathname.slice(1)))
      await client.flushdb('SYNC') // not in the background, where it would take time of the next round
      await shorten(client)
    },
    end: async () => {
      await Promise.all(Object.values(servers).map((server) => server.end()))
    },
  }
}

interface Served {
  readonly url: string
  readonly client: Redis
  end(): Promise<void>
}

async function serve(folder: string, append: 'no' | 'everysec' | 'always'): Promise<Served> {
  const settings = { databases, 'auto-aof-rewrite-percentage': 0 }
  const server = await startRedis({ append, settings, parent: folder })
  const client = new Redis(server.url)
  return {
    url: server.url,
    client,
    end: async () => {
      client.disconnect()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function shorten(client: Redis): Promise<void> {
  const told = async (name: string): Promise<number> =>
    Number(new RegExp(`${name}:(\\d+)`).exec(await client.info('persistence'))?.[1] ?? 0)
  if ((await told('aof_current_size')) < longFile) return
  await client.bgrewriteaof()
  while ((await told('aof_rewrite_in_progress')) > 0) await new Promise((resolve) => setTimeout(resolve, 10))
}
