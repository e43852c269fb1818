import { describe, expect, it } from 'vitest'

import type { Instant } from '../../src/core/job.ts'
import { settle } from '../../src/core/lifecycle.ts'
import type { RedisWorkQueueStore } from '../../src/stores/redis-work-queue/index.ts'
import { rules } from '../../src/stores/redis-work-queue/rules.ts'
import { T } from '../../src/testing/contract/builders.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue, type Queue } from './kit.ts'

const patienceMs = 5_000

/** As the upkeep of a worker; says which jobs it has put back. */
async function upkeep(store: RedisWorkQueueStore, now: Instant): Promise<readonly string[]> {
  const { jobs } = await store.expired(now, 99)
  const results = await store.apply(
    jobs.map((job) => settle(job, { kind: 'expired' }, rules, now, 0)),
    now,
  )
  return jobs.filter((_, i) => results[i]?.ok === true).map(({ id }) => id)
}

function foreign({ client, prefix }: Queue): ForeignClient {
  return new ForeignClient(client, prefix, 'theirs')
}

describe('the upkeep', () => {
  it('leaves alone what a client has popped and has not signed for yet', async () => {
    const queue = await newQueue()
    const [store, client] = [await queue.store(), foreign(queue)]
    await client.addItem('a', '1')
    await client.pop()
    expect(await store.expired(T, 99)).toEqual({ jobs: [], nextAt: T + patienceMs })
    expect(await upkeep(store, T + patienceMs - 1)).toEqual([])
    await client.sign('a', 30)
    expect(await upkeep(store, T + patienceMs)).toEqual([])
    expect(await queue.ids('queue')).toEqual([])
  })

  it('puts back, behind all others, what nobody has had the lease of for a while', async () => {
    const queue = await newQueue()
    const [store, client] = [await queue.store(), foreign(queue)]
    await client.addItem('a', '1')
    await client.pop()
    await client.addItem('b', '2')
    await upkeep(store, T)
    expect(await upkeep(store, T + patienceMs)).toEqual(['a'])
    expect(await queue.ids('queue')).toEqual(['a', 'b'])
    expect(await queue.ids('processing')).toEqual([])
  })

  it('puts a job back once, however many do it at the same time', async () => {
    const queue = await newQueue()
    const stores = [await queue.store({ patience: 0 }), await queue.store({ patience: 0 })]
    await foreign(queue).addItem('a', '1')
    await foreign(queue).pop()
    const back = await Promise.all(stores.map(async (store) => await upkeep(store, T)))
    expect(back.flat()).toEqual(['a'])
    expect(await queue.ids('queue')).toEqual(['a'])
  })

  it('knows when the next lease ends, whoever has it', async () => {
    const queue = await newQueue()
    const [store, client] = [await queue.store(), foreign(queue)]
    await client.addItem('a', '1')
    await client.lease(30)
    const { nextAt = 0 } = await store.expired(T, 99)
    expect(nextAt).toBeGreaterThan(T + 29_000)
    expect(nextAt).toBeLessThanOrEqual(T + 30_000)
  })

  it('drops ids without data from what is being worked on', async () => {
    const queue = await newQueue()
    const store = await queue.store()
    await queue.client.lpush(`${queue.prefix}:processing`, 'ghost', 'ghost')
    expect(await upkeep(store, T)).toEqual([])
    await store.prune(T)
    expect(await queue.keys()).toEqual({})
  })

  it('puts back what was lost before it could be pushed, when it has seen it so twice', async () => {
    const queue = await newQueue()
    const [store, client] = [await queue.store(), foreign(queue)]
    await queue.client.set(`${queue.prefix}:item:a`, '1')
    await store.prune(T)
    expect(await client.addItem('a', '1')).toBe(false)
    expect(await queue.ids('queue')).toEqual([])
    await store.prune(T + patienceMs)
    await store.prune(T + 10 * patienceMs)
    expect(await queue.ids('queue')).toEqual(['a'])
  })

  it('does not look through all keys when it is told not to', async () => {
    const queue = await newQueue()
    const store = await queue.store({ deepClean: false })
    await queue.client.set(`${queue.prefix}:item:a`, '1')
    await store.prune(T)
    await store.prune(T + patienceMs)
    expect(await queue.ids('queue')).toEqual([])
  })
})

describe('the cleans of a work queue', () => {
  it('repair what went astray in any list, and nothing else, and change nothing once it is right', async () => {
    const queue = await newQueue()
    const workQueue = await queue.workQueue()
    await queue.load({
      ':item:waits': item('1'),
      ':item:leased': item('2'),
      ':lease:leased': { ...item('somebody'), expires: true },
      ':item:abandoned': item('3'),
      ':item:lost': item('4'),
      ':queue': { type: 'list', value: ['waits'], expires: false },
      ':processing': { type: 'list', value: ['ghost', 'abandoned', 'leased'], expires: false },
    })
    expect(await workQueue.lightClean()).toBe(1)
    expect([await queue.ids('queue'), await queue.ids('processing')]).toEqual([['abandoned', 'waits'], ['leased']])
    expect(await workQueue.deepClean()).toBe(1)
    const clean = await queue.keys()
    expect(clean[':queue']?.value).toEqual(['lost', 'abandoned', 'waits'])
    expect([await workQueue.lightClean(), await workQueue.deepClean()]).toEqual([0, 0])
    expect(await queue.keys()).toEqual(clean)
  })

  it.each(['r[5]', 'r?5', 'r*', String.raw`r\5`])('take the prefix %s to the letter', async (beginning) => {
    const { prefix, url } = await newQueue()
    const [queue, other] = [await newQueue(url, `${beginning}${prefix}`), await newQueue(url, `rx5${prefix}`)]
    for (const one of [queue, other]) await one.client.set(`${one.prefix}:item:a`, '1')
    await (await queue.workQueue()).deepClean()
    expect([await queue.ids('queue'), await other.ids('queue')]).toEqual([['a'], []])
  })

  it('keep out of a queue whose prefix begins with ours', async () => {
    const queue = await newQueue()
    const inner = await newQueue(queue.url, `${queue.prefix}:item:inner`)
    await foreign(inner).addItem('a', 'waits')
    await foreign(inner).addItem('b', 'leased')
    await foreign(inner).lease(30)
    const before = await queue.keys()
    const workQueue = await queue.workQueue()
    expect(await workQueue.deepClean()).toBe(0)
    expect(await workQueue.lease({ block: false })).toBeUndefined()
    expect(await queue.keys()).toEqual(before)
  })
})

function item(text: string) {
  return { type: 'string', value: Buffer.from(text).toString('base64'), expires: false }
}
