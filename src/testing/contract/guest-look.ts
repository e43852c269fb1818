import { deepStrictEqual, ok } from 'node:assert/strict'

import { at, ends, ids, only, put, succeed, T, take, there, write } from './builders.ts'
import type { Case } from './case.ts'
import { addAll, addJob, another, failAgain, guestJob, run } from './guest-builders.ts'

/** Looking, bells and transactions of a guest. */
export const guestLooking: readonly Case[] = [
  {
    promise: 'lists what is asked for, the newest first or the oldest, page by page',
    needs: ['names', 'inspect'],
    async run({ store }) {
      const added = ids(await addAll(store, [{ task: 'a' }, { task: 'b' }, { task: 'a' }].map(guestJob)))
      const [newest, oldest] = [added.toReversed(), added]
      deepStrictEqual(ids(await store.list({ limit: 9 })), newest)
      deepStrictEqual(ids(await store.list({ limit: 2, order: 'oldest' })), oldest.slice(0, 2))
      deepStrictEqual(ids(await store.list({ limit: 2, order: 'oldest', after: at(oldest, 1) })), oldest.slice(2))
      deepStrictEqual(ids(await store.list({ limit: 9, after: at(newest, 0) })), newest.slice(1))
      deepStrictEqual(ids(await store.list({ limit: 9, task: 'a' })), [added[2], added[0]])
      deepStrictEqual(ids(await store.list({ limit: 9, queue: 'b' })), [added[1]])
      const [running] = await take(store, { limit: 1 })
      deepStrictEqual(await store.list({ limit: 9, state: 'running' }), [running])
      deepStrictEqual(ids(await store.list({ limit: 9, state: 'pending' })), [added[2], added[1]])
    },
  },
  {
    promise: 'pages over all that wait, due or not, the oldest first',
    needs: ['inspect', 'schedule'],
    async run({ store }) {
      const given = Array.from({ length: 7 }, (_, n) => guestJob({ task: `task ${n % 2}`, runAt: T + (n % 3) * 1e6 }))
      const added = ids(await addAll(store, given))
      const running = only(await take(store, { limit: 1 }))
      const seen: string[] = []
      for (let after: string | undefined; ;) {
        const page = ids(await store.list({ state: 'pending', order: 'oldest', after, limit: 2 }))
        seen.push(...page)
        if (page.length < 2) break
        after = at(page, 1)
      }
      deepStrictEqual(
        seen,
        added.filter((id) => id !== running.id),
      )
    },
  },
  {
    promise: 'counts the jobs of each queue, by state',
    needs: ['names'],
    async run({ store }) {
      await addAll(
        store,
        ['a', 'b', 'b'].map((task) => guestJob({ task })),
      )
      await take(store, { tasks: new Map([['b', 1]]) })
      const counted = (await store.queues()).map(({ queue, counts, tasks, nextRunAt }) => {
        const perTask = Object.entries(tasks).map(([task, { pending, running }]) => [task, pending, running])
        return [queue, counts.pending, counts.running, perTask, nextRunAt]
      })
      deepStrictEqual(counted, [
        ['a', 1, 0, [['a', 1, 0]], T],
        ['b', 1, 1, [['b', 1, 1]], T],
      ])
    },
  },
  {
    promise: 'counts each queue and task, by state, and knows when the next falls due',
    needs: ['queues'],
    async run({ store }) {
      await addAll(
        store,
        [
          { task: 'a', queue: 'main' },
          { task: 'b', queue: 'main' },
          { task: 'b', queue: 'q' },
        ].map(guestJob),
      )
      await take(store, { limit: 1 })
      const counted = (await store.queues()).map(({ queue, counts, tasks, nextRunAt }) => {
        const perTask = Object.entries(tasks).map(([task, { pending, running }]) => [task, pending, running])
        return [queue, counts.pending, counts.running, perTask, nextRunAt]
      })
      deepStrictEqual(counted, [
        [
          'main',
          1,
          1,
          [
            ['a', 0, 1],
            ['b', 1, 0],
          ],
          T,
        ],
        ['q', 1, 0, [['b', 1, 0]], T],
      ])
    },
  },
  {
    promise: 'rings for what it adds itself, until it is told to stop',
    async run({ store }) {
      const heard: string[] = []
      const end = await store.listen((bell) => void heard.push(bell))
      await addJob(store)
      deepStrictEqual(heard, ['jobs'])
      end()
      await addJob(store)
      deepStrictEqual(heard, ['jobs'])
    },
  },
  {
    promise: 'adds in a transaction of the caller: unseen before its commit, due after, and never if it is undone',
    needs: ['transaction'],
    async run({ store, begin }) {
      for (const commits of [true, false]) {
        const tx = await there(begin)()
        const result = only(await store.insert([{ jobs: [{ job: guestJob(), ifHeld: 'keep' }] }], T, tx.tx))
        const id = only(result.ids ?? [])
        deepStrictEqual(
          (await store.get([id], tx.tx)).map((job) => job?.id),
          [id],
        )
        deepStrictEqual(await take(store), [])
        await (commits ? tx.commit() : tx.rollback())
        deepStrictEqual(ids(await take(store)), commits ? [id] : [])
      }
    },
  },
  {
    promise: 'completes in a transaction: held until its commit, done after, and still held if it is undone',
    needs: ['transaction', 'another'],
    async run(fixture) {
      const { store, begin } = fixture
      const other = await another(fixture)
      for (const commits of [true, false]) {
        const job = await run(store)
        const tx = await there(begin)()
        deepStrictEqual(await store.apply([succeed(job)], T, tx.tx), [{ ok: true }])
        deepStrictEqual(await take(other), [])
        await (commits ? tx.commit() : tx.rollback())
        deepStrictEqual(await take(other), [])
        deepStrictEqual(await write(store, [failAgain(job)]), [!commits])
        deepStrictEqual(
          (await take(other, { now: T + 1e6 })).map((again) => [again.id, again.attempt]),
          commits ? [] : [[job.id, 2]],
        )
      }
    },
  },
  {
    promise: 'refuses to complete in a transaction what is no longer held',
    needs: ['transaction'],
    async run({ store, begin }) {
      const job = await run(store)
      await put(store, ends(job, { kind: 'released' }))
      const tx = await there(begin)()
      deepStrictEqual(
        (await store.apply([succeed(job)], T, tx.tx)).map((result) => result.ok),
        [false],
      )
      await tx.rollback()
    },
  },
  {
    promise: 'completes in a transaction of its own making, on a connection that no other has',
    needs: ['connection'],
    async run({ store }) {
      const job = await run(store)
      const [own, idle] = [there(await store.begin?.()), there(await store.begin?.())]
      ok(own.tx !== idle.tx)
      deepStrictEqual(await store.apply([succeed(job)], T, own.tx), [{ ok: true }])
      await idle.rollback()
      await own.commit()
      deepStrictEqual(await write(store, [failAgain(job)]), [false])
      deepStrictEqual(await take(store, { now: T + 1e9 }), [])
    },
  },
]
