import { deepStrictEqual } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import { cancel, edit, remove, retry, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import type { Store } from '../../store.ts'
import {
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

const a = { concurrencyKey: 'a' }

/** One at a time per concurrency key. */
export const concurrency: readonly Case[] = [
  {
    promise: 'never runs two jobs of one concurrency key, and takes the first in order',
    needs: ['concurrency'],
    async run({ store }) {
      const jobs = await add(
        store,
        aJob(a),
        aJob(a),
        aJob({ ...a, runAt: T - 1 }),
        aJob({ concurrencyKey: 'b' }),
        aJob(),
      )
      deepStrictEqual(
        ids(await take(store)),
        [2, 3, 4].map((i) => at(jobs, i).id),
      )
      deepStrictEqual(await take(store), [])
    },
  },
  {
    promise: 'takes the next of a key once the running one has come to any end',
    needs: ['concurrency'],
    async run({ store }) {
      const finishes: readonly ((job: Job) => Write)[] = [
        succeed,
        fail,
        (job) => ends(job, { kind: 'failed', error: 'no', remaining: 0 }),
        (job) => ends(job, { kind: 'cancelled', reason: 'no' }),
        (job) => ends(job, { kind: 'snoozed', runAt: T + 60_000 }),
        (job) => ends(job, { kind: 'expired' }),
        (job) => ({ before: job, after: undefined }),
      ]
      await add(store, ...Array.from({ length: finishes.length + 1 }, () => aJob(a)))
      for (const finish of finishes) {
        const [job, ...more] = await take(store)
        deepStrictEqual(more, [])
        deepStrictEqual(await take(store), [])
        await put(store, finish(there(job)))
      }
      deepStrictEqual((await take(store)).length, 1)
    },
  },
  {
    promise: 'holds a key as long as the job runs, lease or no lease, until it is rescued',
    needs: ['concurrency'],
    async run({ store }) {
      await run(store, a)
      const next = await addOne(store, a)
      const late = T + 10 * leaseMs
      deepStrictEqual(await take(store, { now: late }), [])
      const lost = only((await store.expired(late, 10)).jobs)
      await put(store, ends(lost, { kind: 'expired' }, late))
      deepStrictEqual(ids(await take(store, { now: late })), [next.id])
    },
  },
  {
    promise: 'keeps the concurrency keys of each queue apart, and apart from unique keys',
    needs: ['concurrency', 'dedupe'],
    async run({ store }) {
      await run(store, { ...a, unique: { key: 'b', until: 'settled', held: true } })
      const [other, unique] = await add(
        store,
        aJob({ ...a, queue: 'other' }),
        aJob({ unique: { key: 'a', until: 'settled', held: true }, concurrencyKey: 'b' }),
        aJob(a),
      )
      deepStrictEqual(ids(await take(store)), [there(other).id, there(unique).id])
    },
  },
  {
    promise: 'takes the others past hundreds of jobs whose key is busy, in order, claim after claim',
    needs: ['concurrency'],
    async run({ store }) {
      const busy = await run(store, { ...a, runAt: T - 9 })
      const blocked = await add(store, ...Array.from({ length: 700 }, () => aJob({ ...a, runAt: T - 5 })))
      const others = await add(
        store,
        ...Array.from({ length: 6 }, (_, n) => aJob(n % 2 === 0 ? {} : { concurrencyKey: `key-${n}` })),
      )
      deepStrictEqual(ids(await take(store, { limit: 1 })), [at(others, 0).id])
      deepStrictEqual(ids(await take(store, { limit: 3 })), ids(others.slice(1, 4)))
      await put(store, succeed(busy))
      deepStrictEqual(ids(await take(store)), ids([at(blocked, 0), ...others.slice(4)]))
    },
  },
  {
    promise: 'goes through a long line of one key in order, one settled and the next taken in each call',
    needs: ['concurrency'],
    async run({ store }) {
      const jobs = await add(store, ...Array.from({ length: 60 }, (_, n) => aJob({ ...a, task: `task-${n % 3}` })))
      const order: string[] = []
      let settle: readonly Write[] = []
      for (let n = 0; n < jobs.length; n++) {
        const { jobs: taken } = await claim(store, { settle, limit: 5 })
        order.push(...ids(taken))
        settle = taken.map((job) => succeed(job))
      }
      deepStrictEqual(order, ids(jobs))
    },
  },
  {
    promise: 'lets a job of one key with a better priority go before those that have waited for it',
    needs: ['concurrency', 'priority'],
    async run({ store }) {
      const first = await run(store, a)
      const [low, high, urgent] = await add(
        store,
        aJob({ ...a, priority: 5 }),
        aJob({ ...a, priority: -5 }),
        aJob({ ...a, priority: 0 }),
      )
      deepStrictEqual(await take(store), [])
      const latest = await addOne(store, { ...a, priority: -9, runAt: T + 1 })
      let settle = [succeed(first)]
      const order: string[] = []
      for (let n = 0; n < 4; n++) {
        const job = only(await take(store, { settle, now: T + n }))
        order.push(job.id)
        settle = [succeed(job)]
      }
      deepStrictEqual(order, ids([high, latest, urgent, low].map(there)))
    },
  },
  {
    promise: 'is not held up by the first of a key when this worker does not know its task, or may take no more of it',
    needs: ['concurrency'],
    async run({ store }) {
      const [unknown, none, known] = await add(
        store,
        aJob({ ...a, task: 'unknown' }),
        aJob({ ...a, task: 'none' }),
        aJob(a),
      )
      const tasks = new Map([
        ['mail', 5],
        ['none', 0],
      ])
      deepStrictEqual(ids(await take(store, { tasks })), [there(known).id])
      deepStrictEqual(await store.get(ids([there(unknown), there(none)])), [unknown, none])
    },
  },
  {
    promise: 'keeps the line of a key when its jobs are edited, cancelled or removed while they wait behind',
    needs: ['concurrency', 'retain'],
    async run({ store }) {
      const first = await run(store, a)
      const line = await add(store, ...Array.from({ length: 6 }, () => aJob(a)))
      deepStrictEqual(await take(store), [])
      await put(
        store,
        remove(at(line, 0)),
        cancel(at(line, 1), 'no', defaultRetention, T),
        edit(at(line, 2), { runAt: T + 5 }),
        edit(at(line, 4), { priority: -1 }),
        edit(at(line, 5), { runAt: T - 5 }),
      )
      deepStrictEqual(await take(store), [])
      await expectLine(
        store,
        first,
        [4, 5, 3, 2].map((i) => at(line, i).id),
      )
    },
  },
  {
    promise: 'keeps the line of a key when the one whose turn it is goes away or is put off',
    needs: ['concurrency', 'retain'],
    async run({ store }) {
      const first = await run(store, a)
      const line = await add(store, ...Array.from({ length: 5 }, () => aJob(a)))
      deepStrictEqual(await take(store), [])
      await put(store, succeed(first))
      await put(store, remove(at(line, 0)))
      await put(store, edit(at(line, 1), { runAt: T + 5 }))
      await put(store, cancel(at(line, 2), 'no', defaultRetention, T))
      const next = only(await take(store))
      deepStrictEqual(next.id, at(line, 3).id)
      await expectLine(
        store,
        next,
        [4, 1].map((i) => at(line, i).id),
      )
    },
  },
  {
    promise: 'lets a retried job of a key join the line again',
    needs: ['concurrency', 'retain'],
    async run({ store }) {
      const done = succeed(await run(store, a))
      await put(store, done)
      const [active, waiting] = [await run(store, a), await addOne(store, a)]
      await put(store, retry(there(done.after), T - 1))
      deepStrictEqual(await take(store), [])
      await expectLine(store, active, ids([done.before, waiting]))
    },
  },
  {
    promise: 'lets go of the old key when a waiting job is given another, or none',
    needs: ['concurrency'],
    async run({ store }) {
      const active = await run(store, a)
      const [one, two, three] = (await add(store, aJob(a), aJob(a), aJob(a))).map((job) => job)
      deepStrictEqual(await take(store), [])
      await put(store, rekey(there(one), undefined), rekey(there(two), 'b'))
      deepStrictEqual(ids(await take(store)), ids([there(one), there(two)]))
      await put(store, succeed(active))
      deepStrictEqual(ids(await take(store)), [there(three).id])
    },
  },
  {
    promise: 'shows jobs that wait for their key like any other that waits',
    needs: ['concurrency', 'inspect'],
    async run({ store }) {
      await run(store, a)
      const [first, second] = await add(store, aJob({ ...a, runAt: T - 3 }), aJob(a))
      deepStrictEqual(await take(store), [])
      deepStrictEqual(await store.list({ state: 'pending', order: 'oldest', limit: 9 }), [first, second])
      deepStrictEqual(only(await store.queues()).nextRunAt, T - 3)
      deepStrictEqual((await read(store, there(first)))?.rev, 0)
    },
  },
  {
    promise: 'obeys the limit of a queue and its concurrency keys together',
    needs: ['concurrency', 'limits'],
    async run({ store }) {
      await store.configure('main', { concurrency: 2 })
      const jobs = await add(store, aJob(a), aJob(a), aJob(), aJob())
      const [first, second] = await take(store)
      deepStrictEqual(ids([there(first), there(second)]), ids([at(jobs, 0), at(jobs, 2)]))
      deepStrictEqual(await take(store), [])
      deepStrictEqual(ids(await take(store, { settle: [succeed(there(second))] })), [at(jobs, 3).id])
      deepStrictEqual(ids(await take(store, { settle: [succeed(there(first))] })), [at(jobs, 1).id])
    },
  },
  {
    promise: 'counts what runs elsewhere: two connections never run one key twice',
    needs: ['concurrency', 'another'],
    async run({ store, another }) {
      const other = await there(another)()
      const jobs = await add(
        store,
        ...Array.from({ length: 8 }, (_, n) => aJob({ concurrencyKey: n % 2 === 0 ? 'a' : 'b' })),
      )
      const order: string[] = []
      for (let n = 0; n < 4; n++) {
        const taken = (await Promise.all([take(store), take(other)])).flat()
        deepStrictEqual(new Set(taken.map((job) => job.concurrencyKey)), new Set(['a', 'b']))
        order.push(...ids(taken).toSorted())
        await put(n % 2 === 0 ? store : other, ...taken.map((job) => succeed(job)))
      }
      deepStrictEqual(order, ids(jobs))
    },
  },
]

/** Settles the running job, then each that comes, and looks at who comes. */
async function expectLine(store: Store<unknown>, active: Job, line: readonly string[]): Promise<void> {
  const order: string[] = []
  let last = active
  for (let n = 0; n < line.length; n++) {
    last = only(await take(store, { settle: [succeed(last)], now: T + 100 }))
    order.push(last.id)
  }
  deepStrictEqual(order, line)
}

function rekey(job: Job, concurrencyKey: string | undefined): Write {
  return { before: job, after: { ...job, concurrencyKey, rev: job.rev + 1 } }
}
