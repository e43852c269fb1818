import { deepStrictEqual, ok, rejects } from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'

import { QueueError, StoreError } from '../../core/errors.ts'
import type { Job } from '../../core/job.ts'
import { cancel, edit, remove } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import type { Batch, Store } from '../../store.ts'
import {
  add,
  addOne,
  aJob,
  at,
  fail,
  held,
  holders,
  hostileNames,
  ids,
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

/** `Store.insert`, but for the rules of unique keys: see `unique.ts` and `batch.ts`. */
export const insert: readonly Case[] = [
  {
    promise: 'adds jobs, and gives each back as it was',
    async run({ store }) {
      const jobs = await add(store, aJob(), full(), aJob({ priority: 32_767 }), aJob({ priority: -32_768 }))
      deepStrictEqual(await store.get(ids(jobs)), jobs)
    },
  },
  {
    promise: 'adds jobs in any state, every field as it was',
    needs: ['retain'],
    async run({ store }) {
      const finished = {
        finishedAt: T + 5,
        forgetAt: T + 10,
        result: '{"ok":true}',
        attempt: 2,
        startedAt: T + 1,
        rev: 4,
      }
      const jobs = await add(
        store,
        full({
          state: 'running',
          lease: 'lease-a',
          leaseUntil: T + 9,
          attempt: 1,
          startedAt: T,
          rev: 1,
          cancel: 'enough',
        }),
        full({ state: 'completed', ...finished, payload: undefined }),
        full({ state: 'failed', ...finished, forgetAt: undefined }),
        full({ state: 'cancelled', ...finished, cancel: 'not wanted', result: undefined }),
        full({ state: 'pending', attempt: 1, startedAt: T, rev: 2 }),
      )
      deepStrictEqual(await store.get(ids(jobs)), jobs)
    },
  },
  {
    promise: 'keeps payloads to the last byte: no payload, empty and unicode texts, bytes, a whole mebibyte',
    async run({ store }) {
      const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i)
      const texts = ['', '""', 'null', '0', '1e400', '{"__proto__":{"a":1}}', '"🦉 é e\u0301 \\ud800 \\u0000 %s $1"']
      const payloads = [
        ...texts,
        '"'.padEnd(1_048_575, 'ü') + '"',
        new Uint8Array(),
        everyByte,
        new Uint8Array(1_048_576).fill(255),
      ]
      const jobs = await add(store, ...payloads.map((payload) => aJob({ payload })))
      // Not deepStrictEqual: it would take minutes to show how two mebibytes differ.
      const stored = await store.get(ids(jobs))
      for (const [i, payload] of payloads.entries())
        ok(isDeepStrictEqual(stored[i]?.payload, payload), `payload ${i} as read`)
      const taken = new Map((await take(store)).map((job) => [job.id, job.payload]))
      for (const { id, payload } of jobs) ok(isDeepStrictEqual(taken.get(id), payload), `the payload of ${id} as taken`)
    },
  },
  {
    promise: 'keeps hostile names as they are, and one apart from another',
    async run({ store }) {
      const jobs = await add(store, ...hostileNames.map((name) => named(name)))
      deepStrictEqual(await store.get(ids(jobs)), jobs)
      for (const [i, name] of hostileNames.entries()) {
        const taken = only(await take(store, { tasks: new Map([[name, 2]]), queues: [name] }))
        deepStrictEqual(taken.id, at(jobs, i).id)
      }
    },
  },
  {
    promise: 'keeps hostile keys as they are, and one apart from another',
    needs: ['dedupe', 'concurrency'],
    async run({ store }) {
      const jobs = await add(
        store,
        ...hostileNames.map((name) => aJob({ unique: held(name, 'settled'), concurrencyKey: name, parent: name })),
      )
      deepStrictEqual(ids(await take(store)), ids(jobs))
      const again = await offer(
        store,
        jobs.map(({ unique }) => aJob({ unique })),
      )
      deepStrictEqual(
        holders(again, jobs.length).map((holder) => holder?.id),
        ids(jobs),
      )
    },
  },
  {
    promise: 'lets the queue without a name be a queue like any other',
    async run({ store }) {
      const [nameless, main] = [await addOne(store, { queue: '' }), await addOne(store, { queue: 'main' })]
      deepStrictEqual(ids(await take(store, { queues: [''] })), [nameless.id])
      deepStrictEqual(ids(await take(store)), [main.id])
    },
  },
  {
    promise: 'adds a thousand jobs in one batch',
    async run({ store }) {
      const jobs = await add(store, ...Array.from({ length: 1_000 }, (_, n) => aJob({ payload: String(n) })))
      deepStrictEqual(await store.get(ids(jobs)), jobs)
      deepStrictEqual(ids(await take(store, { limit: 1_000 })), ids(jobs))
    },
  },
  {
    promise: 'adds nothing when nothing is given',
    async run({ store }) {
      const before = await dump(store)
      deepStrictEqual(await store.insert([], T), [])
      deepStrictEqual(
        (await store.insert([{ jobs: [] }, { jobs: [], writes: [] }], T)).map((result) => result.ok),
        [true, true],
      )
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'refuses the whole call when an id is there already, and changes nothing',
    async run({ store }) {
      const known = await addOne(store, { payload: '1' })
      const again = aJob({ id: known.id, payload: '2', queue: 'other' })
      await expectNothing(store, StoreError, { jobs: plain(aJob(), again) })
      const twice = aJob()
      await expectNothing(store, StoreError, { jobs: plain(aJob()) }, { jobs: plain(twice, twice) })
    },
  },
  {
    promise: 'refuses the whole call for a row that breaks a rule, and changes nothing',
    async run({ store }) {
      const job = await run(store)
      const broken: readonly Partial<Job>[] = [
        { lease: 'lease-a' },
        { state: 'running', attempt: 1 },
        { attempt: 3, maxAttempts: 3 },
        { payload: undefined },
        { finishedAt: T },
        { forgetAt: T },
      ]
      for (const wrong of broken) {
        const good = { jobs: plain(aJob()), writes: [succeed(job)] }
        await expectNothing(store, QueueError, good, { jobs: plain(aJob(wrong)) })
      }
      await expectNothing(store, QueueError, {
        jobs: plain(aJob()),
        writes: [{ before: job, after: { ...job, lease: undefined } }],
      })
    },
  },
]

/** Jobs and writes of one `insert`. */
export const batch: readonly Case[] = [
  {
    promise: 'applies the writes of a batch together with its jobs',
    async run({ store }) {
      const parent = await run(store)
      const child = aJob({ parent: parent.id })
      const done = succeed(parent)
      deepStrictEqual(await insertBatch(store, { jobs: plain(child), writes: [done] }), true)
      deepStrictEqual(await store.get([parent.id, child.id]), [done.after, child])
    },
  },
  {
    promise: 'refuses a batch with a stale write, and changes nothing',
    async run({ store }) {
      const old = await run(store)
      const other = await run(store, { task: 'other' })
      await put(store, fail(old))
      await store.log([{ jobId: other.id, attempt: 1, at: T, level: 'info', message: 'still here', data: undefined }])
      const before = await dump(store)
      const writes = [{ before: other, after: undefined }, succeed(old)]
      deepStrictEqual(await insertBatch(store, { jobs: plain(aJob({ queue: 'new' })), writes }), false)
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'refuses a batch with a write of a job that is gone, and changes nothing',
    async run({ store }) {
      const gone = await addOne(store, { queue: 'gone' })
      await put(store, remove(gone))
      const before = await dump(store)
      const writes = [edit(gone, { priority: 5 }), edit(aJob({ queue: 'never' }), { priority: 5 })]
      for (const one of writes) deepStrictEqual(await insertBatch(store, { jobs: plain(aJob()), writes: [one] }), false)
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'lets a write of a batch build on an earlier one',
    async run({ store }) {
      const job = await run(store)
      const failed = fail(job)
      const edited = edit(failed.after ?? job, { priority: 7 })
      deepStrictEqual(await insertBatch(store, { jobs: plain(aJob()), writes: [failed, edited] }), true)
      deepStrictEqual(await read(store, job), edited.after)
    },
  },
  {
    promise: 'refuses one batch and adds the others of the call, in order',
    async run({ store }) {
      const old = await run(store, { queue: 'old' })
      await put(store, fail(old))
      const [first, second, third] = [aJob(), aJob(), aJob()]
      const results = await store.insert(
        [{ jobs: plain(first) }, { jobs: plain(second), writes: [succeed(old)] }, { jobs: plain(third) }],
        T,
      )
      deepStrictEqual(
        results.map((result) => result.ok),
        [true, false, true],
      )
      deepStrictEqual(await store.get([first.id, second.id, third.id]), [first, undefined, third])
      deepStrictEqual(ids(await take(store, { queues: ['main'] })), [first.id, third.id])
    },
  },
  {
    promise: 'shows a later batch what an earlier one of the call has done, and nothing of one that was refused',
    needs: ['dedupe'],
    async run({ store }) {
      const first = await addOne(store, { unique: held('a') })
      const [added, refused, asking, blocked] = [
        aJob({ unique: held('b') }),
        aJob({ unique: held('c') }),
        aJob({ unique: held('c') }),
        aJob({ unique: held('b') }),
      ]
      const results = await store.insert(
        [
          { jobs: plain(added) },
          { jobs: [...plain(refused), { job: aJob({ unique: held('a') }), ifHeld: 'refuse' }] },
          { jobs: plain(asking, blocked) },
        ],
        T,
      )
      deepStrictEqual(
        results.map((result) => result.ok),
        [true, false, true],
      )
      deepStrictEqual(holders(at(results, 1), 2), [undefined, first])
      deepStrictEqual(holders(at(results, 2), 2), [undefined, added])
      deepStrictEqual(await store.get([added.id, refused.id, asking.id, blocked.id]), [
        added,
        undefined,
        asking,
        undefined,
      ])
    },
  },
  {
    promise: 'leaves no queue and no task behind that only a refused batch has named',
    needs: ['dedupe'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a') })
      const before = await dump(store)
      const jobs = [
        ...plain(aJob({ queue: 'strange', unique: held('b') })),
        { job: aJob({ unique: held('a') }), ifHeld: 'refuse' as const },
      ]
      deepStrictEqual(await insertBatch(store, { jobs }), false)
      const moved = { ...holder, task: 'strange', queue: 'stranger', unique: undefined, rev: 1 }
      const writes = [{ before: holder, after: moved }, edit(aJob(), { priority: 1 })]
      deepStrictEqual(await insertBatch(store, { jobs: [], writes }), false)
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'puts the writes of a batch before its jobs, so that a key given up is free and one taken up is held',
    needs: ['dedupe', 'retain'],
    async run({ store }) {
      const holder = await addOne(store, { unique: held('a', 'settled') })
      const ended = there(cancel(holder, 'superseded', defaultRetention, T))
      const next = aJob({ unique: held('a', 'settled') })
      deepStrictEqual(await insertBatch(store, { jobs: [{ job: next, ifHeld: 'refuse' }], writes: [ended] }), true)
      deepStrictEqual(await store.get([holder.id, next.id]), [ended.after, next])

      const waiting = await run(store, { queue: 'other', unique: held('b') })
      const failed = fail(waiting)
      const results = await store.insert(
        [{ jobs: plain(aJob({ queue: 'other', unique: held('b') })), writes: [failed] }],
        T,
      )
      deepStrictEqual(
        results.map((result) => [result.ok, holders(result, 1)]),
        [[true, [failed.after]]],
      )
    },
  },
]

function full(given: Partial<Job> = {}): Job {
  return aJob({
    task: 'send',
    queue: 'bulk',
    priority: -7,
    runAt: T - 1,
    payload: '{"deep":{"list":[1,2.5,-3e-7,null,true]}}',
    maxAttempts: 7,
    createdAt: T - 1_000,
    unique: { key: 'a', until: T + 5_000, held: false },
    concurrencyKey: 'customer-7',
    failures: [
      { attempt: 1, at: T - 500, name: 'Error', message: 'no\nway 🦉', stack: 'Error: no\n    at x.js:1:2' },
      { attempt: 2, at: T - 400, name: '', message: '' },
    ],
    parent: 'job-000000',
    policy: {
      backoff: { type: 'linear', delayMs: 1, maxMs: 2, jitter: 0.25 },
      timeoutMs: 5_000,
      retention: { ...defaultRetention, completed: null },
      trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'é="\n' },
    },
    ...given,
  })
}

function named(name: string): Job {
  return aJob({ task: name, queue: name })
}

function plain(...jobs: readonly Job[]): Batch['jobs'] {
  return jobs.map((job) => ({ job, ifHeld: 'keep' }))
}

/** Inserts one batch and says whether it was stored. */
async function insertBatch(store: Store<unknown>, given: Batch): Promise<boolean> {
  return only(await store.insert([given], T)).ok
}

/** The call throws, and nothing of it was stored. */
async function expectNothing(
  store: Store<unknown>,
  error: { [Symbol.hasInstance](thrown: unknown): boolean },
  ...batches: readonly Batch[]
): Promise<void> {
  const before = await dump(store)
  await rejects(
    async () => await store.insert(batches, T),
    (thrown) => thrown instanceof error,
  )
  await expectUnchanged(store, before)
}
