import { deepStrictEqual } from 'node:assert/strict'

import { type Job, states } from '../../core/job.ts'
import type { JobFilter, Store } from '../../store.ts'
import { add, aJob, at, claim, held, ids, put, run, T, there } from './builders.ts'
import type { Case } from './case.ts'

/** `Store.get` and `Store.list`. */
export const looking: readonly Case[] = [
  {
    promise: 'gets jobs in the order asked for, and undefined for those there are not',
    async run({ store }) {
      const [a, b] = await add(store, aJob(), aJob())
      const gone = await run(store, { queue: 'other' })
      await put(store, { before: gone, after: undefined })
      const wanted = [b, undefined, a, undefined, b]
      deepStrictEqual(await store.get([there(b).id, gone.id, there(a).id, 'nowhere', there(b).id]), wanted)
      deepStrictEqual(await store.get([]), [])
    },
  },
  {
    promise: 'lists the newest id first, or the oldest if asked',
    needs: ['inspect'],
    async run({ store }) {
      const jobs = await add(store, ...['b', 'a', 'd', 'c'].map((id) => aJob({ id })))
      deepStrictEqual(ids(await store.list({ limit: 9 })), ['d', 'c', 'b', 'a'])
      deepStrictEqual(ids(await store.list({ order: 'newest', limit: 2 })), ['d', 'c'])
      deepStrictEqual(ids(await store.list({ order: 'oldest', limit: 9 })), ['a', 'b', 'c', 'd'])
      deepStrictEqual(await store.list({ order: 'oldest', limit: 1 }), [at(jobs, 1)])
      deepStrictEqual(await store.list({ limit: 0 }), [])
    },
  },
  {
    promise: 'narrows by every field of the filter and by all of them together',
    needs: ['inspect', 'retain', 'dedupe'],
    async run({ store }) {
      const jobs = await add(store, ...assorted())
      for (const filter of filters()) {
        const wanted = jobs.filter((job) => matches(job, filter))
        deepStrictEqual(
          { filter, ids: ids(await store.list({ ...filter, order: 'oldest', limit: 1_000 })) },
          { filter, ids: ids(wanted) },
        )
        deepStrictEqual(await store.list({ ...filter, limit: 1_000 }), wanted.toReversed())
      }
    },
  },
  {
    promise: 'lists among those that wait the ones that a claim has set aside, because their concurrency key runs',
    needs: ['inspect', 'concurrency'],
    async run({ store }) {
      const jobs = await add(store, ...['a', 'b', 'c'].map((id) => aJob({ id, concurrencyKey: 'key' })))
      await claim(store, { limit: 9 })
      for (const filter of [{}, { queue: at(jobs, 0).queue }, { task: at(jobs, 0).task }])
        deepStrictEqual(ids(await store.list({ ...filter, state: 'pending', limit: 9 })), ['c', 'b'])
      deepStrictEqual(ids(await store.list({ state: 'pending', after: 'c', limit: 9 })), ['b'])
    },
  },
  {
    promise: 'goes through all pages, in both orders, without a job missing or doubled',
    needs: ['inspect', 'retain', 'dedupe'],
    async run({ store }) {
      await add(store, ...assorted())
      for (const filter of filters()) {
        for (const order of ['newest', 'oldest'] as const) {
          deepStrictEqual(
            await allPages(store, { ...filter, order }),
            await store.list({ ...filter, order, limit: 1_000 }),
          )
        }
      }
    },
  },
  {
    promise: 'goes on behind an id that is gone',
    needs: ['inspect'],
    async run({ store }) {
      const jobs = await add(store, ...Array.from({ length: 5 }, () => aJob()))
      await put(store, { before: at(jobs, 2), after: undefined })
      const after = at(jobs, 2).id
      deepStrictEqual(await store.list({ after, limit: 9 }), [jobs[1], jobs[0]])
      deepStrictEqual(await store.list({ after, order: 'oldest', limit: 9 }), [jobs[3], jobs[4]])
    },
  },
  {
    promise: 'lists from createdFrom on and up to but without createdUntil',
    needs: ['inspect'],
    async run({ store }) {
      const jobs = await add(store, ...[0, 1, 2, 3].map((ms) => aJob({ createdAt: T + ms })))
      const filter = { createdFrom: T + 1, createdUntil: T + 3, order: 'oldest', limit: 9 } as const
      deepStrictEqual(await store.list(filter), jobs.slice(1, 3))
      deepStrictEqual(await store.list({ ...filter, createdFrom: T + 4 }), [])
    },
  },
  {
    promise: 'finds a unique key in every queue and state, held or not',
    needs: ['inspect', 'retain', 'dedupe'],
    async run({ store }) {
      const idle = { key: 'a', until: 'settled', held: false } as const
      const done = { state: 'completed', attempt: 1, finishedAt: T } as const
      const jobs = await add(
        store,
        aJob({ unique: held('a') }),
        aJob({ unique: held('a'), queue: 'other' }),
        aJob({ unique: idle, ...done }),
        aJob({ unique: held('b') }),
        aJob(),
      )
      deepStrictEqual(await store.list({ uniqueKey: 'a', order: 'oldest', limit: 9 }), jobs.slice(0, 3))
      deepStrictEqual(await store.list({ uniqueKey: 'a', queue: 'other', limit: 9 }), [jobs[1]])
      deepStrictEqual(await store.list({ uniqueKey: 'A', limit: 9 }), [])
    },
  },
]

/** Jobs of two queues and tasks in every state, with keys and parents, in the order of their ids. */
function assorted(): readonly Job[] {
  return Array.from({ length: 80 }, (_, n) => {
    const state = at(states, n % 5)
    const runs = { attempt: 1, startedAt: T, lease: `lease-${n}`, leaseUntil: T + n }
    const ended = { attempt: 1, startedAt: T, finishedAt: T + n }
    return aJob({
      queue: n % 7 < 3 ? 'main' : 'bulk',
      task: n % 3 === 0 ? 'mail' : 'call',
      priority: n % 2,
      state,
      createdAt: T + Math.floor(n / 2),
      parent: n % 4 === 0 ? 'job-a' : undefined,
      unique: n % 6 === 0 ? { key: 'key', until: 'settled', held: false } : undefined,
      ...(state === 'running' ? runs : state === 'pending' ? {} : ended),
    })
  })
}

function* filters(): Iterable<Omit<JobFilter, 'limit'>> {
  for (const queue of [undefined, 'main', 'bulk', 'empty'])
    for (const task of [undefined, 'mail', 'unknown'])
      for (const state of [undefined, ...states])
        for (const more of [
          {},
          { parent: 'job-a' },
          { uniqueKey: 'key' },
          { createdFrom: T + 10, createdUntil: T + 30 },
        ])
          yield { queue, task, state, ...more }
}

function matches(job: Job, filter: Omit<JobFilter, 'limit'>): boolean {
  const {
    queue = job.queue,
    task = job.task,
    state = job.state,
    parent = job.parent,
    uniqueKey = job.unique?.key,
  } = filter
  const { createdFrom = job.createdAt, createdUntil = job.createdAt + 1 } = filter
  return (
    job.queue === queue &&
    job.task === task &&
    job.state === state &&
    job.parent === parent &&
    job.unique?.key === uniqueKey &&
    job.createdAt >= createdFrom &&
    job.createdAt < createdUntil
  )
}

/** Gives up after more pages than there can be: a page that begins too early would never end. */
async function allPages(store: Store<unknown>, filter: Omit<JobFilter, 'limit'>): Promise<readonly Job[]> {
  const jobs: Job[] = []
  for (let pages = 0; pages < 100; pages++) {
    const page = await store.list({ ...filter, after: jobs.at(-1)?.id, limit: 3 })
    if (page.length === 0) return jobs
    jobs.push(...page)
  }
  throw new Error('The pages do not end')
}
