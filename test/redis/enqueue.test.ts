import { describe, expect, inject, it } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import type { RedisStore } from '../../src/stores/redis/index.ts'
import { add, aJob, claim, ids, put, run, T, take } from '../../src/testing/contract/builders.ts'
import { expectSound } from '../../src/testing/contract/dump.ts'
import { newPrefix, newRedis } from '../servers/kit.ts'
import { clients, newStore } from './kit.ts'

const { url } = inject('redis')

describe.each(clients)('jobs added through %s', (client) => {
  it('by two stores in turns come in the order in which they were added', async () => {
    const namespace = newPrefix()
    const one = await newStore({ url, client, namespace })
    const other = await newStore({ url, client, namespace })
    const jobs: Job[] = []
    for (const store of [one, other, other, one, one, one, other]) {
      jobs.push(...(await add(store, aJob(), aJob())))
      jobs.push(...(await add(store, aJob())))
    }
    expect(await one.get(ids(jobs))).toEqual(jobs)
    expect(ids(await take(other, { limit: 30 }))).toEqual(ids(jobs))
    await expectSound(one)
  })

  it('without a wait in between come in the order of the calls', async () => {
    const store = await newStore({ url, client })
    const jobs = Array.from({ length: 30 }, () => aJob())
    await Promise.all(jobs.map((job) => add(store, job)))
    expect(ids(await take(store, { limit: 30 }))).toEqual(ids(jobs))
  })

  it('in one call are each due at their own time, in their own lane and behind their own key', async () => {
    const store = await newStore({ url, client })
    const jobs = await add(
      store,
      aJob({ runAt: T - 1 }),
      aJob({ task: 'call' }),
      aJob({ runAt: T - 2, concurrencyKey: 'a' }),
      aJob({ task: 'call', priority: -1, runAt: T - 3 }),
      aJob({ runAt: T - 3, concurrencyKey: 'a' }),
      aJob({ runAt: T + 5 }),
    )
    expect(await store.get(ids(jobs))).toEqual(jobs)
    const { jobs: taken, nextRunAt } = await claim(store, { limit: 9 })
    expect(ids(taken)).toEqual([3, 4, 0, 1].map((n) => jobs[n]?.id))
    expect(nextRunAt).toBe(T + 5)
    await expectSound(store)
  })

  it('are all refused when one of them is there already, and one twice in a call, too', async () => {
    const store = await newStore({ url, client })
    const [first] = await add(store, aJob({ id: 'b' }))
    await expect(add(store, aJob({ id: 'a' }), aJob({ id: 'b' }))).rejects.toThrow('There is a job b already')
    await expect(add(store, aJob({ id: 'd' }), aJob({ id: 'c' }), aJob({ id: 'd' }))).rejects.toThrow('a job d already')
    await expect(add(store, aJob({ id: 'b' }))).rejects.toThrow('There is a job b already')
    expect(await store.list({ limit: 9 })).toEqual([first])
    expect(ids(await add(store, aJob({ id: 'a' })))).toEqual(['a'])
    await expectSound(store)
  })
})

describe.each(clients)('a bell of the own store, through %s', (client) => {
  /** What claims made at each bell take: the first of them is sent before the enqueue has its answer. */
  function claimsAtBells(store: RedisStore) {
    const claims: Promise<readonly string[]>[] = []
    const end = store.listen((bell) => {
      if (bell === 'jobs') claims.push(take(store, { limit: 5 }).then(ids))
    })
    return { claims, end }
  }

  it('rings while the job is on its way, and a claim made then finds it', async () => {
    const store = await newStore({ url, client })
    await put(store, { before: await run(store), after: undefined }) // the server knows the scripts
    const { claims, end } = claimsAtBells(store)
    const endListening = await end
    const job = aJob()
    let answered = false
    const adding = add(store, job).then(() => (answered = true))
    expect([claims.length, answered]).toEqual([1, false])
    expect(await claims[0]).toEqual([job.id])
    await adding
    expect(claims).toHaveLength(1)
    endListening()
  })

  it('rings once more when the job had to be sent again', async () => {
    const redis = await newRedis()
    const store = await newStore({ url: redis.url, client })
    await put(store, { before: await run(store), after: undefined })
    const { claims, end } = claimsAtBells(store)
    const endListening = await end
    await redis.ask('script', 'flush')
    const [job] = await add(store, aJob())
    expect((await Promise.all(claims)).flat()).toEqual([job?.id])
    expect(claims).toHaveLength(2)
    endListening()
  })
})

describe('lanes that have run empty', () => {
  it('are looked at no more once they are many', async () => {
    const redis = await newRedis()
    const store = await newStore({ url: redis.url, namespace: 'a' })
    const open = async (): Promise<number> => Number(await redis.ask('zcard', '{a}:open'))
    await add(store, ...Array.from({ length: 60 }, (_, n) => aJob({ queue: `q${n}` })))
    expect(await open()).toBe(60)
    expect(await take(store, { limit: 60 })).toHaveLength(60)
    await take(store)
    expect(await open()).toBe(0)
    await add(store, aJob(), aJob({ task: 'call' }))
    expect(await take(store, { limit: 3 })).toHaveLength(2)
    expect(await open()).toBe(2)
    await expectSound(store)
  })
})
