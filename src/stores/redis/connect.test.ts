import { Redis } from 'ioredis'
import { createClient, createSentinel } from 'redis'
import { describe, expect, inject, it, onTestFinished } from 'vitest'

import { StoreError, UsageError } from '../../core/errors.ts'
import { aJob, add, ids, take } from '../../testing/contract/builders.ts'
import { newRedis } from '../../../test/servers/kit.ts'
import { toWire } from '../redis-client/connect.ts'
import { type RedisOptions, redisSettings } from './options.ts'
import { RedisStore } from './store.ts'

const { url } = inject('redis')
let namespaces = 0

async function opened(options: RedisOptions): Promise<RedisStore> {
  const store = await RedisStore.open({ namespace: `connect-${process.pid}-${++namespaces}`, ...options })
  onTestFinished(() => store.close())
  return store
}

const missing = async (): Promise<never> => {
  throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
}

describe('which library is used', () => {
  it('is ioredis, or node-redis where only that is installed', async () => {
    const used: string[] = []
    const noting = (name: string) => async () => {
      used.push(name)
      return await missing()
    }
    await toWire(redisSettings({ url }), { ioredis: noting('ioredis'), redis: noting('redis') }).catch(() => undefined)
    expect(used).toEqual(['ioredis', 'redis'])
  })

  it('is said when neither is installed, with what to do', async () => {
    await expect(toWire(redisSettings({ url }), { ioredis: missing, redis: missing })).rejects.toEqual(
      expect.objectContaining({
        name: 'UsageError',
        message: 'Redis needs a client library, and neither ioredis nor redis is installed: npm install ioredis',
      }),
    )
    const redis = redisSettings({ url, client: 'redis' })
    await expect(toWire(redis, { ioredis: missing, redis: missing })).rejects.toThrow(
      'redis is not installed: npm install redis',
    )
  })
})

describe('a client of the user', () => {
  it('of ioredis is used with its options, and outlives the store', async () => {
    const client = new Redis(url, { keyPrefix: 'theirs:' })
    onTestFinished(() => client.disconnect())
    const store = await opened({ client, namespace: 'own' })
    const other = await opened({ client, namespace: 'own' })
    const heard = Promise.withResolvers<void>()
    await other.listen((bell) => bell === 'jobs' && heard.resolve())
    const jobs = await add(store, aJob())
    await heard.promise
    expect(ids(await take(store))).toEqual(ids(jobs))
    await store.close()
    expect(await client.exists('{own}:held')).toBe(1)
    await client.del('{own}:held')
  })

  it('of node-redis is used, and outlives the store', async () => {
    const client = createClient({ url })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => client.destroy())
    const store = await opened({ client })
    const other = await opened({ client, namespace: store.settings.namespace })
    const heard = Promise.withResolvers<void>()
    await other.listen((bell) => bell === 'jobs' && heard.resolve())
    const jobs = await add(store, aJob())
    await heard.promise
    expect(ids(await take(store))).toEqual(ids(jobs))
    await store.close()
    expect(await client.ping()).toBe('PONG')
  })

  it('of node-redis for Sentinel is refused, since it sends again by itself what broke', async () => {
    const client = createSentinel({ name: 'jobs', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] })
    await expect(RedisStore.open(Object.assign(JSON.parse('{"timeout":300}'), { client }))).rejects.toThrow(
      'a client of ioredis made with `sentinels`',
    )
  })

  it('of something else is refused', async () => {
    const wrong: RedisOptions[] = [
      { client: JSON.parse('{}') },
      { client: JSON.parse('5') },
      { client: JSON.parse('"bull"'), url },
    ]
    for (const options of wrong) await expect(RedisStore.open(options)).rejects.toThrow(UsageError)
  })
})

describe('what is wrong when a store is opened', () => {
  it('is said of options: misspelt, without a server, names that cannot be', async () => {
    await expect(RedisStore.open(JSON.parse('{"urll":"x"}'))).rejects.toThrow('Did you mean "url"?')
    await expect(RedisStore.open({})).rejects.toThrow('redis://localhost:6379')
    await expect(RedisStore.open({ url: 'http://localhost' })).rejects.toThrow('redis://localhost:6379')
    for (const namespace of ['', '{a}', 'a b', 'x'.repeat(61)])
      await expect(RedisStore.open({ url, namespace })).rejects.toThrow('`namespace`')
    await expect(RedisStore.open({ url: `${url}?namespace=a`, namespace: 'b' })).rejects.toThrow('Say it once')
    await expect(RedisStore.open({ url, confirm: JSON.parse('{"disk":1}') })).rejects.toThrow('`confirm.disk`')
    await expect(RedisStore.open({ url, confirm: { timeout: '3s' } })).rejects.toThrow(
      'a quarter of `timeout` (2500 ms)',
    )
  })

  it.each(['ioredis', 'redis'] as const)(
    'is said of a server that is not there, through %s, within the timeout',
    async (client) => {
      const began = performance.now()
      const opening = RedisStore.open({ url: 'redis://127.0.0.1:1', client, timeout: 300 })
      await expect(opening).rejects.toEqual(
        expect.objectContaining({ code: 'store', retryable: true, message: expect.stringContaining('ECONNREFUSED') }),
      )
      expect(performance.now() - began).toBeLessThan(3_000)
    },
  )

  it.each(['ioredis', 'redis'] as const)('is said of a password that is wrong, through %s', async (client) => {
    const redis = await newRedis()
    await redis.ask('acl', 'setuser', 'default', 'resetpass')
    const began = performance.now()
    const opening = RedisStore.open({ url: redis.url.replace('//', '//someone:secret@'), client })
    const error = await opening.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({
      retryable: false,
      message: expect.stringMatching(/^Redis refused: (WRONGPASS|NOAUTH)/),
    })
    expect(String(error)).not.toContain('secret')
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('is said of a namespace in a layout of the future', async () => {
    const store = await opened({ url })
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    await client.set(`{${store.settings.namespace}}:version`, '99')
    await expect(store.migrate()).rejects.toThrow('layout version 99, but this jobferry knows 1. Update jobferry')
  })

  it('reads the namespace from the URL', async () => {
    const store = await RedisStore.open({ url: `${url}?namespace=from-url` })
    onTestFinished(() => store.close())
    expect(store.settings).toMatchObject({ namespace: 'from-url', url })
  })
})

describe('an enqueue that waits for more than the answer', () => {
  it('fails when no replica has it in time, and says that it is stored', async () => {
    const store = await opened({ url, confirm: { replicas: 1, timeout: 20 } })
    const job = aJob()
    const error = await store
      .insert([{ jobs: [{ job, ifHeld: 'keep' }] }], job.runAt)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'store',
      retryable: false,
      message: 'The jobs were added, but are on 0 of 1 replicas after 20 ms',
    })
    expect(await store.get([job.id])).toEqual([job])
  })

  it('goes on when it has nothing to wait for', async () => {
    const store = await opened({ url, confirm: {} })
    await add(store, aJob())
  })

  it.each(['ioredis', 'redis'] as const)('is content with a replica that has it, through %s', async (client) => {
    const [main, replica] = [await newRedis(), await newRedis()]
    await replica.ask('replicaof', '127.0.0.1', String(main.port))
    await expect.poll(async () => await main.ask('wait', '1', '100'), { timeout: 20_000 }).toBe('1')
    const store = await opened({ url: main.url, client, confirm: { replicas: 1, timeout: '2s' } })
    const jobs = await add(store, aJob(), aJob())
    expect(await replica.ask('exists', ...jobs.map(({ id }) => `{${store.settings.namespace}}:job:${id}`))).toBe('2')
    const said = (await store.report()).find(({ name }) => name === 'replicas')
    expect(said).toEqual({ name: 'replicas', level: 'ok', message: '1 connected; an enqueue waits for 1' })
  })

  it('is refused where the server cannot say', async (context) => {
    const old = await newRedis()
    if (/redis_version:7\.[2-9]|redis_version:[89]/.test(await old.ask('info', 'server'))) context.skip()
    await expect(opened({ url, confirm: { disk: true } })).rejects.toThrow(
      /Expected Redis 7\.2 or later, or Valkey for `confirm\.disk`/,
    )
  })
})
