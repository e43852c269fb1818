import { deepStrictEqual } from 'node:assert/strict'

import type { Instant } from '../../core/job.ts'
import { type Presence, type PresentWorker, spreadBoundsMs, type TaskTally } from '../../core/presence.ts'
import type { Store } from '../../store.ts'
import { T, there } from './builders.ts'
import type { Case } from './case.ts'

/** `Store.present` and `Store.workers`. */
export const workers: readonly Case[] = [
  {
    promise: 'shows of each worker what it told last, and until when that holds, by their ids',
    needs: ['workers'],
    async run({ store }) {
      const [a, b] = [aPresence({ id: 'a' }), aPresence({ id: 'b', queues: ['main', ''], state: 'stopping' })]
      await present(store, b, T, T + 15_000)
      await present(store, a, T, T + 15_000)
      const later = { ...a, running: 0, runs: [], tallies: { 'a "🦉"\n': aTally(3) } }
      await present(store, later, T + 5_000, T + 20_000)
      deepStrictEqual(await alive(store, T + 5_000), [
        { ...later, toldAt: T + 5_000, until: T + 20_000 },
        { ...b, toldAt: T, until: T + 15_000 },
      ])
    },
  },
  {
    promise: 'leaves out a worker once its time has passed, and shows it when it tells again',
    needs: ['workers'],
    async run({ store }) {
      const worker = aPresence()
      await present(store, worker, T, T + 10)
      deepStrictEqual((await alive(store, T + 9)).length, 1)
      deepStrictEqual(await alive(store, T + 10), [])
      await present(store, worker, T + 30, T + 40)
      deepStrictEqual(await alive(store, T + 39), [{ ...worker, toldAt: T + 30, until: T + 40 }])
    },
  },
  {
    promise: 'forgets a worker that takes leave, and those whose time has passed when any worker tells',
    needs: ['workers'],
    async run({ store }) {
      await present(store, aPresence({ id: 'gone' }), T, T + 10)
      await present(store, aPresence({ id: 'stays' }), T, T + 100)
      await present(store, aPresence({ id: 'leaves' }), T, T + 100)
      await present(store, aPresence({ id: 'leaves' }), T + 20, T + 20)
      // Were they only left out, a look from before their time had passed would still show them.
      deepStrictEqual(
        (await alive(store, T)).map(({ id }) => id),
        ['stays'],
      )
    },
  },
  {
    promise: 'keeps what a worker tells with two hundred runs and many tasks',
    needs: ['workers'],
    async run({ store }) {
      const names = Array.from({ length: 200 }, (_, n) => `task-${n}`)
      const worker = aPresence({
        tasks: names,
        running: 500,
        runs: names.map((task, n) => ({ id: `job-${n}`, task, queue: 'main', attempt: n, since: T - n })),
        tallies: Object.fromEntries(names.map((task, n) => [task, aTally(n)])),
      })
      await present(store, worker, T, T + 10)
      deepStrictEqual(await alive(store, T), [{ ...worker, toldAt: T, until: T + 10 }])
    },
  },
  {
    promise: 'lets many workers tell at once, also all those that come back from the dead',
    needs: ['workers'],
    async run({ store }) {
      const ids = Array.from({ length: 20 }, (_, n) => `w${String(n).padStart(2, '0')}`)
      for (const now of [T, T + 1_000, T + 2_000])
        await Promise.all(ids.map(async (id) => await present(store, aPresence({ id }), now, now + 10)))
      deepStrictEqual(
        (await alive(store, T + 2_000)).map(({ id }) => id),
        ids,
      )
    },
  },
  {
    promise: 'shows the workers of other connections',
    needs: ['workers', 'another'],
    async run({ store, another }) {
      const other = await there(another)()
      await present(other, aPresence({ id: 'theirs' }), T, T + 10)
      await present(store, aPresence({ id: 'ours' }), T, T + 10)
      for (const one of [store, other])
        deepStrictEqual(
          (await alive(one, T)).map(({ id }) => id),
          ['ours', 'theirs'],
        )
    },
  },
]

async function present(store: Store<unknown>, presence: Presence, now: Instant, until: Instant): Promise<void> {
  await store.present?.(presence, now, until)
}

async function alive(store: Store<unknown>, now: Instant): Promise<readonly PresentWorker[]> {
  return there(await store.workers?.(now))
}

/** What a worker tells; what matters is given. */
export function aPresence(given: Partial<Presence> = {}): Presence {
  return {
    id: 'worker',
    host: 'host-1.example',
    pid: 4_711,
    startedAt: T - 60_000,
    version: '0.1.0',
    state: 'working',
    tasks: ['mail', 'résumé'],
    concurrency: 10,
    running: 1,
    runs: [{ id: 'job', task: 'mail', queue: '', attempt: 2, since: T - 10 }],
    tallies: { mail: aTally(7) },
    ...given,
  }
}

function aTally(count: number): TaskTally {
  const spread = { count, sumMs: count * 3, counts: [...spreadBoundsMs, 0].map((_, i) => (i === 0 ? count : 0)) }
  const ends = { completed: count, retrying: 1, failed: 2, snoozed: 3, cancelled: 4, released: 5, lost: 6 }
  return { ends, ran: spread, waited: spread }
}
