import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Redis as Client } from 'ioredis'

import type { Jobs } from '../../../src/index.ts'
import { toWire } from '../../../src/stores/redis-client/connect.ts'
import { RedisStore } from '../../../src/stores/redis/index.ts'
import { redisSettings } from '../../../src/stores/redis/options.ts'
import { toJob } from '../../../src/stores/redis/row.ts'
import { startRedis } from '../../servers/redis.ts'
import type { Access, Application, Backend, Count, Effect, Ground, RowLeft } from '../backend.ts'
import type { Failpoints } from '../failpoints.ts'
import type { Part, Plan } from '../plan.ts'
import { namespace, replayed, stateNumbers, tapeKey } from './tape.ts'
import { WatchedWire } from './wire.ts'

const ns = `{${namespace}}:`
const effectsKey = 'effects'
const childrenKey = 'children'

/** How many lines are read at a time. */
const page = 20_000

/**
 * Redis: a server of the run's own that writes each command to its append-only file before it answers, in memory where there is such a folder,
 * and that can be crashed. It has no transactions: what a handler leaves behind, it leaves before its job completes, once or more.
 */
export const redis: Backend = { transactional: false, prepare, enter }

async function prepare({ dir }: Plan): Promise<Ground> {
  const server = await startRedis({ append: 'always', ...(existsSync('/dev/shm') ? { parent: '/dev/shm' } : {}) })
  const store = await RedisStore.open({ url: server.url, namespace })
  await store.migrate()
  const client = clientOf(server.url)
  const lines = async (key: string): Promise<readonly string[]> => await client.lrange(key, 0, -1)
  return {
    address: server.url,
    store,
    records: {
      drained: async () => await isDrained(client).catch(() => false),
      tape: async function* () {
        const tape = await tapeOf(client)
        writeFileSync(join(dir, 'tape.jsonl'), tape.join('\n'))
        yield* replayed(tape)
      },
      effects: async () => (await lines(effectsKey)).map((line) => JSON.parse(line) as Effect),
      children: async () =>
        (await lines(childrenKey)).map(
          (line) => JSON.parse(line) as { readonly parent: string; readonly child: string },
        ),
      rows: async () =>
        (await rowsOf(client)).map(({ id, state, attempt, parked }): RowLeft => ({ id, state, attempt, parked })),
      recount: async () => recounted(await rowsOf(client)),
      faults: async () => await faultsOf(client),
    },
    crash: async () => {
      await server.kill()
      await server.start()
    },
    [Symbol.asyncDispose]: async () => {
      await store.close()
      client.disconnect()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function enter(part: Part, failpoints: Failpoints): Promise<Access> {
  const settings = redisSettings({ url: part.address, namespace, timeout: '5s' })
  const wire = new WatchedWire(await toWire(settings), part, failpoints)
  void wire.connect().catch(() => undefined)
  const client = clientOf(part.address)
  return { store: new RedisStore(wire, settings), application: (jobs) => applicationOn(client, jobs, failpoints) }
}

function applicationOn(client: Client, jobs: Jobs, failpoints: Failpoints): Application {
  const effect = async (one: Effect): Promise<void> => void (await client.rpush(effectsKey, JSON.stringify(one)))
  return {
    effect,
    complete: async (job, one, child) => {
      failpoints.pass('complete.before-commit')
      if (one !== undefined) await effect(one)
      if (child !== undefined) {
        const [enqueued] = await jobs.enqueueMany([child])
        await client.rpush(childrenKey, JSON.stringify({ parent: job.id, child: enqueued?.id ?? null }))
      }
      failpoints.pass('complete.after-commit')
    },
    enqueue: async (entries, beforeCommit) => {
      const enqueued = await jobs.enqueueMany(entries)
      beforeCommit(enqueued)
      return enqueued
    },
  }
}

/** The server is crashed now and then: what was not answered is sent again, and may then have been done twice. */
function clientOf(url: string): Client {
  const client = new Client(url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  return client
}

async function tapeOf(client: Client): Promise<readonly string[]> {
  const lines: string[] = []
  for (;;) {
    const more = await client.lrange(tapeKey, lines.length, lines.length + page - 1)
    lines.push(...more)
    if (more.length < page) return lines
  }
}

async function isDrained(client: Client): Promise<boolean> {
  if ((await client.hlen(`${ns}held`)) > 0) return false
  for (const lane of await client.smembers(`${ns}lanes`))
    for (const place of ['ready', 'parked']) if ((await client.zcard(`${ns}${place}:${lane}`)) > 0) return false
  return true
}

interface Row extends RowLeft {
  readonly queue: string
  readonly task: string
}

async function rowsOf(client: Client): Promise<readonly Row[]> {
  const parked = new Set<string>()
  for (const lane of await client.smembers(`${ns}lanes`))
    for (const member of await client.zrange(`${ns}parked:${lane}`, '0', '-1')) parked.add(member.slice(17))
  const rows: Row[] = []
  for (const key of await keysOf(client)) {
    const id = key.slice(`${ns}job:`.length)
    const [row, held] = [await client.get(key), await client.hget(`${ns}held`, id)]
    const { state, attempt, queue, task } = toJob(id, row ?? '', held ?? '')
    rows.push({ id, state: stateNumbers[state], attempt, parked: parked.has(id) ? 1 : 0, queue, task })
  }
  return rows
}

async function keysOf(client: Client): Promise<readonly string[]> {
  const found: string[] = []
  for await (const keys of client.scanStream({ match: '{chaos}:job:*', count: 1_000 }))
    found.push(...(keys as string[]))
  return [...new Set(found)]
}

function recounted(rows: readonly Row[]): readonly Count[] {
  const counts = new Map<string, Count>()
  for (const { queue, task, state } of rows) {
    const place = `${queue} ${task} ${state}`
    counts.set(place, { queue, task, state, n: (counts.get(place)?.n ?? 0) + 1 })
  }
  return [...counts.values()]
}

/** Every job is among the ids, and every id is a job; what waits has its place in a lane; nobody holds what is not there. */
async function faultsOf(client: Client): Promise<readonly string[]> {
  const jobs = await rowsOf(client)
  const rows = new Set(jobs.map(({ id }) => id))
  const waiting = new Set<string>()
  for (const lane of await client.smembers(`${ns}lanes`))
    for (const place of ['ready', 'parked'])
      for (const member of await client.zrange(`${ns}${place}:${lane}`, '0', '-1')) waiting.add(member.slice(17))
  const ids = new Set(await client.zrange(`${ns}ids`, '0', '-1'))
  const held = await client.hkeys(`${ns}held`)
  return [
    ...[...rows].filter((id) => !ids.has(id)).map((id) => `job ${id} is not among the ids`),
    ...[...ids].filter((id) => !rows.has(id)).map((id) => `the id ${id} has no job`),
    ...jobs
      .filter(({ id, state }) => (state === 0) !== waiting.has(id))
      .map(({ id }) => `job ${id} is in no lane, or in one too many`),
    ...held.filter((id) => !rows.has(id)).map((id) => `${id} is held, and is no job`),
  ]
}
