import { describe, expect, it } from 'vitest'

import { newPrefix, newRedis, newRedisCluster } from './kit.ts'
import { startRedis } from './redis.ts'
import { running } from './running.ts'

describe('a Redis server of a test', () => {
  it('keeps what it acknowledged over a kill, if it flushes every write, and its port', async () => {
    const redis = await newRedis({ append: 'always' })
    const { port, pid } = redis
    expect(await redis.ask('set', 'n', '7')).toBe('OK')
    await redis.kill()
    expect(redis.running).toBe(false)
    await expect(redis.ask('get', 'n')).rejects.toThrow('Connection refused')
    await redis.start()
    expect(await redis.ask('get', 'n')).toBe('7')
    expect({ port: redis.port, samePid: redis.pid === pid }).toEqual({ port, samePid: false })
  })

  it('begins empty after a restart, if it keeps nothing on disk', async () => {
    const redis = await newRedis()
    await redis.ask('set', 'n', '7')
    await redis.restart()
    expect(await redis.ask('get', 'n')).toBe('')
  })

  it('takes further settings', async () => {
    const redis = await newRedis({ append: 'everysec', settings: { maxmemory: '10mb' } })
    expect(await redis.ask('config', 'get', 'maxmemory')).toBe('maxmemory\n10485760')
    expect(await redis.ask('config', 'get', 'appendfsync')).toBe('appendfsync\neverysec')
  })

  it('runs beside others, and leaves no process behind', async () => {
    const [one, other] = await Promise.all([startRedis(), newRedis()])
    await one.ask('set', 'n', '7')
    expect(await other.ask('get', 'n')).toBe('')
    const { pid } = one
    await one[Symbol.asyncDispose]()
    expect({ one: running(pid), other: running(other.pid) }).toEqual({ one: false, other: true })
  })

  it('says why it does not start', async () => {
    await expect(startRedis({ settings: { 'no-such-setting': 1 } })).rejects.toThrow(
      /has not started[^]*no-such-setting/,
    )
  })
})

describe('a Redis Cluster of a test', () => {
  it('takes keys on each of its three nodes, all of them whole', async () => {
    const { nodes } = await newRedisCluster()
    const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9'].map((n) => `${newPrefix()}:${n}`)
    for (const key of keys) expect(await nodes[0]!.ask('-c', 'set', key, key)).toMatch(/OK$/)
    for (const node of nodes) expect(await node.ask('cluster', 'info')).toContain('cluster_slots_ok:16384')
    expect(await nodes[2]!.ask('-c', 'get', keys[0]!)).toContain(keys[0])
  })

  it('is whole again when a node that was killed is started', async () => {
    const cluster = await newRedisCluster({ append: 'always' })
    const [node, other] = cluster.nodes
    const key = newPrefix()
    await other!.ask('-c', 'set', key, '7')
    await node!.kill()
    await node!.start()
    await cluster.whole()
    expect(await node!.ask('-c', 'get', key)).toMatch(/7$/)
  })
})
