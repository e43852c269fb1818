import { deepStrictEqual } from 'node:assert/strict'

import { cancel, edit, remove } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import { defaultQueueSettings } from '../../store.ts'
import { add, addOne, aJob, at, fail, hostileNames, only, put, run, succeed, T, take, there } from './builders.ts'
import type { Case } from './case.ts'
import { dump, expectExact, expectSound } from './dump.ts'

const none = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

/** `Store.queues` and `Store.configure`. */
export const queues: readonly Case[] = [
  {
    promise: 'knows no queue before there is one',
    async run({ store }) {
      deepStrictEqual(await store.queues(), [])
    },
  },
  {
    promise:
      'shows each queue by name with its settings, its counts, those of its tasks, and when its next job falls due',
    needs: ['schedule', 'retain'],
    async run({ store }) {
      await run(store, { queue: 'b' })
      await put(store, succeed(await run(store, { queue: 'b', task: 'call' })))
      await add(store, aJob({ queue: 'b', runAt: T + 9 }), aJob({ queue: 'b', runAt: T + 7 }), aJob({ queue: 'a' }))
      deepStrictEqual(await store.queues(), [
        {
          queue: 'a',
          ...defaultQueueSettings,
          counts: { ...none, pending: 1 },
          tasks: { mail: { ...none, pending: 1 } },
          nextRunAt: T,
        },
        {
          queue: 'b',
          ...defaultQueueSettings,
          counts: { ...none, pending: 2, running: 1, completed: 1 },
          tasks: { mail: { ...none, pending: 2, running: 1 }, call: { ...none, completed: 1 } },
          nextRunAt: T + 7,
        },
      ])
    },
  },
  {
    promise: 'shows the earliest runAt of what waits, also in the past, also in a paused queue',
    needs: ['pause'],
    async run({ store }) {
      await store.configure('main', { paused: true })
      await add(
        store,
        aJob({ runAt: T - 5, priority: 9 }),
        aJob({ runAt: T - 9, task: 'call' }),
        aJob({ runAt: T + 1, priority: -9 }),
      )
      deepStrictEqual(only(await store.queues()).nextRunAt, T - 9)
    },
  },
  {
    promise: 'remembers queues and tasks that no longer have jobs',
    needs: ['retain'],
    async run({ store }) {
      await put(store, remove(await addOne(store)))
      const done = succeed(await run(store, { queue: 'b', task: 'call' }))
      await put(store, done)
      await store.prune(there(done.after?.forgetAt), 9)
      const empty = { ...defaultQueueSettings, counts: none, nextRunAt: undefined }
      deepStrictEqual(await store.queues(), [
        { ...empty, queue: 'b', tasks: { call: none } },
        { ...empty, queue: 'main', tasks: { mail: none } },
      ])
    },
  },
  {
    promise: 'changes what is given of the settings and keeps the rest',
    needs: ['pause', 'limits'],
    async run({ store }) {
      await store.configure('main', { paused: true })
      await store.configure('main', { concurrency: 5 })
      await store.configure('main', { priority: -3 })
      deepStrictEqual(await settings(store), { paused: true, concurrency: 5, priority: -3 })
      await store.configure('main', {})
      await store.configure('main', { paused: false, concurrency: null })
      deepStrictEqual(await settings(store), { paused: false, concurrency: null, priority: -3 })
    },
  },
  {
    promise: 'keeps the settings of a queue that has no jobs yet, and of each queue its own',
    needs: ['pause', 'limits'],
    async run({ store }) {
      await store.configure('later', { paused: true, concurrency: 0, priority: 7 })
      const jobless = { counts: none, tasks: {}, nextRunAt: undefined }
      deepStrictEqual(await store.queues(), [{ queue: 'later', paused: true, concurrency: 0, priority: 7, ...jobless }])
      await addOne(store)
      await addOne(store, { queue: 'later' })
      const shown = (await store.queues()).map(({ queue, paused, counts }) => [queue, paused, counts.pending])
      deepStrictEqual(shown, [
        ['later', true, 1],
        ['main', false, 1],
      ])
    },
  },
  {
    promise: 'shows hostile names as they are, in the order of their code units, and counts each',
    async run({ store }) {
      await add(store, ...hostileNames.map((name) => aJob({ queue: name, task: name })))
      const shown = await store.queues()
      deepStrictEqual(
        shown.map((one) => one.queue),
        hostileNames.toSorted(),
      )
      for (const { queue, counts, tasks } of shown) {
        deepStrictEqual(counts, { ...none, pending: 1 })
        deepStrictEqual(Object.entries(tasks), [[queue, { ...none, pending: 1 }]])
      }
    },
  },
  {
    promise: 'counts jobs that move between queues, tasks and priorities',
    async run({ store }) {
      const job = await addOne(store)
      const moved = { ...job, queue: 'other', task: 'call', priority: 7, rev: 1 }
      await put(store, { before: job, after: moved })
      const shown = (await store.queues()).map(({ queue, counts, nextRunAt }) => [queue, counts.pending, nextRunAt])
      deepStrictEqual(shown, [
        ['main', 0, undefined],
        ['other', 1, T],
      ])
      deepStrictEqual(
        (await take(store)).map((one) => [one.id, one.queue, one.task]),
        [[job.id, 'other', 'call']],
      )
    },
  },
  {
    promise: 'counts exactly through a long mixed day',
    needs: ['inspect', 'retain', 'schedule', 'priority', 'limits'],
    async run({ store }) {
      for (let n = 0; n < 60; n++) {
        const now = T + n * 1_000
        await add(
          store,
          ...Array.from({ length: 3 }, (_, i) =>
            aJob({ task: `task-${(n + i) % 3}`, queue: `queue-${i % 2}`, priority: n % 4, runAt: now }),
          ),
        )
        const jobs = await take(store, { now, limit: 4 })
        await put(
          store,
          ...jobs
            .slice(0, 3)
            .map((job, i) => at([succeed(job, now), fail(job, now), { before: job, after: undefined }], i)),
        )
        const [one, two, three] = await store.list({ state: 'pending', limit: 3 })
        if (n % 2 === 0 && one) await put(store, cancel(one, 'no', defaultRetention, now))
        if (n % 3 === 0 && two) await put(store, remove(two))
        if (n % 5 === 0 && three) await put(store, edit(three, { priority: 9, runAt: now + 5 }))
        if (n % 10 === 0) await store.configure('queue-0', { concurrency: n, priority: n % 3 })
        await store.prune(now, n)
        await expectSound(store)
      }
    },
  },
  {
    promise: 'shows each connection the same exact counts, whoever moved the jobs',
    needs: ['another', 'inspect', 'retain'],
    async run({ store, another }) {
      const other = await there(another)()
      for (let n = 0; n < 10; n++) {
        const [here, there_] = n % 2 === 0 ? [store, other] : [other, store]
        await add(here, aJob({ task: `task-${n}` }), aJob({ queue: `queue-${n % 3}`, priority: n }), aJob())
        await put(there_, ...(await take(there_, { limit: 2 })).map((job, i) => (i === 0 ? succeed(job) : fail(job))))
        deepStrictEqual(await dump(here), await dump(there_))
        expectExact(await here.queues(), await there_.list({ limit: 1_000 }))
      }
    },
  },
]

async function settings(store: Parameters<typeof dump>[0]): Promise<object> {
  const { paused, concurrency, priority } = only(await store.queues())
  return { paused, concurrency, priority }
}
