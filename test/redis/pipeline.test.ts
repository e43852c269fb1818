import { Cluster, Redis } from 'ioredis'
import { createClient } from 'redis'
import { describe, expect, inject, it, onTestFinished } from 'vitest'

import { open, type Pipeline, task, UnsupportedError, UsageError } from '../../src/index.ts'
import { aJob, T } from '../../src/testing/contract/builders.ts'
import { newPrefix, newRedisCluster } from '../servers/kit.ts'
import { clients, newStore, nextBell } from './kit.ts'

const mail = task<string>({ name: 'mail', handler: async () => {} })
const { url } = inject('redis')

/** What a caller has of each library. */
const callers = {
  ioredis: async () => {
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    return {
      client,
      pipeline: () => client.pipeline(),
      multi: () => client.multi(),
      get: async (key: string) => await client.get(key),
    }
  },
  redis: async () => {
    const client = createClient({ url })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => client.destroy())
    return {
      client,
      pipeline: () => client.multi(),
      multi: () => client.multi(),
      get: async (key: string) => await client.get(key),
    }
  },
}

async function opened(client: (typeof clients)[number]) {
  const namespace = newPrefix()
  const jobs = await open(url, { client, namespace, logger: false })
  onTestFinished(() => jobs.close())
  return { jobs, namespace }
}

describe.each(clients)('a pipeline of %s', (library) => {
  it('adds jobs when it is executed, and not before, with the ids that were given at once', async () => {
    const { jobs } = await opened(library)
    const pipeline = (await callers[library]()).pipeline()
    const first = jobs.enqueue(mail, 'ada', { pipeline })
    const more = jobs.enqueueMany([mail.with('bob', { queue: 'other', delay: '1h' }), mail.with('cyd')], { pipeline })
    expect(await jobs.list()).toEqual([])
    await pipeline.exec()
    const stored = await jobs.list({ order: 'oldest' })
    expect(stored.map(({ id }) => id)).toEqual([first.id, ...more.map(({ id }) => id)])
    expect(stored.map(({ payload }) => payload)).toEqual(['ada', 'bob', 'cyd'])
  })

  it('is part of a MULTI: all of it happens, or nothing', async () => {
    const { jobs, namespace } = await opened(library)
    const { multi, get } = await callers[library]()
    const kept = multi()
    kept.set(`{${namespace}}-stock`, '1')
    const { id } = jobs.enqueue(mail, 'ada', { pipeline: kept })
    multi().set(`{${namespace}}-never`, '1') // never executed
    jobs.enqueue(mail, 'bob', { pipeline: multi() })
    await kept.exec()
    expect(await get(`{${namespace}}-stock`)).toBe('1')
    expect((await jobs.list()).map((job) => job.id)).toEqual([id])
  })

  it('rings for its own process and for others', async () => {
    const namespace = newPrefix()
    const [here, there] = [await newStore({ url, namespace, client: library }), await newStore({ url, namespace })]
    const bells = [await nextBell(here, 'jobs'), await nextBell(there, 'jobs')]
    const pipeline = (await callers[library]()).pipeline()
    here.append([{ job: aJob(), ifHeld: 'keep' }], T, pipeline)
    await pipeline.exec()
    await Promise.all(bells.map(({ rung }) => rung))
  })

  it('leaves out a job whose unique key is held when it runs, or fails its command if asked to', async () => {
    const { jobs } = await opened(library)
    const caller = await callers[library]()
    await jobs.enqueue(mail, 'first', { unique: 'a' })
    const pipeline = caller.pipeline()
    jobs.enqueueMany([mail.with('kept', { unique: 'a' }), mail.with('added', { unique: 'b' })], { pipeline })
    await pipeline.exec()
    const rejecting = caller.pipeline()
    const unique = { key: 'a', onConflict: 'reject' } as const
    jobs.enqueueMany([mail.with('not added'), mail.with('rejected', { unique })], { pipeline: rejecting })
    const answer = await Promise.resolve(rejecting.exec()).then(String, String)
    expect((await jobs.list({ order: 'oldest' })).map(({ payload }) => payload)).toEqual(['first', 'added'])
    expect(answer).toMatch(/unique key is held|commands failed/i)
  })

  it('is refused what cannot be: replacing, a validator that needs time, something that is no pipeline', async () => {
    const { jobs } = await opened(library)
    const pipeline = (await callers[library]()).pipeline()
    const unique = { key: 'a', onConflict: 'replace' } as const
    expect(() => jobs.enqueue(mail, 'a', { pipeline, unique })).toThrow('whom a pipeline would replace is not known')
    for (const wrong of ['{}', '1', 'null', '{"call":1}'])
      expect(() => jobs.enqueue(mail, 'a', { pipeline: JSON.parse(wrong) as Pipeline })).toThrow(UsageError)
    await jobs.close()
    expect(() => jobs.enqueue(mail, 'a', { pipeline })).toThrow(UsageError)
  })
})

describe('a MULTI of a cluster', () => {
  it('takes jobs beside keys of the same hash tag', { timeout: 60_000 }, async () => {
    const cluster = await newRedisCluster()
    const addresses = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const client = new Cluster(addresses)
    onTestFinished(() => client.disconnect())
    const jobs = await open(`redis+cluster://127.0.0.1:${addresses[0]!.port}`, { namespace: 'shop', logger: false })
    onTestFinished(() => jobs.close())
    const multi = client.multi().incr('{shop}stock')
    const { id } = jobs.enqueue(mail, 'ada', { pipeline: multi })
    await multi.exec()
    expect((await jobs.get(id))?.payload).toBe('ada')
    expect(await client.get('{shop}stock')).toBe('1')
  })
})

it('is refused by stores that have none, in plain words', async () => {
  const jobs = await open('memory:', { logger: false })
  onTestFinished(() => jobs.close())
  const client = new Redis(url, { lazyConnect: true })
  expect(() => jobs.enqueue(mail, 'a', { pipeline: client.pipeline() })).toThrow(UnsupportedError)
})
