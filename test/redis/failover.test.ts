import { Redis as IoRedis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { newPrefix, newRedisCluster, newRedisPair } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { clients } from './kit.ts'

/** Enqueues numbers without a pause, five at a time, and works what there is. */
interface Stream {
  /** Resolves when so many more have been acknowledged and worked. */
  flow(count: number): Promise<void>
  /** Ends the enqueues, and resolves when everything that was acknowledged has been worked. */
  allDone(): Promise<void>
}

let next = 0

function stream(producer: Jobs, worker: Jobs): Stream {
  const acknowledged = new Set<number>()
  const done = new Set<number>()
  const note = task<number>({ name: `note-${next}`, handler: (n) => void done.add(n) })
  worker.work([note], { concurrency: 10, poll: 500 })
  const stopping = new AbortController()
  const lanes = Array.from({ length: 5 }, async () => {
    while (!stopping.signal.aborted) {
      const n = next++
      const job = await producer.enqueue(note, n).catch(() => undefined)
      if (job !== undefined) acknowledged.add(n)
    }
  })
  onTestFinished(() => stopping.abort())
  const both = (): number => [...acknowledged].filter((n) => done.has(n)).length
  return {
    flow: async (count) => {
      const before = both()
      await expect.poll(both, { timeout: 45_000, interval: 20 }).toBeGreaterThan(before + count)
    },
    allDone: async () => {
      stopping.abort()
      await Promise.all(lanes)
      await expect
        .poll(() => [...acknowledged].filter((n) => !done.has(n)), { timeout: 45_000, interval: 20 })
        .toEqual([])
    },
  }
}

it(
  'goes on at the replica that Sentinel promotes, and has every job that was confirmed',
  { timeout: 120_000 },
  async () => {
    const pair = await newRedisPair()
    const client = new IoRedis({
      sentinels: [{ host: '127.0.0.1', port: pair.sentinel.port }],
      name: 'jobs',
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    })
    client.on('error', () => undefined)
    onTestFinished(() => client.disconnect())
    const options = { client, namespace: newPrefix(), logger: false, timeout: '40s' } as const
    const plain = await open('redis://sentinel', options)
    onTestFinished(() => plain.close())
    const careful = await open('redis://sentinel', { ...options, confirm: { replicas: 1, timeout: '1s' } })
    onTestFinished(() => careful.close())
    const confirmed = stream(careful, plain)
    const acknowledged = stream(plain, plain)
    await Promise.all([confirmed.flow(50), acknowledged.flow(50)])
    const old = await pair.master()
    await old.kill()
    await pair.promoted(old)
    await acknowledged.flow(50) // without confirmation, since there is no replica now
    await confirmed.allDone()
  },
)

it.each(clients)('goes on at the replica that a cluster promotes, through %s', { timeout: 120_000 }, async (client) => {
  const cluster = await newRedisCluster()
  const namespace = newPrefix()
  const url = `redis+cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  const jobs = await open(url, { client, namespace, logger: false, timeout: '40s' })
  onTestFinished(() => jobs.close())
  const acknowledged = stream(jobs, jobs)
  await acknowledged.flow(50)
  const owner = await cluster.ownerOf(`{${namespace}}:seq`)
  const replica = await cluster.addReplica(owner)
  await acknowledged.flow(50)
  await owner.kill()
  await until('the replica was promoted', async () =>
    (await replica.ask('role')).startsWith('master') ? true : undefined,
  )
  await acknowledged.flow(50)
})
