import { deepStrictEqual } from 'node:assert/strict'

import { replaced } from '../../core/dedupe.ts'
import type { Job } from '../../core/job.ts'
import { cancel, edit, retry, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import {
  addOne,
  aJob,
  claim,
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
  write,
} from './builders.ts'
import type { Case } from './case.ts'

/** Asking for a key a second time. */
export const keyAgain: readonly Case[] = [
  {
    promise: 'gives its key back to a job that waits again, when it is free',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      const again = [fail, snooze, release, expire]
      for (const [i, decide] of again.entries()) {
        const decision = decide(await run(store, { queue: `queue-${i}`, unique: key }))
        await put(store, decision)
        const waiting = there(decision.after)
        deepStrictEqual(waiting.unique, key)
        deepStrictEqual(await read(store, waiting), waiting)
        deepStrictEqual(holders(await offer(store, [aJob({ queue: `queue-${i}`, unique: key })]), 1), [waiting])
      }
    },
  },
  {
    promise: 'stores a job that waits again without its key when a successor holds it',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      const again = [fail, snooze, release, expire]
      for (const [i, decide] of again.entries()) {
        const queue = `queue-${i}`
        const decision = decide(await run(store, { queue, unique: key }))
        const successor = await addOne(store, { queue, unique: key })
        await put(store, decision)
        const waiting = there(decision.after)
        deepStrictEqual(await store.get([waiting.id, successor.id]), [{ ...waiting, unique: letGo(key) }, successor])
      }
    },
  },
  {
    promise: 'gives a finished job that is retried its key back, or goes without when it is held',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      for (const successor of [false, true]) {
        const [queue, key] = [`queue-${successor}`, held('a', 'settled')]
        const done = succeed(await run(store, { queue, unique: key }))
        await put(store, done)
        if (successor) await addOne(store, { queue, unique: key })
        const retried = retry(there(done.after), T)
        await put(store, retried)
        const wanted = there(retried.after)
        deepStrictEqual(await read(store, wanted), successor ? { ...wanted, unique: letGo(key) } : wanted)
      }
    },
  },
  {
    promise: 'gives a key to the first of several that ask for it in one call',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      const jobs = [
        await run(store, { unique: key }),
        await run(store, { unique: key }),
        await run(store, { unique: key }),
      ]
      await put(store, ...jobs.map((job) => fail(job)))
      const waiting = jobs.map((job) => there(fail(job).after))
      const wanted = waiting.map((job, i) => (i === 0 ? job : { ...job, unique: letGo(key) }))
      deepStrictEqual(await store.get(ids(jobs)), wanted)
    },
  },
  {
    promise: 'stores a write without the key, too, that builds on one that had to go without',
    needs: ['dedupe', 'priority'],
    async run({ store }) {
      const key = held('a')
      const failing = await run(store, { unique: key })
      const successor = await addOne(store, { unique: key })
      const failed = fail(failing)
      const edited = edit(there(failed.after), { priority: 3 })
      await put(store, failed, edited)
      const wanted = { ...there(edited.after), unique: letGo(key) }
      deepStrictEqual(await store.get([failing.id, successor.id]), [wanted, successor])
    },
  },
  {
    promise: 'hands a key on from one write to the next of the same call',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      const key = held('a')
      const failing = await run(store, { unique: key })
      const successor = await addOne(store, { unique: key })
      await put(store, cancel(successor, 'no', defaultRetention, T), fail(failing))
      deepStrictEqual(await read(store, failing), fail(failing).after)
    },
  },
  {
    promise: 'never lets a holder collide with itself',
    needs: ['dedupe'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a', 'settled') })
      const edited = edit(holder, { priority: 4 })
      const moved = { before: there(edited.after), after: { ...there(edited.after), queue: 'other', rev: 2 } }
      await put(store, edited, moved)
      deepStrictEqual(await read(store, holder), moved.after)
      await expectFree(store, held('a'))
      deepStrictEqual(holders(await offer(store, [aJob({ queue: 'other', unique: held('a') })]), 1), [moved.after])
    },
  },
  {
    promise: 'yields to the holder in the queue that a job is moved to',
    needs: ['dedupe'],
    async run({ store }) {
      const [job, holder] = [
        await addOne(store, { unique: held('a') }),
        await addOne(store, { queue: 'other', unique: held('a') }),
      ]
      const moved = { ...job, queue: 'other', rev: 1 }
      await put(store, { before: job, after: moved })
      deepStrictEqual(await store.get([job.id, holder.id]), [{ ...moved, unique: letGo(job.unique) }, holder])
      await expectFree(store, held('a'))
    },
  },
  {
    promise: 'stores a write of a batch without a key that is held, and names the true holder to the jobs behind it',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      const failing = await run(store, { unique: key })
      const holder = await addOne(store, { unique: key })
      const jobs = [{ job: aJob({ unique: key }), ifHeld: 'keep' as const }]
      const result = only(await store.insert([{ jobs, writes: [fail(failing)] }], T))
      deepStrictEqual([result.ok, holders(result, 1)], [true, [holder]])
      deepStrictEqual(await read(store, failing), { ...there(fail(failing).after), unique: letGo(key) })
    },
  },
  {
    promise: 'puts a replacement in the place of the holder, which keeps its id and its key',
    needs: ['dedupe'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a') })
      const by = aJob({ task: 'other', priority: 9, payload: '2', runAt: T + 50, unique: held('a', T + 500) })
      const after = there(replaced(holder, by))
      const other = aJob({ unique: held('b') })
      const result = only(
        await store.insert([{ jobs: [{ job: other, ifHeld: 'refuse' }], writes: [{ before: holder, after }] }], T),
      )
      deepStrictEqual(result.ok, true)
      deepStrictEqual(await store.get([holder.id, by.id, other.id]), [after, undefined, other])
      deepStrictEqual(holders(await offer(store, [aJob({ unique: held('a') })]), 1), [after])
    },
  },
  {
    promise: 'frees keys at a claim and takes them up by its settling, in that order',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      const [first, second] = [await run(store, { unique: key }), await run(store, { unique: key })]
      const writes = [release(first), release(second)]
      const { jobs, settled } = await claim(store, { settle: writes })
      deepStrictEqual(settled, [{ ok: true }, { ok: true }])
      deepStrictEqual(
        jobs.map((job) => [job.id, job.unique]),
        [
          [first.id, letGo(key)],
          [second.id, letGo(key)],
        ],
      )
      await expectFree(store, key)
    },
  },
  {
    promise: 'takes a key back again and again, over many attempts',
    needs: ['dedupe'],
    async run({ store }) {
      const key = held('a')
      let job = await run(store, { unique: key, maxAttempts: 50 })
      for (let n = 1; n < 20; n++) {
        const failed = fail(job)
        await put(store, failed)
        await expectHeldBy(store, key, there(failed.after))
        job = only(await take(store, { now: there(failed.after).runAt }))
        deepStrictEqual([job.id, job.attempt, job.unique], [failed.before.id, n + 1, letGo(key)])
      }
      deepStrictEqual(await write(store, [succeed(job)]), [true])
    },
  },
]

function snooze(job: Job): Write {
  return ends(job, { kind: 'snoozed', runAt: T + 100 })
}

function release(job: Job): Write {
  return ends(job, { kind: 'released' })
}

function expire(job: Job): Write {
  return ends(job, { kind: 'expired' })
}
