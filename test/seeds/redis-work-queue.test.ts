import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'

import { Item, WorkQueue } from '../../src/stores/redis-work-queue/index.ts'
import { ForeignClient } from '../redis-work-queue/foreign.ts'
import { newQueue, type Queue } from '../redis-work-queue/kit.ts'
import { until } from '../servers/until.ts'

async function bench(): Promise<{
  readonly place: Queue
  readonly queue: WorkQueue
  readonly theirs: ForeignClient
  /** Lets the leases of all items end now. */
  readonly endLeases: () => Promise<void>
}> {
  const place = await newQueue()
  const { client, prefix } = place
  return {
    place,
    queue: await place.workQueue(),
    theirs: new ForeignClient(client, prefix, 'theirs'),
    endLeases: async () => {
      const leases = await client.keys(`${prefix}:lease:*`)
      if (leases.length > 0) await client.del(...leases)
    },
  }
}

describe('redis-work-queue: items and prefixes', () => {
  it('R1: makes the same item of bytes, of text and of a value, with a UUID or the id that is given, and reads it back', () => {
    const items = [new Item(new Uint8Array(Buffer.from('[1,2,3]'))), new Item('[1,2,3]'), Item.json([1, 2, 3])]
    for (const item of items) {
      expect([item.data, item.text(), item.json()]).toEqual([
        new Uint8Array(Buffer.from('[1,2,3]')),
        '[1,2,3]',
        [1, 2, 3],
      ])
      expect(item.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    }
    expect([new Item('x', ' mine:é ').id, Item.json(1, 'own').id]).toEqual([' mine:é ', 'own'])
  })

  it('R6: takes a prefix to the letter, whatever is in it', async () => {
    const { url, prefix } = await newQueue()
    const place = await newQueue(url, `${prefix} {é}*[?]:`)
    await (await place.workQueue()).addItem(new Item('1', 'a'))
    expect(await place.client.exists(`${prefix} {é}*[?]::item:a`, `${prefix} {é}*[?]::queue`)).toBe(2)
  })

  it('R7: is the same queue for all who have the same prefix', async () => {
    const { place, queue, theirs } = await bench()
    const other = await place.workQueue()
    await theirs.addItem('a', '1')
    await other.addItem(new Item('2', 'b'))
    expect([(await queue.lease())?.text(), (await theirs.lease(30))?.data.toString()]).toEqual(['1', '2'])
    expect([await other.complete('a'), await queue.complete('b')]).toEqual([true, true])
  })

  it('R8: signs its leases with a session of its own', async () => {
    const { place, queue } = await bench()
    const queues = [queue, await place.workQueue()]
    for (const id of ['a', 'b']) await queue.addItem(new Item('', id))
    const sessions = []
    for (const one of queues) sessions.push((await one.lease())?.lease.split(':')[0])
    expect(new Set(sessions).size).toBe(2)
  })

  it('R9: can share a client of the caller’s with other queues, and leaves it open', async () => {
    const { url, prefix } = await newQueue()
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    const queues = await Promise.all(
      ['a', 'b'].map(async (one) => await WorkQueue.open({ client, prefix: prefix + one })),
    )
    for (const queue of queues) await queue.addItem(new Item(queue.prefix))
    for (const queue of queues) {
      expect((await queue.lease())?.text()).toBe(queue.prefix)
      await queue.close()
    }
    expect(await client.ping()).toBe('PONG')
  })
})

describe('redis-work-queue: adding', () => {
  it('R10: adds an id that is free; one that waits, is leased or abandoned stays as it is', async () => {
    const { place, queue, endLeases } = await bench()
    expect(await queue.addItem(new Item('1', 'a'))).toBe(true)
    const steps = [async () => {}, async () => void (await queue.lease()), endLeases]
    for (const step of steps) {
      await step()
      const before = await place.keys()
      expect(await queue.addItem(new Item('other', 'a'))).toBe(false)
      expect(await place.keys()).toEqual(before)
    }
  })

  it('R11: adds an id again once it has been completed', async () => {
    const { queue } = await bench()
    const item = new Item('1', 'a')
    await queue.addItem(item)
    await queue.complete(item)
    expect(await queue.addItem(item)).toBe(true)
  })

  it('R12: adds without looking, in one step', async () => {
    const { place, queue } = await bench()
    expect(await queue.addUniqueItem(new Item('1', 'a'))).toBeUndefined()
    expect(await place.keys()).toEqual({
      ':item:a': { type: 'string', value: 'MQ==', expires: false },
      ':queue': { type: 'list', value: ['a'], expires: false },
    })
  })

  it('R13: writes two commands into the caller’s pipeline, the data before the id, and sends nothing', async () => {
    const { place, queue } = await bench()
    const pipeline = place.client.pipeline()
    queue.addUniqueItemToPipeline(pipeline, new Item('1', 'a'))
    expect([pipeline.length, await place.keys()]).toEqual([2, {}])
    expect(await pipeline.exec()).toEqual([
      [null, 'OK'],
      [null, 1],
    ])
    expect((await queue.lease())?.text()).toBe('1')
  })

  it('R14: survives an id that was added twice without looking: the last data, and one completion', async () => {
    const { place, queue } = await bench()
    for (const data of ['1', '2']) await queue.addUniqueItem(new Item(data, 'a'))
    expect(await queue.queueLen()).toBe(2)
    const leased = (await queue.lease())!
    expect([leased.text(), await queue.lease({ block: false })]).toEqual(['2', undefined])
    expect([await queue.complete(leased), await queue.complete('a'), await place.keys()]).toEqual([true, false, {}])
  })

  it('R15: never leases an id before its data is there', async () => {
    const { queue } = await bench()
    const seen: string[] = []
    const taking = (async () => {
      while (seen.length < 200) seen.push((await queue.lease())?.text() ?? 'nothing')
    })()
    await Promise.all(Array.from({ length: 200 }, async (_, n) => await queue.addItem(new Item(`${n}`))))
    await taking
    expect(new Set(seen).size).toBe(200)
    expect(seen).not.toContain('nothing')
  })
})

describe('redis-work-queue: leasing', () => {
  it('R16: leases the oldest first; what comes back after its lease goes to the end', async () => {
    const { queue, endLeases } = await bench()
    for (const id of ['a', 'b', 'c']) await queue.addItem(new Item('', id))
    expect((await queue.lease())?.id).toBe('a')
    await endLeases()
    await queue.lightClean()
    const order = [await queue.lease(), await queue.lease(), await queue.lease()]
    expect(order.map((item) => item?.id)).toEqual(['b', 'c', 'a'])
  })

  it('R17: moves the id, and leaves a lease that ends by itself', async () => {
    const { place, queue } = await bench()
    await queue.addItem(new Item('1', 'a'))
    const leased = (await queue.lease({ duration: '1m' }))!
    expect([leased.id, leased.text(), await place.ids('queue'), await place.ids('processing')]).toEqual([
      'a',
      '1',
      [],
      ['a'],
    ])
    expect(await place.client.get(`${place.prefix}:lease:a`)).toBe(leased.lease)
    expect(await place.client.pttl(`${place.prefix}:lease:a`)).toBeGreaterThan(50_000)
  })

  it('R18: does not wait when it is told not to', async () => {
    const { queue } = await bench()
    expect(await queue.lease({ block: false })).toBeUndefined()
  })

  it('R19: waits for whatever another client pushes', async () => {
    const { place, queue, theirs } = await bench()
    const waiting = queue.lease()
    await until('it waits', async () =>
      String(await place.client.client('LIST')).includes('cmd=blmove') ? true : undefined,
    )
    await theirs.addUniqueItem('a', '1')
    expect((await waiting)?.id).toBe('a')
  })

  it('R20: waits no longer than it is told, and no shorter', async () => {
    const { queue } = await bench()
    const from = performance.now()
    expect(await queue.lease({ timeout: 60 })).toBeUndefined()
    expect(performance.now() - from).toBeGreaterThanOrEqual(59)
  })

  it('R21: passes over ids without data, whether it waits or not', async () => {
    const { place, queue } = await bench()
    for (const options of [{ block: false }, { timeout: '5s' }, {}] as const) {
      await place.client.lpush(`${place.prefix}:queue`, 'ghost', 'ghost')
      await queue.addItem(new Item('1', 'a'))
      expect((await queue.lease(options))?.id).toBe('a')
      await queue.complete('a')
      expect(await place.keys()).toEqual({})
    }
  })

  it('R22: gives a leased item to nobody else before its lease has ended and somebody has cleaned, and then again and again', async () => {
    const { queue, theirs, endLeases } = await bench()
    await queue.addItem(new Item('1', 'a'))
    for (let round = 0; round < 3; round++) {
      expect((await queue.lease())?.text()).toBe('1')
      await queue.lightClean()
      expect(await theirs.lease(30)).toBeUndefined()
      await endLeases()
      expect(await queue.lease({ block: false })).toBeUndefined()
      await (round === 1 ? theirs.lightClean() : queue.lightClean())
    }
  })

  it('R24: lets two hold an item when the first lease was too short; the first completes it no more', async () => {
    const { queue, endLeases } = await bench()
    await queue.addItem(new Item('1', 'a'))
    const first = (await queue.lease())!
    await endLeases()
    await queue.lightClean()
    const second = (await queue.lease())!
    expect([await queue.complete(first), await queue.complete(second)]).toEqual([false, true])
  })

  it('R25: shares a queue with another client, each its part', async () => {
    const { queue, theirs } = await bench()
    for (let n = 0; n < 40; n++) await queue.addItem(new Item('', `${n}`))
    const parts = [0, 0]
    for (let n = 0; n < 20; n++) {
      const [ours, other] = await Promise.all([queue.lease(), theirs.lease(30)])
      for (const [i, item] of [ours, other].entries()) if (item !== undefined) parts[i] = (parts[i] ?? 0) + 1
    }
    expect(parts).toEqual([20, 20])
  })

  it('R26: takes the length of a lease with each call, to the millisecond', async () => {
    const { place, queue } = await bench()
    for (const id of ['a', 'b']) await queue.addItem(new Item('', id))
    await queue.lease({ duration: 700 })
    await queue.lease({ duration: '1h' })
    const left = [
      await place.client.pttl(`${place.prefix}:lease:a`),
      await place.client.pttl(`${place.prefix}:lease:b`),
    ]
    expect(left[0]).toBeLessThanOrEqual(700)
    expect(left[1]).toBeGreaterThan(3_500_000)
  })
})

describe('redis-work-queue: completing', () => {
  it('R27: leaves nothing of an item, and is true for exactly one of all who try', async () => {
    const { place, queue, theirs } = await bench()
    await queue.addItem(new Item('1', 'a'))
    const leased = (await queue.lease())!
    const tries = [queue.complete(leased), queue.complete('a'), theirs.complete('a'), queue.complete('a')]
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1)
    expect([await queue.complete('a'), await place.keys()]).toEqual([false, {}])
  })

  it('R29: completes by its id what somebody else has, what nobody has any more, and what was never leased', async () => {
    const { place, queue, theirs, endLeases } = await bench()
    for (const id of ['theirs', 'abandoned', 'waits']) await queue.addItem(new Item('', id))
    await theirs.lease(30)
    expect(await queue.complete('theirs')).toBe(true)
    await theirs.lease(30)
    await endLeases()
    expect([await queue.complete('abandoned'), await queue.complete('waits')]).toEqual([true, true])
    expect(await place.keys()).toEqual({})
  })

  it('R30: runs an item again that was not completed, and at most once one that was completed before it ran', async () => {
    const { queue, endLeases } = await bench()
    const runs: string[] = []
    await queue.addItem(new Item('careful', 'a'))
    for (let turn = 0; turn < 3; turn++) {
      const item = await queue.lease({ block: false })
      if (item !== undefined && (turn === 0 || (await queue.complete(item)))) runs.push(item.text())
      await endLeases()
      await queue.lightClean()
    }
    expect(runs).toEqual(['careful', 'careful'])
  })
})

describe('redis-work-queue: cleaning', () => {
  it('R33: puts back what has lost its lease, in one copy, drops what is no item, and leaves leases alone', async () => {
    const { place, queue } = await bench()
    for (const id of ['a', 'b']) await queue.addItem(new Item('', id))
    await queue.lease()
    const held = (await queue.lease())!
    await place.client.del(`${place.prefix}:lease:a`)
    await place.client.lpush(`${place.prefix}:processing`, 'a', 'ghost')
    expect(await queue.lightClean()).toBe(1)
    expect([await place.ids('queue'), await place.ids('processing')]).toEqual([['a'], [held.id]])
  })

  it('R34: repairs ids that fell out of either list, and an item that was never pushed', async () => {
    const { place, queue, endLeases } = await bench()
    for (const id of ['processing', 'queue', 'both']) await queue.addItem(new Item('', id))
    await queue.lease()
    await place.client.rpop(`${place.prefix}:processing`)
    await place.client.lrem(`${place.prefix}:queue`, 0, 'queue')
    await place.client.lpush(`${place.prefix}:processing`, 'both')
    await place.client.set(`${place.prefix}:item:never`, '')
    await endLeases()
    await queue.deepClean()
    expect((await place.ids('queue')).toSorted()).toEqual(['both', 'never', 'processing', 'queue'])
  })

  it('R39: changes nothing where nothing is wrong', async () => {
    const { place, queue } = await bench()
    for (const id of ['a', 'b', 'c']) await queue.addItem(new Item('', id))
    await queue.lease()
    const before = await place.keys()
    for (let n = 0; n < 3; n++) expect([await queue.lightClean(), await queue.deepClean()]).toEqual([0, 0])
    expect(await place.keys()).toEqual(before)
  })

  it('R40: puts everything back once all leases are deleted', async () => {
    const { place, queue, endLeases } = await bench()
    for (const id of ['a', 'b', 'c']) await queue.addItem(new Item('', id))
    for (let n = 0; n < 3; n++) await queue.lease()
    await endLeases()
    expect(await queue.lightClean()).toBe(3)
    expect(await place.ids('queue')).toEqual(['c', 'b', 'a'])
  })
})

describe('redis-work-queue: numbers and limits', () => {
  it('R41: counts what waits and what is being worked on, abandoned or not, at one moment', async () => {
    const { queue, endLeases } = await bench()
    for (const id of ['a', 'b', 'c']) await queue.addItem(new Item('', id))
    await queue.lease()
    await endLeases()
    await queue.lease()
    expect(await queue.counts()).toEqual({ queueLen: 1, processing: 2 })
    expect([await queue.queueLen(), await queue.processing()]).toEqual([1, 2])
  })

  it('R43: knows an item by its data alone: with it nothing else can lose it, without it an id is nothing', async () => {
    const { place, queue } = await bench()
    await queue.addItem(new Item('1', 'a'))
    await place.client.del(`${place.prefix}:queue`)
    expect(await queue.addItem(new Item('1', 'a'))).toBe(false)
    await queue.deepClean()
    expect((await queue.lease())?.text()).toBe('1')
    await place.client.del(`${place.prefix}:item:a`, `${place.prefix}:lease:a`)
    await queue.lightClean()
    expect(await place.keys()).toEqual({})
  })

  it('R47: refuses a prefix that a cluster would spread over its nodes', async () => {
    const url = 'redis+cluster://127.0.0.1:1'
    await expect(WorkQueue.open({ url, prefix: 'thumbnails' })).rejects.toThrow('as {thumbnails}')
  })

  it('R48: gives an autoscaler both of its numbers', async () => {
    const { queue, theirs } = await bench()
    for (const id of ['a', 'b', 'c']) await theirs.addItem(id, '')
    await theirs.lease(30)
    expect(await queue.counts()).toEqual({ queueLen: 2, processing: 1 })
  })

  it('R53: has an entry of its own in the package, and a page', () => {
    const root = join(import.meta.dirname, '../..')
    expect(readFileSync(join(root, 'package.json'), 'utf8')).toContain('./dist/stores/redis-work-queue/index.d.ts')
    expect(readFileSync(join(root, 'docs/guests/redis-work-queue.md'), 'utf8')).toContain('at most once')
  })
})
