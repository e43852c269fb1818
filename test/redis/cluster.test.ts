import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { open, task } from '../../src/index.ts'
import { RedisStore } from '../../src/stores/redis/index.ts'
import { type Fixture, holdToContract } from '../../src/testing/contract/index.ts'
import { newPrefix } from '../servers/kit.ts'
import { type RedisCluster, startRedisCluster } from '../servers/redis-cluster.ts'
import { clients } from './kit.ts'

let cluster: RedisCluster
let url: string

beforeAll(async () => {
  cluster = await startRedisCluster({ append: 'always' })
  url = `redis+cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
}, 60_000)

afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
})

for (const client of clients) {
  holdToContract({ describe, it }, `redis cluster through ${client}`, async () => await fixture(client), {
    transaction: 'a script cannot see what stands in a MULTI that has not run',
    connection: 'a MULTI answers nothing before it runs',
  })
}

describe.each(clients)('a cluster through %s', (client) => {
  it('holds the queues of one store in several namespaces, and those on several nodes', async () => {
    const namespaces = Array.from({ length: 6 }, () => newPrefix())
    const jobs = await open(
      namespaces.map((namespace) => `${url}?namespace=${namespace}`),
      { client, logger: false },
    )
    onTestFinished(() => jobs.close())
    const done = new Set<string>()
    const all = Promise.withResolvers<void>()
    const note = task<string>({
      name: 'note',
      handler: async (queue) => {
        done.add(queue)
        if (done.size === 30) all.resolve()
      },
    })
    const queues = Array.from({ length: 30 }, (_, n) => `queue-${n}`)
    for (const queue of queues) await jobs.enqueue(note, queue, { queue })
    const sizes = await Promise.all(cluster.nodes.map(async (node) => Number(await node.ask('dbsize'))))
    expect(sizes.filter((size) => size > 0).length).toBeGreaterThan(1)
    jobs.work([note], { poll: 60_000 })
    await all.promise
    expect((await jobs.stats()).map(({ queue }) => queue)).toEqual(queues.toSorted())
  })

  it('goes on by itself after a node was killed and has come back', { timeout: 60_000 }, async () => {
    const namespace = newPrefix()
    const jobs = await open(url, { client, namespace, logger: false, timeout: 20_000 })
    onTestFinished(() => jobs.close())
    const done: number[] = []
    let wake = Promise.withResolvers<void>()
    const note = task<number>({
      name: 'note',
      handler: async (n) => {
        done.push(n)
        wake.resolve()
        wake = Promise.withResolvers()
      },
    })
    const all = async (...numbers: number[]) => {
      while (!numbers.every((n) => done.includes(n))) await wake.promise
    }
    jobs.work([note], { poll: 60_000 })
    await jobs.enqueue(note, 1)
    await all(1)
    const owner = await ownerOf(namespace)
    await owner.kill()
    const waiting = jobs.enqueue(note, 2)
    await owner.start()
    await cluster.whole()
    await waiting
    await all(2)
    await jobs.enqueue(note, 3)
    await all(3)
  })
})

/** The node that has the keys of a namespace. */
async function ownerOf(namespace: string) {
  for (const node of cluster.nodes) {
    const answer = await node.ask('get', `{${namespace}}:version`)
    if (!answer.includes('MOVED')) return node
  }
  throw new Error('No node has the namespace')
}

async function fixture(client: (typeof clients)[number]): Promise<Fixture> {
  const namespace = newPrefix()
  const opened: RedisStore[] = []
  return {
    store: await RedisStore.open({ url, client, namespace }),
    another: async () => {
      const store = await RedisStore.open({ url, client, namespace })
      opened.push(store)
      return store
    },
    close: async () => {
      for (const one of opened) await one.close()
    },
  }
}
