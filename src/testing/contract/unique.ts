import { deepStrictEqual } from 'node:assert/strict'

import type { Job, Unique } from '../../core/job.ts'
import { cancel, edit, remove, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import {
  addOne,
  aJob,
  ends,
  expectFree,
  expectHeldBy,
  fail,
  held,
  holders,
  ids,
  letGo,
  offer,
  only,
  put,
  read,
  run,
  succeed,
  T,
  take,
  there,
} from './builders.ts'
import type { Case } from './case.ts'
import { dump, expectUnchanged } from './dump.ts'

/** Who holds a unique key. */
export const unique: readonly Case[] = [
  {
    promise: 'does not add a job whose key is held, and names the holder as it is now',
    needs: ['dedupe'],
    async run({ store }) {
      const added = await addOne(store, { unique: held('a', 'settled') })
      const holder = only(await take(store))
      deepStrictEqual(holder.id, added.id)
      const before = await dump(store)
      const result = await offer(store, [aJob({ unique: held('a') })])
      deepStrictEqual([result.ok, holders(result, 1)], [true, [holder]])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'refuses a batch when a job marked refuse meets a holder, and changes nothing',
    needs: ['dedupe'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a') })
      const other = await addOne(store, { task: 'other' })
      const before = await dump(store)
      const jobs = [
        { job: aJob(), ifHeld: 'keep' as const },
        { job: aJob({ unique: held('b') }), ifHeld: 'refuse' as const },
        { job: aJob({ unique: held('a') }), ifHeld: 'refuse' as const },
        { job: aJob(), ifHeld: 'keep' as const },
      ]
      const result = only(await store.insert([{ jobs, writes: [edit(other, { priority: 3 })] }], T))
      deepStrictEqual([result.ok, holders(result, 4)], [false, [undefined, undefined, holder, undefined]])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'leaves out a job marked keep and adds the others of its batch',
    needs: ['dedupe'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a') })
      const jobs = [aJob(), aJob({ unique: held('a') }), aJob({ unique: held('b') })]
      const result = await offer(store, jobs)
      deepStrictEqual([result.ok, holders(result, 3)], [true, [undefined, holder, undefined]])
      deepStrictEqual(await store.get(ids(jobs)), [jobs[0], undefined, jobs[2]])
    },
  },
  {
    promise: 'lets a later job of a batch collide with an earlier one',
    needs: ['dedupe'],
    async run({ store }) {
      const [first, second, third] = [
        aJob({ unique: held('a') }),
        aJob({ unique: held('a') }),
        aJob({ unique: held('b') }),
      ]
      const result = await offer(store, [first, second, third])
      deepStrictEqual([result.ok, holders(result, 3)], [true, [undefined, first, undefined]])
      deepStrictEqual(await store.get(ids([first, second, third])), [first, undefined, third])
    },
  },
  {
    promise: 'refuses the whole batch, the earlier job too, when a later one marked refuse collides with it',
    needs: ['dedupe'],
    async run({ store }) {
      await addOne(store)
      const before = await dump(store)
      const [first, second] = [aJob({ unique: held('a') }), aJob({ unique: held('a') })]
      const jobs = [
        { job: first, ifHeld: 'refuse' as const },
        { job: second, ifHeld: 'refuse' as const },
      ]
      const result = only(await store.insert([{ jobs }], T))
      deepStrictEqual([result.ok, holders(result, 2)], [false, [undefined, first]])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'holds a key against jobs of another connection',
    needs: ['dedupe', 'another'],
    async run({ store, another }) {
      const other = await there(another)()
      const holder = await addOne(store, { unique: held('a', 'settled') })
      await expectHeldBy(other, held('a', 'settled'), holder)
      const [one, two] = [aJob({ unique: held('b') }), aJob({ unique: held('b') })]
      const results = await Promise.all([offer(store, [one]), offer(other, [two])])
      deepStrictEqual(results.filter((result) => holders(result, 1)[0] === undefined).length, 1)
    },
  },
  {
    promise: 'keeps the keys of each queue apart',
    needs: ['dedupe'],
    async run({ store }) {
      const result = await offer(store, [aJob({ unique: held('a') }), aJob({ queue: 'other', unique: held('a') })])
      deepStrictEqual(holders(result, 2), [undefined, undefined])
    },
  },
  {
    promise: 'lets a job carry a key without holding it',
    needs: ['dedupe'],
    async run({ store }) {
      const idle = { key: 'a', until: 'settled', held: false } as const
      const jobs = [aJob({ unique: idle }), aJob({ unique: held('a', 'settled') }), aJob({ unique: idle })]
      deepStrictEqual(holders(await offer(store, jobs), 3), [undefined, undefined, undefined])
      deepStrictEqual(await store.get(ids(jobs)), jobs)
    },
  },
  {
    promise: 'frees a key held until claimed at the claim, and keeps one held longer',
    needs: ['dedupe'],
    async run({ store }) {
      const keys: readonly Unique[] = [held('a', 'claimed'), held('b', 'settled'), held('c', T + 100)]
      await offer(
        store,
        keys.map((key) => aJob({ unique: key })),
      )
      const taken = await take(store)
      deepStrictEqual(
        taken.map((job) => job.unique),
        [letGo(keys[0]), keys[1], keys[2]],
      )
      const result = await offer(
        store,
        keys.map((key) => aJob({ unique: key })),
      )
      deepStrictEqual(holders(result, 3), [undefined, taken[1], taken[2]])
    },
  },
  {
    promise:
      'frees a key held until settled at every end for good, and keeps it while the job waits for another attempt',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      const finishes: readonly ((job: Job) => Write)[] = [
        succeed,
        (job) => ends(job, { kind: 'failed', error: 'no', remaining: 0 }),
        (job) => ends(job, { kind: 'cancelled', reason: 'no' }),
        (job) => ({ before: job, after: undefined }),
      ]
      for (const [i, finish] of finishes.entries()) {
        const key = held(`key-${i}`, 'settled')
        const first = await run(store, { unique: key })
        await put(store, fail(first))
        await expectHeldBy(store, key, there(fail(first).after))
        const second = only(await take(store, { now: T + 5_000 }))
        await expectHeldBy(store, key, second)
        await put(store, finish(second))
        await expectFree(store, key)
      }
    },
  },
  {
    promise: 'frees the key of a waiting job that is cancelled or removed',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      const cancelled = await addOne(store, { unique: held('a') })
      const removed = await addOne(store, { unique: held('b') })
      await put(store, cancel(cancelled, 'no', defaultRetention, T), remove(removed))
      await expectFree(store, held('a'))
      await expectFree(store, held('b'))
    },
  },
  {
    promise:
      'holds a window to its last millisecond, whatever becomes of the job, and frees the key when it has passed',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      const key = held('a', T + 1_000)
      const done = succeed(await run(store, { unique: key }))
      await put(store, done)
      const holder = there(done.after)
      deepStrictEqual(await read(store, holder), holder)
      deepStrictEqual(holders(await offer(store, [aJob({ unique: key })], T + 999), 1), [holder])
      const next = aJob({ unique: held('a', T + 9_000) })
      deepStrictEqual(holders(await offer(store, [next], T + 1_000), 1), [undefined])
      deepStrictEqual(await store.get([holder.id, next.id]), [
        { ...holder, unique: letGo(key), rev: holder.rev + 1 },
        next,
      ])
    },
  },
  {
    promise: 'frees the passed window of a job that still waits or runs, and refuses what was decided before',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a', T + 10)
      const active = await run(store, { unique: key })
      const waiting = await addOne(store, { queue: 'other', unique: key })
      const result = await offer(store, [aJob({ unique: key }), aJob({ queue: 'other', unique: key })], T + 10)
      deepStrictEqual(holders(result, 2), [undefined, undefined])
      const now = [active, waiting].map((job) => ({ ...job, unique: letGo(key), rev: job.rev + 1 }))
      deepStrictEqual(await store.get(ids(now)), now)
      deepStrictEqual(await store.apply([succeed(active)], T + 10), [{ ok: false, current: now[0] }])
    },
  },
  {
    promise: 'leaves a passed window as it is when the batch that asks for its key is refused',
    needs: ['dedupe'],
    async run({ store }) {
      await addOne(store, { unique: held('a', T + 10) })
      await addOne(store, { unique: held('b') })
      const before = await dump(store)
      const jobs = [aJob({ unique: held('a') }), aJob({ unique: held('b') })].map((job) => ({
        job,
        ifHeld: 'refuse' as const,
      }))
      deepStrictEqual(only(await store.insert([{ jobs }], T + 10)).ok, false)
      await expectUnchanged(store, before)
    },
  },
]
