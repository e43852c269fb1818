import { deepStrictEqual } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import { claimed, retry } from '../../core/lifecycle.ts'
import {
  aClaim,
  add,
  addOne,
  aJob,
  at,
  claim,
  ends,
  fail,
  ids,
  leaseMs,
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

/** Which jobs a claim takes, in which order, and what it makes of them. */
export const claiming: readonly Case[] = [
  {
    promise: 'makes of each job it takes what the core says, and stores it so',
    async run({ store }) {
      const jobs = await add(store, aJob(), aJob({ attempt: 1, rev: 7, runAt: T - 5, startedAt: T - 9 }))
      const request = aClaim({ now: T + 3, until: T + 777 })
      const taken = (await store.claim(request)).jobs
      const wanted = jobs.map((job) => claimed(job, request.lease, request.until, request.now)).toReversed()
      deepStrictEqual(taken, wanted)
      deepStrictEqual(await store.get(ids(wanted)), wanted)
    },
  },
  {
    promise: 'takes a job at the very instant it is due, and not a millisecond before',
    needs: ['schedule'],
    async run({ store }) {
      const job = await addOne(store, { runAt: T + 1_000 })
      deepStrictEqual(await take(store, { now: T + 999 }), [])
      deepStrictEqual(ids(await take(store, { now: T + 1_000 })), [job.id])
    },
  },
  {
    promise: 'takes each job once',
    async run({ store }) {
      const jobs = await add(store, ...Array.from({ length: 50 }, () => aJob()))
      const taken: Job[] = []
      for (let n = 0; n < 12; n++) taken.push(...(await take(store, { limit: 5 })))
      deepStrictEqual(ids(taken), ids(jobs))
    },
  },
  {
    promise: 'leaves a running job alone even when its lease has run out: that is for the rescue',
    async run({ store }) {
      await run(store)
      deepStrictEqual(await take(store, { now: T + 10 * leaseMs }), [])
    },
  },
  {
    promise: 'leaves finished jobs alone',
    needs: ['retain'],
    async run({ store }) {
      await put(store, succeed(await run(store)))
      await put(store, ends(await run(store), { kind: 'failed', error: 'no', remaining: 0 }))
      await put(store, ends(await run(store), { kind: 'cancelled', reason: 'no' }))
      deepStrictEqual(await take(store, { now: T + 10 * leaseMs }), [])
    },
  },
  {
    promise: 'takes no more than the limit, the first in order',
    async run({ store }) {
      const jobs = await add(store, aJob({ runAt: T - 1 }), aJob({ runAt: T - 3 }), aJob({ runAt: T - 2 }))
      deepStrictEqual(ids(await take(store, { limit: 2 })), [at(jobs, 1).id, at(jobs, 2).id])
      deepStrictEqual(ids(await take(store, { limit: 2 })), [at(jobs, 0).id])
    },
  },
  {
    promise: 'takes by runAt, and among equals the one added first, whatever their ids',
    async run({ store }) {
      const [a, b, c, d] = [aJob({ id: 'd' }), aJob({ id: 'c' }), aJob({ id: 'b', runAt: T - 1 }), aJob({ id: 'a' })]
      await add(store, a, b)
      await add(store, c)
      await add(store, d)
      deepStrictEqual(ids(await take(store)), ['b', 'd', 'c', 'a'])
    },
  },
  {
    promise: 'takes by priority before runAt, lower first, over all queues and tasks',
    needs: ['priority'],
    async run({ store }) {
      const jobs = await add(
        store,
        aJob({ priority: 5, runAt: T - 100 }),
        aJob({ priority: -5, runAt: T, task: 'other' }),
        aJob({ priority: 0, runAt: T - 2, queue: 'other' }),
        aJob({ priority: 0, runAt: T - 3 }),
        aJob({ priority: 0, runAt: T - 4, queue: 'third', task: 'other' }),
        aJob({ priority: -5, runAt: T - 1 }),
        aJob({ priority: 32_767 }),
        aJob({ priority: -32_768, queue: 'other' }),
      )
      const order = [7, 5, 1, 4, 3, 2, 0, 6].map((i) => at(jobs, i).id)
      const taken: Job[] = []
      for (const limit of [1, 3, 1, 100]) taken.push(...(await take(store, { limit })))
      deepStrictEqual(ids(taken), order)
    },
  },
  {
    promise: 'takes by the priority of the queue before that of the job',
    needs: ['limits', 'priority'],
    async run({ store }) {
      await store.configure('late', { priority: 1 })
      await store.configure('early', { priority: -1 })
      const jobs = await add(
        store,
        aJob({ queue: 'late', priority: -9 }),
        aJob({ queue: 'main' }),
        aJob({ queue: 'early', priority: 9 }),
        aJob({ queue: 'early', priority: 9, runAt: T - 1 }),
        aJob({ queue: 'early', priority: 8 }),
      )
      deepStrictEqual(
        ids(await take(store, { limit: 3 })),
        [4, 3, 2].map((i) => at(jobs, i).id),
      )
      await store.configure('late', { priority: -2 })
      deepStrictEqual(
        ids(await take(store, { limit: 3 })),
        [0, 1].map((i) => at(jobs, i).id),
      )
    },
  },
  {
    promise: 'takes only jobs of the tasks named, of any when none are',
    async run({ store }) {
      const [mail, , call] = await add(store, aJob(), aJob({ task: 'unknown' }), aJob({ task: 'call' }))
      deepStrictEqual(await take(store, { tasks: new Map() }), [])
      const tasks = new Map([
        ['call', 9],
        ['mail', 9],
        ['idle', 9],
      ])
      deepStrictEqual(ids(await take(store, { tasks })), [there(mail).id, there(call).id])
      deepStrictEqual(
        (await take(store)).map((job) => job.task),
        ['unknown'],
      )
    },
  },
  {
    promise: 'takes of each task at most as many as the map says, and fills up with others behind them',
    async run({ store }) {
      const mails = await add(store, ...Array.from({ length: 300 }, () => aJob({ runAt: T - 5 })))
      const calls = await add(store, aJob({ task: 'call' }), aJob({ task: 'call' }), aJob({ task: 'call' }))
      const none = await addOne(store, { task: 'none', runAt: T - 9 })
      const tasks = new Map([
        ['mail', 3],
        ['call', 2],
        ['none', 0],
      ])
      deepStrictEqual(ids(await take(store, { tasks, limit: 10 })), ids([...mails.slice(0, 3), ...calls.slice(0, 2)]))
      deepStrictEqual(ids(await take(store, { tasks, limit: 4 })), ids([...mails.slice(3, 6), ...calls.slice(2)]))
      deepStrictEqual(ids(await take(store, { tasks, limit: 2 })), ids(mails.slice(6, 8)))
      deepStrictEqual((await read(store, none))?.state, 'pending')
    },
  },
  {
    promise: 'takes only from the queues named, from all when none are',
    async run({ store }) {
      const jobs = await add(store, aJob(), aJob({ queue: 'bulk' }), aJob({ queue: 'slow' }))
      deepStrictEqual(await take(store, { queues: [] }), [])
      deepStrictEqual(await take(store, { queues: ['empty'] }), [])
      deepStrictEqual(ids(await take(store, { queues: ['slow', 'empty', 'main'] })), ids([at(jobs, 0), at(jobs, 2)]))
      deepStrictEqual(ids(await take(store)), [at(jobs, 1).id])
    },
  },
  {
    promise: 'takes nothing with a limit of 0, and changes nothing',
    async run({ store }) {
      await add(store, aJob(), aJob({ runAt: T + 9 }))
      const before = await dump(store)
      deepStrictEqual(await claim(store, { limit: 0 }), { jobs: [], settled: [], nextRunAt: T + 9 })
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'lets a failed job be taken again when its wait is over, with one attempt more',
    async run({ store }) {
      const first = await run(store)
      await put(store, fail(first))
      deepStrictEqual(await take(store, { now: T + 4_999 }), [])
      const request = aClaim({ now: T + 5_000 })
      const second = only((await store.claim(request)).jobs)
      deepStrictEqual(second, claimed(there(fail(first).after), request.lease, request.until, request.now))
      deepStrictEqual(second.attempt, 2)
    },
  },
  {
    promise: 'never gives one job to two claims from two connections',
    needs: ['another'],
    async run({ store, another }) {
      const other = await there(another)()
      const jobs = await add(store, ...Array.from({ length: 40 }, () => aJob()))
      const taken: Job[] = []
      for (let n = 0; n < 10; n++) {
        const both = await Promise.all([take(store, { limit: 3 }), take(other, { limit: 3 })])
        taken.push(...both.flat())
      }
      deepStrictEqual(ids(taken).toSorted(), ids(jobs))
    },
  },
]

/** `nextRunAt`. */
export const nextRun: readonly Case[] = [
  {
    promise: 'says when the next job falls due, once there is nothing left to take',
    needs: ['schedule'],
    async run({ store }) {
      await add(store, aJob({ runAt: T + 9 }), aJob({ runAt: T + 7, task: 'call', queue: 'bulk' }), aJob())
      deepStrictEqual((await claim(store)).nextRunAt, T + 7)
      deepStrictEqual((await claim(store, { now: T + 7, limit: 2 })).nextRunAt, T + 9)
      deepStrictEqual((await claim(store, { now: T + 9 })).nextRunAt, undefined)
    },
  },
  {
    promise: 'says when the next job falls due of these tasks, these queues and no paused one',
    needs: ['schedule', 'pause'],
    async run({ store }) {
      await add(
        store,
        aJob({ runAt: T + 1, queue: 'paused' }),
        aJob({ runAt: T + 2, task: 'unknown' }),
        aJob({ runAt: T + 3, queue: 'elsewhere' }),
        aJob({ runAt: T + 4 }),
      )
      await store.configure('paused', { paused: true })
      const tasks = new Map([['mail', 1]])
      deepStrictEqual((await claim(store, { tasks, queues: ['main', 'paused'] })).nextRunAt, T + 4)
      deepStrictEqual((await claim(store, { tasks: new Map() })).nextRunAt, undefined)
      deepStrictEqual((await claim(store, { queues: [] })).nextRunAt, undefined)
      deepStrictEqual((await claim(store)).nextRunAt, T + 2)
    },
  },
  {
    promise: 'says when the next job falls due, not when what is due and held up will be free',
    needs: ['schedule', 'limits', 'concurrency'],
    async run({ store }) {
      await store.configure('full', { concurrency: 0 })
      await run(store, { concurrencyKey: 'a' })
      await add(store, aJob({ queue: 'full' }), aJob({ concurrencyKey: 'a' }), aJob({ task: 'none' }))
      const tasks = new Map([
        ['mail', 5],
        ['none', 0],
      ])
      deepStrictEqual((await claim(store, { tasks })).nextRunAt, undefined)
      await add(store, aJob({ concurrencyKey: 'a', runAt: T + 30 }), aJob({ queue: 'full', runAt: T + 40 }))
      deepStrictEqual((await claim(store, { tasks })).nextRunAt, T + 30)
      deepStrictEqual((await claim(store, { tasks, queues: ['full'] })).nextRunAt, T + 40)
    },
  },
  {
    promise: 'counts what the settling of the same call has put back',
    needs: ['schedule'],
    async run({ store }) {
      const job = await run(store)
      const { nextRunAt } = await claim(store, { settle: [fail(job)], limit: 0 })
      deepStrictEqual(nextRunAt, T + 5_000)
    },
  },
]

/** Settling and claiming in one call. */
export const settling: readonly Case[] = [
  {
    promise: 'settles before it takes, each write answered as apply would',
    async run({ store }) {
      const [first, old, gone] = [await run(store), await run(store), await run(store)]
      await put(store, fail(old), { before: gone, after: undefined })
      const waiting = await addOne(store)
      const request = aClaim({ settle: [succeed(first), succeed(old), succeed(gone)] })
      const result = await store.claim(request)
      deepStrictEqual(result.settled, [
        { ok: true },
        { ok: false, current: fail(old).after },
        { ok: false, current: undefined },
      ])
      deepStrictEqual(result.jobs, [claimed(waiting, request.lease, request.until, T)])
      deepStrictEqual(await store.get(ids([first, old])), [succeed(first).after, fail(old).after])
    },
  },
  {
    promise: 'shows with a refused settlement the job as it was when it was refused, not as the same call then took it',
    async run({ store }) {
      const late = await run(store)
      await put(store, ends(late, { kind: 'released' }))
      const released = await read(store, late)
      const { settled, jobs } = await claim(store, { settle: [succeed(late)] })
      deepStrictEqual([settled, ids(jobs)], [[{ ok: false, current: released }], [late.id]])
    },
  },
  {
    promise: 'can take in the same call what its settling has put back',
    async run({ store }) {
      const [released, snoozed] = [await run(store), await run(store)]
      const settle = [ends(released, { kind: 'released' }), ends(snoozed, { kind: 'snoozed', runAt: T })]
      deepStrictEqual(ids(await take(store, { settle })), ids([released, snoozed]))
    },
  },
  {
    promise: 'settles even when it may take nothing',
    async run({ store }) {
      const job = await run(store)
      const { settled, jobs } = await claim(store, { settle: [succeed(job)], limit: 0 })
      deepStrictEqual([settled, jobs], [[{ ok: true }], []])
      deepStrictEqual(await read(store, job), succeed(job).after)
    },
  },
  {
    promise: 'lets a later write of the settling build on an earlier one',
    needs: ['retain'],
    async run({ store }) {
      const done = succeed(await run(store))
      const again = retry(there(done.after), T)
      const { settled, jobs } = await claim(store, { settle: [done, again] })
      deepStrictEqual([settled, ids(jobs)], [[{ ok: true }, { ok: true }], [done.before.id]])
    },
  },
]
