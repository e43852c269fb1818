import { deepStrictEqual, rejects } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import { edit } from '../../core/lifecycle.ts'
import type { Batch } from '../../store.ts'
import {
  add,
  addOne,
  aJob,
  fail,
  held,
  holders,
  ids,
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

/** `tx`: inside the transaction of a caller. */
export const transaction: readonly Case[] = [
  {
    promise: 'adds jobs with the commit of the caller: unseen before, due after',
    needs: ['transaction'],
    async run({ store, begin }) {
      await addOne(store, { queue: 'other' })
      const jobs = [aJob(), aJob()]
      const { tx, commit } = await there(begin)()
      deepStrictEqual(
        (await store.insert([batchOf(...jobs)], T, tx)).map(({ ok }) => ok),
        [true],
      )
      deepStrictEqual(await store.get(ids(jobs), tx), jobs)
      deepStrictEqual(await store.get(ids(jobs)), [undefined, undefined])
      await commit()
      deepStrictEqual(await store.get(ids(jobs)), jobs)
      deepStrictEqual(ids(await take(store, { queues: ['main'] })), ids(jobs))
    },
  },
  {
    promise: 'leaves nothing behind when the caller rolls back: no job, no key, no count, no queue',
    needs: ['transaction', 'dedupe'],
    async run({ store, begin }) {
      const known = await addOne(store, { queue: 'known' })
      const before = await dump(store)
      const jobs = [aJob({ queue: 'new', unique: held('a') }), aJob({ queue: 'known', task: 'new', unique: held('b') })]
      const { tx, rollback } = await there(begin)()
      await store.insert([{ ...batchOf(...jobs), writes: [edit(known, { priority: 5 })] }], T, tx)
      await rollback()
      await expectUnchanged(store, before)
      await add(store, ...jobs)
      deepStrictEqual(await store.get(ids(jobs)), jobs)
    },
  },
  {
    promise: 'settles a job with the commit of the caller, or leaves it as it was',
    needs: ['transaction', 'retain'],
    async run({ store, begin }) {
      const job = await run(store)
      const before = await dump(store)
      const lost = await there(begin)()
      deepStrictEqual(await store.apply([succeed(job)], T, lost.tx), [{ ok: true }])
      deepStrictEqual(await store.get([job.id], lost.tx), [succeed(job).after])
      await lost.rollback()
      await expectUnchanged(store, before)
      const kept = await there(begin)()
      deepStrictEqual(await store.apply([succeed(job)], T, kept.tx), [{ ok: true }])
      deepStrictEqual(await read(store, job), job)
      await kept.commit()
      deepStrictEqual(await read(store, job), succeed(job).after)
    },
  },
  {
    promise: 'refuses a stale write inside the transaction of a caller, which can go on and commit',
    needs: ['transaction'],
    async run({ store, begin }) {
      const job = await run(store)
      await put(store, fail(job))
      const added = aJob()
      const { tx, commit } = await there(begin)()
      deepStrictEqual(await store.apply([succeed(job)], T, tx), [{ ok: false, current: fail(job).after }])
      await store.insert([batchOf(added)], T, tx)
      await commit()
      deepStrictEqual(await store.get([job.id, added.id]), [fail(job).after, added])
    },
  },
  {
    promise: 'refuses a batch inside the transaction of a caller, and takes nothing else of it with it',
    needs: ['transaction', 'dedupe'],
    async run({ store, begin }) {
      const holder = await addOne(store, { unique: held('a') })
      const [kept, lost, later] = [aJob(), aJob(), aJob()]
      const { tx, commit } = await there(begin)()
      await store.insert([batchOf(kept)], T, tx)
      const refused = { jobs: [...batchOf(lost).jobs, { job: aJob({ unique: held('a') }), ifHeld: 'refuse' as const }] }
      const result = only(await store.insert([refused], T, tx))
      deepStrictEqual([result.ok, holders(result, 2)], [false, [undefined, holder]])
      await store.insert([batchOf(later)], T, tx)
      await commit()
      deepStrictEqual(await store.get(ids([kept, lost, later])), [kept, undefined, later])
    },
  },
  {
    promise: 'stores nothing of a call that throws, and leaves the transaction of the caller as it was before the call',
    needs: ['transaction'],
    async run({ store, begin }) {
      const known = await addOne(store)
      const [kept, later] = [aJob(), aJob()]
      const { tx, commit } = await there(begin)()
      await store.insert([batchOf(kept)], T, tx)
      const wrong = [batchOf(aJob({ queue: 'new' })), batchOf(aJob({ id: known.id }))]
      await rejects(async () => await store.insert(wrong, T, tx))
      await rejects(async () => await store.insert([batchOf(aJob({ queue: 'new' }), aJob({ lease: 'none' }))], T, tx))
      await store.insert([batchOf(later)], T, tx)
      await commit()
      const left = await dump(store)
      deepStrictEqual(left.jobs, [known, kept, later])
      deepStrictEqual(
        left.queues.map(({ queue, counts }) => [queue, counts.pending]),
        [['main', 3]],
      )
    },
  },
  {
    promise: 'sees its own keys and those of others inside the transaction of a caller',
    needs: ['transaction', 'dedupe'],
    async run({ store, begin }) {
      const holder = await addOne(store, { unique: held('a') })
      const own = aJob({ unique: held('b') })
      const { tx, commit } = await there(begin)()
      await store.insert([batchOf(own)], T, tx)
      const result = only(
        await store.insert([batchOf(aJob({ unique: held('a') }), aJob({ unique: held('b') }))], T, tx),
      )
      deepStrictEqual([result.ok, holders(result, 2)], [true, [holder, own]])
      await commit()
      deepStrictEqual(ids(await take(store)), ids([holder, own]))
    },
  },
  {
    promise: 'counts exactly after many transactions of callers, kept and undone, between calls of its own',
    needs: ['transaction', 'retain', 'priority'],
    async run({ store, begin }) {
      for (let n = 0; n < 8; n++) {
        const active = await run(store, { task: `task-${n % 2}`, priority: n % 3 })
        const { tx, commit, rollback } = await there(begin)()
        await store.apply([n % 2 === 0 ? succeed(active) : fail(active)], T, tx)
        await store.insert([batchOf(aJob({ queue: `queue-${n}`, task: 'mail' }), aJob({ priority: n }))], T, tx)
        await (n % 3 === 0 ? rollback() : commit())
        const { queues } = await dump(store)
        deepStrictEqual(
          queues.map(({ queue }) => queue),
          ['main', ...shown(n)].toSorted(),
        )
      }
    },
  },
  {
    promise: 'takes up what a caller has committed into queues and tasks never seen before',
    needs: ['transaction'],
    async run({ store, begin }) {
      const first = await run(store)
      for (let n = 0; n < 3; n++) {
        const job = aJob({ queue: `queue-${n}`, task: `task-${n}`, priority: n })
        const { tx, commit } = await there(begin)()
        await store.insert([batchOf(job)], T, tx)
        await commit()
        deepStrictEqual(ids(await take(store)), [job.id])
      }
      await put(store, succeed(first))
    },
  },
]

function batchOf(...jobs: readonly Job[]): Batch {
  return { jobs: jobs.map((job) => ({ job, ifHeld: 'keep' })) }
}

/** The queues of the transactions up to `n` that were kept. */
function shown(n: number): readonly string[] {
  return Array.from({ length: n + 1 }, (_, i) => i).flatMap((i) => (i % 3 === 0 ? [] : [`queue-${i}`]))
}
