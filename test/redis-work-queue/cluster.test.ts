import { expect, it, onTestFinished } from 'vitest'

import { open, task } from '../../src/index.ts'
import { Item, RedisWorkQueueStore, WorkQueue } from '../../src/stores/redis-work-queue/index.ts'
import { newRedisCluster } from '../servers/kit.ts'

it('works on a cluster, through both libraries, with a prefix that is kept together; and refuses any other', async () => {
  const { nodes } = await newRedisCluster()
  const url = `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  for (const client of ['ioredis', 'redis'] as const) {
    await expect(RedisWorkQueueStore.open({ url, client, prefix: 'a' })).rejects.toThrow('to have a part in braces')
    const prefix = `{a}${client}`
    const jobs = await open(`redis-work-queue:${url}?prefix=${prefix}`, { client, logger: false })
    onTestFinished(() => jobs.close({ grace: 0 }))
    const queue = await WorkQueue.open({ url, client, prefix })
    onTestFinished(() => queue.close())
    const tick = task<number>({ name: prefix })

    const seen: number[] = []
    const all = Promise.withResolvers<void>()
    jobs.work(
      [
        tick.handle((n) => {
          seen.push(n)
          if (seen.length === 3) all.resolve()
        }),
      ],
      { poll: '1h' },
    )
    await queue.addItem(new Item('1'))
    await jobs.enqueueMany([tick.with(2), tick.with(3)])
    await all.promise
    expect(seen.toSorted()).toEqual([1, 2, 3])
    expect([await queue.lightClean(), await queue.deepClean()]).toEqual([0, 0])
  }
})
