import { Redis } from 'ioredis'
import type { Contender, Counts } from '../contender.ts'

/** What all contenders on Redis share: a place is the URL of a database, and is counted through a connection of its own. */
export function redisDatabase(counts: (client: Redis) => Promise<Counts>): Pick<Contender, 'count'> {
  return {
    count: async (place) => {
      const client = new Redis(place)
      try {
        return await counts(client)
      } finally {
        client.disconnect()
      }
    },
  }
}

/** The keys that look like this. */
export async function keysLike(client: Redis, match: string): Promise<readonly string[]> {
  const all = new Set<string>() // a scan may come by one twice
  for await (const keys of client.scanStream({ match, count: 10_000 })) for (const key of keys) all.add(String(key))
  return [...all]
}
