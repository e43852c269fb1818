import { describe, expect, it } from 'vitest'

import { StoreError, UsageError } from '../../core/errors.ts'
import { run, T } from '../../testing/contract/builders.ts'
import { aPresence } from '../../testing/contract/workers.ts'
import { throughStore } from '../../testing/through-store.ts'
import type { Job } from '../../core/job.ts'
import type { Renewal, Store } from '../../store.ts'
import { MemoryStore } from '../memory/index.ts'
import { ShardedStore } from './index.ts'

const lost = new StoreError('The file is locked', { retryable: true })

/** Two shards, the queues `0` and `1`, the second of which renews as it is told. */
function twoShards(renew: (next: () => unknown) => unknown): ShardedStore {
  const second = throughStore<Store<unknown>>(new MemoryStore(), ({ verb }, next) =>
    verb === 'renew' ? renew(next) : next(),
  )
  return new ShardedStore([new MemoryStore(), second], Number)
}

async function both(store: Store<unknown>): Promise<readonly [Job, Job]> {
  return [await run(store, { queue: '0' }), await run(store, { queue: '1' })]
}

function leaseOf({ id, lease }: Job): Renewal {
  return { id, lease: lease! }
}

it('inserts in order if every shard does', () => {
  const ordered = (inOrder: boolean): Store<unknown> => Object.assign(new MemoryStore(), { inOrder })
  expect(new ShardedStore([ordered(true), ordered(true)]).inOrder).toBe(true)
  expect(new ShardedStore([ordered(true), ordered(false)]).inOrder).toBe(false)
  expect(new ShardedStore([ordered(true), new MemoryStore()]).inOrder).toBe(false)
})

describe('renewing over shards', () => {
  it('renews those of every shard, and knows of none that is lost', async () => {
    const store = twoShards((next) => next())
    const jobs = await both(store)
    const renewed = { rev: 2, cancel: undefined }
    const renewals = [...jobs.map(leaseOf), { id: jobs[0].id, lease: 'of nobody' }]
    expect(await store.renew(renewals, T + 60_000, T)).toEqual([renewed, renewed, undefined])
  })

  it('renews those of the other shards when one fails, whose own are not known', async () => {
    const store = twoShards(() => {
      throw lost
    })
    const jobs = await both(store)
    expect(await store.renew(jobs.map(leaseOf), T + 60_000, T)).toEqual([
      { rev: 2, cancel: undefined },
      { error: lost },
    ])
  })

  it('waits a tenth of the lease for a shard that does not answer, and no longer', async () => {
    const store = twoShards(() => Promise.withResolvers().promise)
    const jobs = await both(store)
    expect(await store.renew(jobs.map(leaseOf), T + 100, T)).toEqual([
      { rev: 2, cancel: undefined },
      { error: expect.objectContaining({ name: 'StoreError', retryable: true }) },
    ])
  })

  it('throws when all have failed', async () => {
    const store = twoShards((next) => next())
    const jobs = await both(store)
    await store.close()
    await expect(store.renew(jobs.map(leaseOf), T + 60_000, T)).rejects.toThrow(UsageError)
  })
})

describe('workers over shards', () => {
  const presence = aPresence()

  /** Two shards, the second of which fails with this verb. */
  function failing(verb: keyof Store): ShardedStore {
    const second = throughStore<Store<unknown>>(new MemoryStore(), (call, next) => {
      if (call.verb === verb) throw lost
      return next()
    })
    return new ShardedStore([new MemoryStore(), second])
  }

  it('are shown once, as they last told any shard', async () => {
    const shards = [new MemoryStore(), new MemoryStore()]
    const store = new ShardedStore(shards)
    await store.present?.(presence, T, T + 10)
    shards[1]?.present({ ...presence, running: 7 }, T + 5, T + 15)
    expect(shards[0]?.workers(T)).toHaveLength(1)
    expect(await store.workers?.(T)).toEqual([{ ...presence, running: 7, toldAt: T + 5, until: T + 15 }])
  })

  it('are told to the others when one shard fails, and the failure is not kept quiet', async () => {
    const store = failing('present')
    await expect(store.present?.(presence, T, T + 10)).rejects.toThrow(lost)
    expect(await store.workers?.(T)).toHaveLength(1)
  })

  it('are shown while one shard fails, and not when all do', async () => {
    const store = failing('workers')
    await store.present?.(presence, T, T + 10)
    expect(await store.workers?.(T)).toHaveLength(1)
    await store.close()
    await expect(store.workers?.(T)).rejects.toThrow()
  })
})
