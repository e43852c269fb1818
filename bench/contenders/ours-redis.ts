import { open } from '../../src/index.ts'
import type { Contender } from '../contender.ts'
import { jobferrySession } from './jobferry.ts'
import { keysLike, redisDatabase } from './redis-database.ts'

const keys = '{jobferry}:'

/** jobferry on a Redis server. How durable that is, the server says. */
const ours: Contender = {
  name: 'ours',
  finished: ['removed', 'kept'],
  open: async (url, _durability, keep) => jobferrySession(await open(url), keep),
  ...redisDatabase(async (client) => {
    const lanes = await keysLike(client, `${keys}ready:*`)
    const waiting = await Promise.all(lanes.map((lane) => client.zcard(lane)))
    const running = await client.hlen(`${keys}held`)
    return {
      stored: (await keysLike(client, `${keys}job:*`)).length,
      unfinished: waiting.reduce((sum, one) => sum + one, running),
    }
  }),
}
export default ours
