import { deepStrictEqual } from 'node:assert/strict'

import { add, addOne, aJob, at, fail, ids, leaseMs, put, read, run, succeed, T, take, there } from './builders.ts'
import type { Case } from './case.ts'

/** What an operator has set of a queue. */
export const queueLimits: readonly Case[] = [
  {
    promise: 'takes nothing from a paused queue, lets go on what runs, and goes on when it is resumed',
    needs: ['pause'],
    async run({ store }) {
      const active = await run(store)
      const waiting = await addOne(store)
      const elsewhere = await addOne(store, { queue: 'other' })
      await store.configure('main', { paused: true })
      deepStrictEqual(ids(await take(store)), [elsewhere.id])
      const [renewed] = await store.renew([{ id: active.id, lease: there(active.lease) }], T + 2 * leaseMs, T)
      deepStrictEqual(renewed, { rev: active.rev + 1, cancel: undefined })
      await put(store, succeed(there(await read(store, active))))
      await store.configure('main', { paused: false })
      deepStrictEqual(ids(await take(store)), [waiting.id])
    },
  },
  {
    promise: 'takes from a paused queue not even when it is named',
    needs: ['pause'],
    async run({ store }) {
      await store.configure('main', { paused: true })
      await addOne(store)
      deepStrictEqual(await take(store, { queues: ['main'] }), [])
    },
  },
  {
    promise: 'never runs more of a queue than its limit, over all claims and tasks',
    needs: ['limits'],
    async run({ store }) {
      await store.configure('main', { concurrency: 3 })
      await add(store, ...Array.from({ length: 9 }, (_, n) => aJob({ task: `task-${n % 2}`, priority: n % 3 })))
      const first = await take(store, { limit: 2 })
      const second = await take(store)
      deepStrictEqual([first.length, second.length], [2, 1])
      deepStrictEqual(await take(store), [])
      await put(store, succeed(at(first, 0)), fail(at(second, 0)))
      deepStrictEqual((await take(store)).length, 2)
    },
  },
  {
    promise: 'fills a limit again in the same call that settles',
    needs: ['limits'],
    async run({ store }) {
      await store.configure('main', { concurrency: 1 })
      const job = await run(store)
      const [next] = await add(store, aJob(), aJob())
      deepStrictEqual(ids(await take(store, { settle: [succeed(job)] })), [there(next).id])
    },
  },
  {
    promise: 'keeps the limits of several queues apart, and takes from others past a full one',
    needs: ['limits'],
    async run({ store }) {
      await store.configure('a', { concurrency: 1 })
      await store.configure('b', { concurrency: 2 })
      const queues = ['a', 'a', 'a', 'b', 'b', 'b', 'free', 'free']
      await add(store, ...queues.map((queue) => aJob({ queue })))
      deepStrictEqual(
        (await take(store, { limit: 5 })).map((job) => job.queue),
        ['a', 'b', 'b', 'free', 'free'],
      )
    },
  },
  {
    promise: 'follows a limit that is lowered below what runs, set to 0, and lifted',
    needs: ['limits'],
    async run({ store }) {
      await add(store, ...Array.from({ length: 8 }, () => aJob()))
      const active = await take(store, { limit: 3 })
      await store.configure('main', { concurrency: 1 })
      await put(store, ...active.slice(0, 2).map((job) => succeed(job)))
      deepStrictEqual(await take(store), [])
      await put(store, succeed(at(active, 2)))
      deepStrictEqual((await take(store)).length, 1)
      await store.configure('main', { concurrency: 0 })
      deepStrictEqual(await take(store), [])
      await store.configure('main', { concurrency: null })
      deepStrictEqual((await take(store)).length, 4)
    },
  },
  {
    promise: 'obeys what another connection has set and runs',
    needs: ['another', 'limits', 'pause'],
    async run({ store, another }) {
      const other = await there(another)()
      await add(store, ...Array.from({ length: 5 }, () => aJob()))
      await other.configure('main', { concurrency: 2 })
      deepStrictEqual((await take(other, { limit: 1 })).length, 1)
      deepStrictEqual((await take(store)).length, 1)
      await other.configure('main', { paused: true, concurrency: null })
      deepStrictEqual(await take(store), [])
      await other.configure('main', { paused: false })
      deepStrictEqual((await take(store)).length, 3)
    },
  },
]
