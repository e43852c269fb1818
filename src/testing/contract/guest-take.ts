import { deepStrictEqual, ok } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import type { Store } from '../../store.ts'
import { hostileNames, ids, leaseMs, read, succeed, T, take, there, write } from './builders.ts'
import type { Case } from './case.ts'
import { addAll, addJob, another, facts, guestJob, plain } from './guest-builders.ts'

/** `Store.insert` and `Store.claim` of a guest. */
export const guestTaking: readonly Case[] = [
  {
    promise: 'can be made ready again and again, without harm to what is there',
    async run({ store }) {
      const job = await addJob(store)
      await store.migrate()
      deepStrictEqual(facts(await read(store, job)), facts(job))
    },
  },
  {
    promise: 'gives each job an id of its own, and keeps its task, payload and due time',
    needs: ['schedule'],
    async run({ store, tickMs = 1 }) {
      const jobs = [
        guestJob({ task: 'mail' }),
        guestJob({ task: 'sms', runAt: T + tickMs }),
        guestJob({ payload: '["ünïcode 🦉",{"a":[1,2.5,null,true]},"quote\\"s"]' }),
      ]
      await expectKept(store, jobs)
    },
  },
  {
    promise: 'keeps the queue of a job and its priority',
    needs: ['priority', 'queues'],
    async run({ store }) {
      await expectKept(store, [guestJob({ queue: 'main' }), guestJob({ queue: 'other', priority: 7 })])
    },
  },
  {
    promise: 'answers each batch of one call with its own ids, in order',
    needs: ['names'],
    async run({ store }) {
      const batches = [['a', 'b'], [], ['c']].map((tasks) => ({
        jobs: tasks.map((task) => ({ job: guestJob({ task }), ifHeld: 'keep' as const })),
      }))
      const results = await store.insert(batches, T)
      deepStrictEqual(
        results.map((result) => result.ok),
        [true, true, true],
      )
      const given = results.map((result) => result.ids ?? [])
      deepStrictEqual(
        given.map((one) => one.length),
        [2, 0, 1],
      )
      deepStrictEqual(
        (await store.get(given.flat())).map((job) => job?.task),
        ['a', 'b', 'c'],
      )
    },
  },
  {
    promise: 'finds nothing under an id that no job has, whatever it looks like',
    async run({ store }) {
      const job = await addJob(store)
      const others = ['', 'none', '0', '-1', '1e3', '9'.repeat(30), "'; drop table x; --", `${job.id}x`]
      deepStrictEqual(
        (await store.get([...others, job.id])).map((found) => found?.id),
        [...others.map(() => undefined), job.id],
      )
    },
  },
  {
    promise: 'takes names for names, whatever is in them',
    needs: ['names'],
    async run({ store }) {
      const jobs = hostileNames
        .map((name) => guestJob({ task: name, queue: name }))
        .filter((job) => store.refusal?.(job) === undefined)
      ok(jobs.length > 20)
      await addAll(store, jobs)
      for (const { task, queue } of jobs) {
        const taken = await take(store, { tasks: new Map([[task, 9]]), queues: [queue] })
        deepStrictEqual(
          taken.map((job) => [job.task, job.queue]),
          [[task, queue]],
        )
      }
    },
  },
  {
    promise: 'gives a job to the claim that takes it, as running, its attempt counted, and shows it so',
    async run({ store }) {
      const job = await addJob(store)
      const [running] = await take(store, { lease: 'mine' })
      deepStrictEqual(facts(running), { ...facts(job), state: 'running', attempt: 1 })
      deepStrictEqual([running?.lease, running?.leaseUntil], ['mine', T + leaseMs])
      deepStrictEqual(await read(store, job), running)
    },
  },
  {
    promise: 'gives a job once, to this store or another, which sees that it runs, but not as its own',
    needs: ['another'],
    async run(fixture) {
      const { store } = fixture
      const other = await another(fixture)
      const job = await addJob(store)
      deepStrictEqual(ids(await take(store, { lease: 'mine' })), [job.id])
      deepStrictEqual(await take(store), [])
      deepStrictEqual(await take(other), [])
      const seen = there(await read(other, job))
      deepStrictEqual(facts(seen), { ...facts(job), state: 'running', attempt: 1 })
      ok(seen.lease !== undefined && seen.lease !== 'mine')
    },
  },
  {
    promise: 'lets many claim at once, and gives each job to one of them',
    needs: ['names', 'another'],
    async run(fixture) {
      const stores = [fixture.store, await another(fixture), await another(fixture)]
      const added = await addAll(
        fixture.store,
        Array.from({ length: 200 }, (_, n) => guestJob({ task: `task ${n % 5}` })),
      )
      const taken: string[] = []
      const drain = async (store: Store<unknown>): Promise<void> => {
        for (;;) {
          const jobs = await take(store, { limit: 7 })
          if (jobs.length === 0) return
          taken.push(...ids(jobs))
          deepStrictEqual(
            await write(
              store,
              jobs.map((job) => succeed(job)),
            ),
            jobs.map(() => true),
          )
        }
      }
      await Promise.all(stores.flatMap((store) => [drain(store), drain(store)]))
      deepStrictEqual(taken.toSorted(), [...ids(added)].toSorted())
    },
  },
  {
    promise: 'takes the most urgent first, then what was due first, then what was added first',
    needs: ['priority', 'schedule'],
    async run({ store }) {
      const given = [
        { priority: 5, runAt: T },
        { priority: 1, runAt: T },
        { priority: 1, runAt: T - 1 },
        { priority: -3, runAt: T },
        { priority: 1, runAt: T },
      ]
      const added = ids(await addAll(store, given.map(guestJob)))
      deepStrictEqual(
        ids(await take(store)),
        [3, 2, 1, 4, 0].map((n) => added[n]),
      )
    },
  },
  {
    promise: 'keeps that order over all queues, asked for by name or not',
    needs: ['priority', 'queues'],
    async run({ store }) {
      const given = [3, 1, 2, 0].map((priority, n) => guestJob({ priority, queue: `q${n % 2}` }))
      const added = ids(await addAll(store, given))
      deepStrictEqual(ids(await take(store, { limit: 2 })), [added[3], added[1]])
      deepStrictEqual(ids(await take(store, { queues: ['q1', 'q0', 'q0', 'none'] })), [added[2], added[0]])
    },
  },
  {
    promise: 'takes what was due first, then what was added first',
    needs: ['schedule', 'turns'],
    async run({ store, tickMs = 1 }) {
      const [first, second, third] = [T + tickMs, T + 2 * tickMs, T + 3 * tickMs]
      const given = [{ runAt: third }, { runAt: first }, { runAt: second, task: 'sms' }, { runAt: first }]
      const added = ids(await addAll(store, given.map(guestJob)))
      deepStrictEqual(
        ids(await take(store, { now: third })),
        [1, 3, 2, 0].map((n) => added[n]),
      )
    },
  },
  {
    promise: 'takes only the tasks named, at most as many of each as may be',
    needs: ['names'],
    async run({ store }) {
      const added = ids(
        await addAll(
          store,
          ['a', 'a', 'b', 'c', 'a'].map((task) => guestJob({ task })),
        ),
      )
      const tasks = new Map([
        ['a', 2],
        ['b', 5],
        ['none', 5],
      ])
      deepStrictEqual(ids(await take(store, { tasks, queues: ['b', 'none'] })), [added[2]])
      deepStrictEqual(ids(await take(store, { tasks })), [added[0], added[1]])
      deepStrictEqual(ids(await take(store, { tasks: new Map() })), [])
      deepStrictEqual(ids(await take(store, { queues: [] })), [])
      deepStrictEqual(ids(await take(store)), [added[3], added[4]])
    },
  },
  {
    promise: 'takes only the tasks named, at most as many of each as may be, and only from the queues named',
    needs: ['queues'],
    async run({ store }) {
      const given = [
        ['a', 'x'],
        ['a', 'x'],
        ['b', 'x'],
        ['c', 'x'],
        ['a', 'y'],
      ].map(([task = '', queue = '']) => guestJob({ task, queue }))
      const added = ids(await addAll(store, given))
      const tasks = new Map([
        ['a', 1],
        ['b', 5],
        ['none', 5],
      ])
      deepStrictEqual(ids(await take(store, { tasks, queues: ['x'] })), [added[0], added[2]])
      deepStrictEqual(ids(await take(store, { tasks, queues: ['x'], limit: 3 })), [added[1]])
      deepStrictEqual(ids(await take(store, { tasks: new Map() })), [])
      deepStrictEqual(ids(await take(store, { queues: [] })), [])
      deepStrictEqual(ids(await take(store)), [added[3], added[4]])
    },
  },
  {
    promise: 'takes no more than the limit, and for 0 nothing',
    async run({ store }) {
      const added = ids(await addAll(store, [guestJob(), guestJob(), guestJob()]))
      deepStrictEqual(ids(await take(store, { limit: 0 })), [])
      deepStrictEqual(ids(await take(store, { limit: 2 })), added.slice(0, 2))
      deepStrictEqual(ids(await take(store, { limit: 2 })), added.slice(2))
    },
  },
  {
    promise: 'leaves what is not due yet, and says when the next of what was asked for is',
    needs: ['schedule'],
    async run({ store, tickMs = 1 }) {
      const [soon, mid, later, last] = [T + 50 * tickMs, T + 100 * tickMs, T + 200 * tickMs, T + 300 * tickMs]
      const most = store.capabilities.has('priority') ? { first: -1, last: 9 } : { first: 0, last: 0 }
      const given = [
        { runAt: last, priority: most.first },
        { runAt: mid, task: 'sms' },
        { runAt: later, priority: most.last },
        { runAt: soon, task: 'other' },
      ]
      const added = ids(await addAll(store, given.map(guestJob)))
      const tasks = new Map([
        ['mail', 9],
        ['sms', 9],
      ])
      const claim = async (now: number) =>
        await store.claim({ tasks, queues: ['mail'], limit: 9, lease: `at ${now}`, until: now + leaseMs, now })
      deepStrictEqual(await claim(T), { jobs: [], nextRunAt: later, settled: [] })
      deepStrictEqual((await claim(later - 1)).nextRunAt, later)
      const due = await claim(later)
      deepStrictEqual([ids(due.jobs), due.nextRunAt], [[added[2]], last])
      deepStrictEqual(ids((await claim(last)).jobs), [added[0]])
      deepStrictEqual((await claim(last)).nextRunAt, undefined)
    },
  },
]

/** What is added is found again as it was given. */
async function expectKept(store: Store<unknown>, jobs: readonly Job[]): Promise<void> {
  const added = ids(await addAll(store, jobs))
  deepStrictEqual(new Set(added).size, jobs.length)
  deepStrictEqual(
    (await store.get(added)).map((job) => plain(job)),
    jobs.map((job) => plain(job)),
  )
}
