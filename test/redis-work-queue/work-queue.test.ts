import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { describe, expect, it, onTestFinished } from 'vitest'

import { UsageError } from '../../src/index.ts'
import { Item, WorkQueue } from '../../src/stores/redis-work-queue/index.ts'
import { newProxy } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { ForeignClient } from './foreign.ts'
import { newQueue } from './kit.ts'

describe('an item', () => {
  it('cannot be made of what has no bytes, nor have an id that some clients lose', () => {
    expect(() => new Item(5 as never)).toThrow('For JSON there is Item.json')
    expect(() => Item.json(undefined)).toThrow(UsageError)
    expect(() => new Item('x', '')).toThrow('to be text that is not empty')
  })
})

describe('a work queue', () => {
  it('does not let a late holder end the next job of the same id', async () => {
    const place = await newQueue()
    const queue = await place.workQueue()
    await queue.addItem(new Item('1', 'a'))
    const late = (await queue.lease())!
    await queue.complete('a')
    await queue.addItem(new Item('2', 'a'))
    expect(await queue.complete(late)).toBe(false)
    expect([await queue.extend(late, '1m'), await queue.release(late)]).toEqual([false, false])
    expect((await queue.lease())?.text()).toBe('2')
  })

  it('completes once when the answer is lost; by an id alone it says that nobody knows', async () => {
    const place = await newQueue()
    const proxy = await newProxy(place.url)
    const queue = await WorkQueue.open({ url: proxy.url, prefix: place.prefix })
    onTestFinished(() => queue.close())
    for (const id of ['a', 'b', 'c']) await queue.addItem(new Item('1', id))
    const leased = (await queue.lease())!
    const [other, another] = [(await queue.lease())!, (await queue.lease())!]
    await proxy.loseReply((bytes) => bytes.includes('EVAL'))
    expect(await queue.complete(leased)).toBe(true)
    await proxy.loseReply((bytes) => bytes.includes('EVAL'))
    await expect(queue.complete(other.id)).rejects.toThrow('by this call or another')
    expect(await queue.complete(another)).toBe(true)
    expect(await place.keys()).toEqual({})
  })

  it('extends a lease, and gives an item back to be the next', async () => {
    const place = await newQueue()
    const queue = await place.workQueue()
    for (const id of ['a', 'b']) await queue.addItem(new Item(id, id))
    const leased = (await queue.lease({ duration: 1_500 }))!
    expect(await queue.extend(leased, '1h')).toBe(true)
    expect(await place.client.pttl(`${place.prefix}:lease:a`)).toBeGreaterThan(3_500_000)
    expect(await queue.release(leased)).toBe(true)
    expect((await queue.lease())?.id).toBe('a')
  })

  it('waits for an item, past ids without data, no longer than it is told, and keeps nobody else waiting', async () => {
    const place = await newQueue()
    const queue = await place.workQueue()
    expect(await queue.lease({ timeout: '20ms' })).toBeUndefined()
    const leases = [queue.lease(), queue.lease(), queue.lease()]
    await place.client.lpush(`${place.prefix}:queue`, 'ghost')
    const client = new ForeignClient(place.client, place.prefix, 'theirs')
    for (const id of ['a', 'b', 'c']) {
      await client.addItem(id, id)
      expect(await queue.processing()).toBeLessThanOrEqual(3)
    }
    expect((await Promise.all(leases)).map((one) => one?.id).toSorted()).toEqual(['a', 'b', 'c'])
  })

  it('stops waiting when its signal is aborted, and when it is closed', async () => {
    const place = await newQueue()
    const queue = await place.workQueue()
    const controller = new AbortController()
    const waiting = queue.lease({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const last = expect(queue.lease()).rejects.toThrow('closed')
    await until('it waits', async () =>
      String(await place.client.client('LIST')).includes('cmd=blmove') ? true : undefined,
    )
    await queue.close()
    await last
    await expect(queue.queueLen()).rejects.toThrow(UsageError)
  })

  it.each(['ioredis', 'redis'] as const)(
    'writes the two commands of an item into a pipeline of %s',
    async (library) => {
      const place = await newQueue()
      const queue = await WorkQueue.open({ url: place.url, prefix: place.prefix, client: library })
      onTestFinished(() => queue.close())
      const item = new Item(new Uint8Array([0xff, 0]), 'a')
      const pipeline = library === 'ioredis' ? ioredis(place.url).multi() : (await nodeRedis(place.url)).multi()
      queue.addUniqueItemToPipeline(pipeline, item)
      expect(await place.keys()).toEqual({})
      await pipeline.exec()
      expect((await queue.lease())?.data).toEqual(new Uint8Array([0xff, 0]))
    },
  )

  it.each([
    [{ block: 'no' }, 'Expected `block` to be true or false'],
    [{ block: false, timeout: 5 }, '`timeout` says how long to wait'],
    [{ duration: 0 }, 'Expected `duration` to be a duration'],
    [{ durations: 5 }, 'Did you mean "duration"?'],
  ])('refuses %j, and takes nothing', async (options, words) => {
    const place = await newQueue()
    const queue = await place.workQueue()
    await queue.addItem(new Item('1'))
    await expect(queue.lease(options as never)).rejects.toThrow(words)
    expect(await queue.counts()).toEqual({ queueLen: 1, processing: 0 })
  })

  it('refuses what is no item, and what is no pipeline', async () => {
    const queue = await (await newQueue()).workQueue()
    await expect(queue.addItem({ id: 'a', data: 'x' } as never)).rejects.toThrow('Expected an Item')
    expect(() => queue.addUniqueItemToPipeline({}, new Item('x'))).toThrow('to be a pipeline or MULTI')
  })
})

function ioredis(url: string): Redis {
  const client = new Redis(url)
  onTestFinished(() => client.disconnect())
  return client
}

async function nodeRedis(url: string) {
  const client = createClient({ url })
  await client.connect()
  onTestFinished(() => client.destroy())
  return client
}
