import { Redis } from 'ioredis'
import { type BenchJob, batches, type Contender, type Session } from '../contender.ts'
import { redisDatabase } from './redis-database.ts'

/**
 * The least that a queue can be on Redis, on one connection: a string for each job under its id, the waiting in a sorted set by when they are
 * due, the running in another by when their lease ends. A script is a batch, and calls each command once, with all its arguments.
 */
const waiting = 'waiting'
const running = 'running'
const finished = 'finished'

/** `ARGV`: now, then of each job its id and its text. */
const add = `
  local members, n = {}, 0
  for i = 2, #ARGV, 2 do
    members[n + 1], members[n + 2] = ARGV[1], ARGV[i]
    n = n + 2
  end
  redis.call('mset', unpack(ARGV, 2))
  return redis.call('zadd', '${waiting}', unpack(members))`

/** `ARGV[1]`: the end of the lease; `ARGV[2]`: how many. Answers their ids and their texts. */
const claim = `
  local popped = redis.call('zpopmin', '${waiting}', ARGV[2])
  if #popped == 0 then return { {}, {} } end
  local ids, leases, n = {}, {}, 0
  for i = 1, #popped, 2 do
    n = n + 1
    ids[n] = popped[i]
    leases[i], leases[i + 1] = ARGV[1], popped[i]
  end
  redis.call('zadd', '${running}', unpack(leases))
  return { ids, redis.call('mget', unpack(ids)) }`

/** `ARGV` from 3 on: ids. */
const remove = `
  redis.call('unlink', unpack(ARGV, 3))
  local ended = redis.call('zrem', '${running}', unpack(ARGV, 3))`
const finish = `
  local ended = redis.call('zrem', '${running}', unpack(ARGV, 3))
  redis.call('sadd', '${finished}', unpack(ARGV, 3))`

const raw: Contender = {
  name: 'raw',
  raw: true,
  finished: ['removed', 'kept'],
  open: async (url, _durability, keep) => {
    const client = new Redis(url)
    const end = keep ? finish : remove
    return rawSession(client, {
      add: await load(client, add),
      claim: await load(client, claim),
      end: await load(client, `${end}\n  return ended`),
      exchange: await load(client, `if #ARGV > 2 then ${end}\n  end ${claim}`),
    })
  },
  ...redisDatabase(async (client) => {
    const [unstarted, held, kept] = [
      await client.zcard(waiting),
      await client.zcard(running),
      await client.scard(finished),
    ]
    const sets = [unstarted, held, kept].filter((size) => size > 0).length
    return { stored: (await client.dbsize()) - sets, unfinished: unstarted + held }
  }),
}
export default raw

interface Scripts {
  readonly add: string
  readonly claim: string
  readonly end: string
  /** The end of the last batch and the claim of the next. */
  readonly exchange: string
}

function rawSession(client: Redis, scripts: Scripts): Session {
  async function addAll(jobs: readonly BenchJob[], size: number): Promise<void> {
    for (const batch of batches(jobs, size)) {
      const args = [String(Date.now())]
      for (const { id, text } of batch) args.push(id, text)
      await client.evalsha(scripts.add, 0, args)
    }
  }

  async function take(script: string, limit: number, ended: readonly string[]): Promise<readonly string[]> {
    const reply: unknown = await client.evalsha(script, 0, [String(Date.now() + 30_000), String(limit), ...ended])
    const [ids] = Array.isArray(reply) ? reply : []
    return Array.isArray(ids) ? ids : []
  }

  async function end(ids: readonly string[]): Promise<void> {
    const ended = await client.evalsha(scripts.end, 0, ['', '', ...ids])
    if (ended !== ids.length) throw new Error(`${String(ended)} of ${ids.length} jobs were settled`)
  }

  return {
    oneByOne: (jobs) => addAll(jobs, 1),
    concurrent: addAll,
    bulk: addAll,
    fill: (jobs) => addAll(jobs, 1_000),
    drain: async (total, concurrency) => {
      let ids: readonly string[] = []
      for (let taken = 0; taken < total; taken += ids.length) {
        ids = await take(scripts.exchange, concurrency, ids)
        if (ids.length === 0) throw new Error(`${total - taken} of ${total} jobs are gone`)
      }
      await end(ids)
    },
    claim: async (limit) => {
      const ids = await take(scripts.claim, limit, [])
      if (ids.length !== limit) throw new Error(`${ids.length} jobs were claimed, not ${limit}`)
      return () => end(ids)
    },
    close: () => client.disconnect(),
  }
}

async function load(client: Redis, script: string): Promise<string> {
  return String(await client.script('LOAD', script))
}
