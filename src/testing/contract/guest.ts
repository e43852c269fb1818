import { deepStrictEqual, ok } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import { edit, remove } from '../../core/lifecycle.ts'
import type { Store } from '../../store.ts'
import {
  aJob,
  at,
  ends,
  fail,
  hostileNames,
  ids,
  leaseMs,
  offer,
  only,
  put,
  read,
  succeed,
  T,
  take,
  there,
  write,
} from './builders.ts'
import type { Case, Fixture } from './case.ts'
import { connection } from './connection.ts'

/**
 * The promises of `store.ts` that a guest can keep, a store over the format of another queue: told in what every such format has. What else a Job
 * says, a format need not remember; and it gives ids of its own.
 */
export const guestContract: readonly Case[] = [
  ...connection.slice(0, 1),
  {
    promise: 'can be made ready again and again, without harm to what is there',
    async run({ store }) {
      const job = await addJob(store)
      await store.migrate()
      deepStrictEqual(facts(await read(store, job)), facts(job))
    },
  },
  {
    promise: 'gives each job an id of its own, and keeps its task, queue, payload, priority and due time',
    async run({ store }) {
      const jobs = [
        guestJob({ task: 'mail', queue: 'main' }),
        guestJob({ task: 'sms', queue: 'other', priority: 7, runAt: T + 1 }),
        guestJob({ payload: '["ünïcode 🦉",{"a":[1,2.5,null,true]},"quote\\"s"]' }),
      ]
      const added = await addAll(store, jobs)
      deepStrictEqual(new Set(ids(added)).size, 3)
      const found = (await store.get(ids(added))).map((job) => plain(job))
      deepStrictEqual(
        found,
        jobs.map((job) => plain(job)),
      )
    },
  },
  {
    promise: 'answers each batch of one call with its own ids, in order',
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
    needs: ['another'],
    async run(fixture) {
      const stores = [fixture.store, await another(fixture), await another(fixture)]
      const added = await addAll(
        fixture.store,
        Array.from({ length: 200 }, (_, n) => guestJob({ queue: `q${n % 3}`, task: n % 2 === 0 ? 'mail' : 'sms' })),
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
    needs: ['priority'],
    async run({ store }) {
      const given = [3, 1, 2, 0].map((priority, n) => guestJob({ priority, queue: `q${n % 2}` }))
      const added = ids(await addAll(store, given))
      deepStrictEqual(ids(await take(store, { limit: 2 })), [added[3], added[1]])
      deepStrictEqual(ids(await take(store, { queues: ['q1', 'q0', 'q0', 'none'] })), [added[2], added[0]])
    },
  },
  {
    promise: 'takes only the tasks named, at most as many of each as may be, and only from the queues named',
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
    needs: ['schedule', 'priority'],
    async run({ store }) {
      const given = [
        { runAt: T + 300, priority: -1 },
        { runAt: T + 100, task: 'sms' },
        { runAt: T + 200, priority: 9 },
        { runAt: T + 50, queue: 'other' },
      ]
      const added = ids(await addAll(store, given.map(guestJob)))
      const tasks = new Map([['mail', 9]])
      const claim = async (now: number) =>
        await store.claim({ tasks, queues: ['main'], limit: 9, lease: `at ${now}`, until: now + leaseMs, now })
      deepStrictEqual(await claim(T), { jobs: [], nextRunAt: T + 200, settled: [] })
      deepStrictEqual((await claim(T + 199)).nextRunAt, T + 200)
      const due = await claim(T + 200)
      deepStrictEqual([ids(due.jobs), due.nextRunAt], [[added[2]], T + 300])
      deepStrictEqual(ids((await claim(T + 300)).jobs), [added[0]])
      deepStrictEqual((await claim(T + 300)).nextRunAt, undefined)
    },
  },
  {
    promise: 'settles before it claims, in one call, and answers for each write',
    async run({ store }) {
      const [first, second] = await addAll(store, [guestJob(), guestJob()])
      const running = only(await take(store, { limit: 1 }))
      const stale = { ...running, lease: 'never', rev: running.rev + 9 }
      const { jobs, settled } = await store.claim({
        tasks: undefined,
        limit: 9,
        lease: 'next',
        until: T + leaseMs,
        now: T,
        settle: [ends(running, { kind: 'released' }), succeed({ ...stale, id: there(second).id })],
      })
      deepStrictEqual(
        settled.map((result) => result.ok),
        [true, false],
      )
      deepStrictEqual(ids(jobs), [there(first).id, there(second).id])
    },
  },
  {
    promise: 'never gives a job again that has succeeded',
    async run({ store }) {
      const job = await run(store)
      await put(store, succeed(job))
      deepStrictEqual(await take(store, { now: T + 1e9 }), [])
      const after = await read(store, job)
      ok(after === undefined || after.state === 'completed')
    },
  },
  {
    promise: 'keeps a job that has failed for its next attempt: when due, its failure noted, the attempt used',
    async run({ store }) {
      const job = await run(store)
      await put(store, fail(job))
      const waiting = there(await read(store, job))
      deepStrictEqual(facts(waiting), { ...facts(job), state: 'pending', attempt: 1, runAt: T + 5_000 })
      ok(waiting.failures.at(-1)?.message.includes('smoke'))
      deepStrictEqual(await take(store, { now: T + 4_999 }), [])
      const again = only(await take(store, { now: T + 5_000 }))
      deepStrictEqual([again.id, again.attempt], [job.id, 2])
    },
  },
  {
    promise: 'gives a job back as it was when it is released, its attempt not used',
    async run({ store }) {
      const job = await run(store)
      await put(store, ends(job, { kind: 'released' }))
      deepStrictEqual(facts(await read(store, job)), { ...facts(job), state: 'pending', attempt: 0 })
      deepStrictEqual(only(await take(store)).attempt, 1)
    },
  },
  {
    promise: 'puts a snoozed job off, its attempt not used',
    needs: ['schedule'],
    async run({ store }) {
      const job = await run(store)
      await put(store, ends(job, { kind: 'snoozed', runAt: T + 100 }))
      deepStrictEqual(facts(await read(store, job)), { ...facts(job), state: 'pending', attempt: 0, runAt: T + 100 })
      deepStrictEqual(await take(store, { now: T + 99 }), [])
      deepStrictEqual(only(await take(store, { now: T + 100 })).attempt, 1)
    },
  },
  {
    promise: 'stores the end of a run once, and shows whoever comes second what is there',
    async run({ store }) {
      const job = await run(store)
      await put(store, fail(job))
      const waiting = await read(store, job)
      deepStrictEqual(await store.apply([succeed(job)], T), [{ ok: false, current: waiting }])
      const again = only(await take(store, { now: T + 5_000 }))
      deepStrictEqual(await write(store, [succeed(job)]), [false])
      await put(store, succeed(again))
    },
  },
  {
    promise: 'takes no end of a run from a store that does not hold the job',
    needs: ['another'],
    async run(fixture) {
      const job = await run(fixture.store)
      const other = await another(fixture)
      deepStrictEqual(await write(other, [succeed(job), fail(job)]), [false, false])
      deepStrictEqual(await write(other, [remove({ ...job, state: 'pending', lease: undefined })]), [false])
      await put(fixture.store, succeed(job))
    },
  },
  {
    promise: 'renews what is held, and nothing else',
    needs: ['another'],
    async run(fixture) {
      const { store } = fixture
      const job = await run(store)
      const own = { id: job.id, lease: there(job.lease) }
      const [renewed, not] = await store.renew([own, { ...own, lease: 'never' }], T + 2 * leaseMs, T)
      ok(renewed !== undefined && 'rev' in renewed && renewed.rev > job.rev && renewed.cancel === undefined)
      deepStrictEqual(not, undefined)
      deepStrictEqual((await read(store, job))?.leaseUntil, T + 2 * leaseMs)
      deepStrictEqual(await (await another(fixture)).renew([own], T + leaseMs, T), [undefined])
      await put(store, succeed(there(await read(store, job))))
      deepStrictEqual(await store.renew([own], T + leaseMs, T), [undefined])
    },
  },
  {
    promise: 'lets go of what it holds when it closes: another takes it, at the same attempt',
    needs: ['another'],
    closes: true,
    async run(fixture) {
      const job = await run(fixture.store)
      const other = await another(fixture)
      deepStrictEqual(await take(other), [])
      await fixture.store.close()
      const again = only(await take(other))
      deepStrictEqual([again.id, again.attempt], [job.id, 1])
      await put(other, succeed(again))
    },
  },
  {
    promise: 'changes a job that waits, unless somebody has since',
    needs: ['priority', 'schedule'],
    async run({ store }) {
      const job = await addJob(store)
      const before = there(await read(store, job))
      await put(store, edit(before, { payload: '["eve"]', priority: 3, runAt: T + 7 }))
      const after = there(await read(store, job))
      deepStrictEqual(facts(after), { ...facts(job), payload: '["eve"]', priority: 3, runAt: T + 7 })
      deepStrictEqual(await store.apply([edit(before, { priority: 4 })], T), [{ ok: false, current: after }])
      const running = only(await take(store, { now: T + 7 }))
      deepStrictEqual(await store.apply([edit(after, { priority: 4 })], T), [{ ok: false, current: running }])
    },
  },
  {
    promise: 'removes a job that waits, and refuses to write to what is gone',
    async run({ store }) {
      const before = there(await read(store, await addJob(store)))
      await put(store, remove(before))
      deepStrictEqual(await read(store, before), undefined)
      deepStrictEqual(await store.apply([remove(before)], T), [{ ok: false, current: undefined }])
    },
  },
  {
    promise: 'lists what is asked for, the newest first or the oldest, page by page',
    needs: ['inspect'],
    async run({ store }) {
      const added = ids(await addAll(store, [{ task: 'a' }, { task: 'b', queue: 'q' }, { task: 'a' }].map(guestJob)))
      const [newest, oldest] = [added.toReversed(), added]
      deepStrictEqual(ids(await store.list({ limit: 9 })), newest)
      deepStrictEqual(ids(await store.list({ limit: 2, order: 'oldest' })), oldest.slice(0, 2))
      deepStrictEqual(ids(await store.list({ limit: 2, order: 'oldest', after: at(oldest, 1) })), oldest.slice(2))
      deepStrictEqual(ids(await store.list({ limit: 9, after: at(newest, 0) })), newest.slice(1))
      deepStrictEqual(ids(await store.list({ limit: 9, task: 'a' })), [added[2], added[0]])
      deepStrictEqual(ids(await store.list({ limit: 9, queue: 'q' })), [added[1]])
      const [running] = await take(store, { limit: 1 })
      deepStrictEqual(await store.list({ limit: 9, state: 'running' }), [running])
      deepStrictEqual(ids(await store.list({ limit: 9, state: 'pending' })), [added[2], added[1]])
    },
  },
  {
    promise: 'counts each queue and task, by state, and knows when the next falls due',
    async run({ store }) {
      await addAll(store, [{ task: 'a' }, { task: 'b' }, { task: 'b', queue: 'q' }].map(guestJob))
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
        deepStrictEqual(await write(store, [fail(job)]), [!commits])
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
      deepStrictEqual(await write(store, [fail(job)]), [false])
      deepStrictEqual(await take(store, { now: T + 1e9 }), [])
    },
  },
]

/** A job that every format can hold. */
function guestJob(given: Partial<Job> = {}): Job {
  return aJob({ payload: '["ada",1]', ...given })
}

/** Adds jobs, and gives them with the ids that they were given. */
async function addAll(store: Store<unknown>, jobs: readonly Job[]): Promise<readonly Job[]> {
  const result = await offer(store, jobs)
  ok(result.ok)
  return jobs.map((job, i) => ({ ...job, id: result.ids?.[i] ?? job.id }))
}

async function addJob(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  return only(await addAll(store, [guestJob(given)]))
}

/** Adds a job and claims it. */
async function run(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  const job = await addJob(store, given)
  return only(await take(store, { tasks: new Map([[job.task, 1]]), queues: [job.queue] }))
}

/** One more store on the same jobs. */
async function another({ another: open }: Fixture): Promise<Store<unknown>> {
  const store = await there(open)()
  await store.migrate()
  return store
}

/** What every format keeps of a job; its payload as a value, since JSON can be written in more ways than one. */
function plain(job: Job | undefined): object {
  const { id: _, ...rest } = facts(job)
  return { ...rest, payload: JSON.parse(String(rest.payload)) }
}

function facts(
  given: Job | undefined,
): Pick<Job, 'id' | 'task' | 'queue' | 'priority' | 'payload' | 'runAt' | 'state' | 'attempt'> {
  const { id, task, queue, priority, payload, runAt, state, attempt } = there(given)
  return {
    id,
    task,
    queue,
    priority,
    payload: String(payload).replaceAll(', ', ',').replaceAll(': ', ':'),
    runAt,
    state,
    attempt,
  }
}
