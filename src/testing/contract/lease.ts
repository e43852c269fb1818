import { deepStrictEqual } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import { cancel, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import type { Renewal } from '../../store.ts'
import {
  add,
  addOne,
  aJob,
  at,
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

const end = T + leaseMs

/** `Store.renew`. */
export const renew: readonly Case[] = [
  {
    promise: 'moves the end of a lease; that is a change, so rev grows, and nothing else does',
    async run({ store }) {
      const job = await run(store)
      deepStrictEqual(await store.renew([leaseOf(job)], end + 5, T + 1), [{ rev: job.rev + 1, cancel: undefined }])
      deepStrictEqual(await read(store, job), { ...job, leaseUntil: end + 5, rev: job.rev + 1 })
    },
  },
  {
    promise: 'renews in the last millisecond of a lease, and not at its end',
    async run({ store }) {
      const job = await run(store)
      const before = await dump(store)
      deepStrictEqual(await store.renew([leaseOf(job)], end + leaseMs, end), [undefined])
      await expectUnchanged(store, before)
      deepStrictEqual(await store.renew([leaseOf(job)], end + leaseMs, end - 1), [{ rev: 2, cancel: undefined }])
    },
  },
  {
    promise: 'never revives a lease that ran out, even if nobody has taken the job since',
    async run({ store }) {
      const job = await run(store)
      const before = await dump(store)
      for (const late of [end, end + 1, end + 99 * leaseMs]) {
        deepStrictEqual(await store.renew([leaseOf(job)], late + leaseMs, late), [undefined])
      }
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'renews only for the lease that is held now',
    async run({ store }) {
      const first = await run(store)
      await put(store, ends(first, { kind: 'released' }))
      const second = only(await take(store))
      const waiting = await addOne(store, { runAt: T + 1 })
      const done = await run(store)
      await put(store, fail(done))
      const gone = await run(store)
      await put(store, { before: gone, after: undefined })
      const before = await dump(store)
      const old: readonly Renewal[] = [
        leaseOf(first),
        { id: second.id, lease: 'lease-of-nobody' },
        { id: waiting.id, lease: there(second.lease) },
        leaseOf(done),
        leaseOf(gone),
        { id: 'nowhere', lease: there(second.lease) },
      ]
      deepStrictEqual(
        await store.renew(old, end + 1, T),
        old.map(() => undefined),
      )
      await expectUnchanged(store, before)
      deepStrictEqual(await store.renew([leaseOf(second)], end + 1, T), [{ rev: second.rev + 1, cancel: undefined }])
    },
  },
  {
    promise: 'answers many renewals in the order asked, each on its own',
    async run({ store }) {
      await add(store, aJob(), aJob(), aJob())
      const [a, b, c] = await take(store)
      await put(store, succeed(there(b)))
      const answers = await store.renew(
        [c, b, a].map((job) => leaseOf(there(job))),
        end + 1,
        T,
      )
      deepStrictEqual(answers, [{ rev: 2, cancel: undefined }, undefined, { rev: 2, cancel: undefined }])
    },
  },
  {
    promise: 'tells who renews that somebody asked for the job to stop, and why',
    needs: ['cancel'],
    async run({ store }) {
      const job = await run(store)
      await put(store, cancel(job, 'not wanted', defaultRetention, T))
      deepStrictEqual(await store.renew([leaseOf(job)], end + 1, T), [{ rev: 3, cancel: 'not wanted' }])
    },
  },
  {
    promise: 'renews a lease again and again',
    async run({ store }) {
      const job = await run(store)
      for (let n = 1; n <= 5; n++) {
        const now = T + n * (leaseMs - 1)
        deepStrictEqual(await store.renew([leaseOf(job)], now + leaseMs, now), [{ rev: n + 1, cancel: undefined }])
      }
      deepStrictEqual(await store.renew([], end, T), [])
    },
  },
]

/** `Store.expired`. */
export const expiry: readonly Case[] = [
  {
    promise: 'finds a job whose lease ends at this very instant, and not a millisecond before',
    async run({ store }) {
      const job = await run(store)
      deepStrictEqual(await store.expired(end - 1, 9), { jobs: [], nextAt: end })
      deepStrictEqual(await store.expired(end, 9), { jobs: [job], nextAt: undefined })
    },
  },
  {
    promise: 'finds the earliest first, no more than the limit, and says when the next lease will run out',
    async run({ store }) {
      await add(store, ...Array.from({ length: 5 }, () => aJob()))
      const [a, b, c, d, e] = (
        await Promise.all([30, 10, 20, 50, 40].map(async (ms) => only(await take(store, { limit: 1, until: T + ms }))))
      ).map(there)
      deepStrictEqual(await store.expired(T + 9, 9), { jobs: [], nextAt: T + 10 })
      deepStrictEqual(await store.expired(T + 30, 9), { jobs: [b, c, a], nextAt: T + 40 })
      deepStrictEqual(await store.expired(T + 30, 2), { jobs: [b, c], nextAt: T + 40 })
      deepStrictEqual(await store.expired(T + 99, 9), { jobs: [b, c, a, e, d], nextAt: undefined })
    },
  },
  {
    promise: 'changes nothing by looking',
    async run({ store }) {
      await run(store)
      const before = await dump(store)
      await store.expired(end, 9)
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'finds no job that was renewed, waits or has finished',
    async run({ store }) {
      const [renewed, failed, done] = [await run(store), await run(store), await run(store)]
      await store.renew([leaseOf(renewed)], end + 1, T)
      await put(store, fail(failed), succeed(done))
      deepStrictEqual(await store.expired(end, 9), { jobs: [], nextAt: end + 1 })
    },
  },
  {
    promise: 'lets two rescuers race without harm, and refuses the worker that comes too late',
    async run({ store }) {
      const job = await run(store)
      const seen = [await store.expired(end, 9), await store.expired(end, 9)]
      const rescues = seen.map(({ jobs }): readonly Write[] => jobs.map((lost) => ends(lost, { kind: 'expired' }, end)))
      const answers = await Promise.all(rescues.map(async (writes) => await store.apply(writes, end)))
      deepStrictEqual(answers.flat().filter(({ ok }) => ok).length, 1)
      const rescued = at(at(rescues, 0), 0).after
      deepStrictEqual(await store.apply([succeed(job)], end), [{ ok: false, current: rescued }])
      deepStrictEqual(await read(store, job), rescued)
    },
  },
  {
    promise: 'gives a rescued job to the next claim, its attempt used up',
    async run({ store }) {
      const job = await run(store, { maxAttempts: 2 })
      await put(store, ends(job, { kind: 'expired' }, end))
      const second = only(await take(store, { now: end + 5_000 }))
      deepStrictEqual([second.id, second.attempt], [job.id, 2])
      const lost = only((await store.expired(end + 5_000 + leaseMs, 9)).jobs)
      const last = ends(lost, { kind: 'expired' }, end + 5_000 + leaseMs)
      await put(store, last)
      deepStrictEqual(last.after?.state, 'failed')
      deepStrictEqual(ids(await take(store, { now: end + 99 * leaseMs })), [])
    },
  },
]

/** `Store.prune`. */
export const prune: readonly Case[] = [
  {
    promise: 'forgets a job at the very instant it is due to be forgotten, and not a millisecond before',
    needs: ['retain'],
    async run({ store }) {
      const [job] = await add(store, finished(T + 100))
      deepStrictEqual(await store.prune(T + 99, 9), 0)
      deepStrictEqual(await read(store, there(job)), job)
      deepStrictEqual(await store.prune(T + 100, 9), 1)
      deepStrictEqual(await read(store, there(job)), undefined)
    },
  },
  {
    promise: 'forgets the earliest due first, no more than the limit, and says how many',
    needs: ['retain'],
    async run({ store }) {
      const jobs = await add(store, finished(T + 3), finished(T + 1), finished(T + 4), finished(T + 2))
      deepStrictEqual(await store.prune(T + 9, 2), 2)
      deepStrictEqual(await store.get(ids(jobs)), [jobs[0], undefined, jobs[2], undefined])
      deepStrictEqual(await store.prune(T + 9, 9), 2)
      deepStrictEqual(await store.prune(T + 9, 9), 0)
    },
  },
  {
    promise: 'never forgets what waits, runs, is kept for ever, or was retried',
    needs: ['retain'],
    async run({ store }) {
      const kept = await add(store, aJob({ runAt: T + 1 }), finished(undefined))
      const active = await run(store)
      const [retried] = await add(store, finished(T))
      const again = {
        before: there(retried),
        after: {
          ...aJob(there(retried)),
          state: 'pending' as const,
          finishedAt: undefined,
          forgetAt: undefined,
          rev: 3,
          runAt: T + 1,
        },
      }
      await put(store, again)
      const before = await dump(store)
      deepStrictEqual(await store.prune(T + 1e9, 9), 0)
      await expectUnchanged(store, before)
      deepStrictEqual(await store.get(ids([...kept, active, again.after])), [...kept, active, again.after])
    },
  },
  {
    promise: 'forgets a job with its log, and leaves the logs of others',
    needs: ['retain', 'logs'],
    async run({ store }) {
      const [gone, kept] = await add(store, finished(T + 1), finished(T + 2))
      const line = { attempt: 1, at: T, level: 'info', message: 'x', data: undefined } as const
      await store.log([
        { ...line, jobId: there(gone).id },
        { ...line, jobId: there(kept).id },
      ])
      deepStrictEqual(await store.prune(T + 1, 9), 1)
      deepStrictEqual(await store.logs(there(gone).id, 9), [])
      deepStrictEqual(
        (await store.logs(there(kept).id, 9)).map(({ message }) => message),
        ['x'],
      )
    },
  },
  {
    promise: 'frees the key of what it forgets, and refuses to write it again',
    needs: ['retain', 'dedupe'],
    async run({ store }) {
      const [job] = await add(store, { ...finished(T + 1), unique: { key: 'a', until: T + 1e9, held: true } })
      await store.prune(T + 1, 9)
      await addOne(store, { unique: { key: 'a', until: 'settled', held: true } })
      deepStrictEqual(await store.apply([{ before: there(job), after: undefined }], T), [
        { ok: false, current: undefined },
      ])
    },
  },
  {
    promise: 'forgets hundreds in one call, and counts them all',
    needs: ['retain'],
    async run({ store }) {
      const states = ['completed', 'failed', 'cancelled'] as const
      await add(
        store,
        ...Array.from({ length: 400 }, (_, n) => ({
          ...finished(T + (n % 50)),
          state: at(states, n % 3),
          task: `task-${n % 4}`,
        })),
      )
      deepStrictEqual(await store.prune(T + 24, 1_000), 200)
      deepStrictEqual(await store.prune(T + 99, 1_000), 200)
      deepStrictEqual(only(await store.queues()).counts, {
        pending: 0,
        running: 0,
        completed: 0,
        failed: 0,
        cancelled: 0,
      })
    },
  },
]

function leaseOf({ id, lease }: Job): Renewal {
  return { id, lease: there(lease) }
}

function finished(forgetAt: number | undefined): Job {
  return aJob({ state: 'completed', attempt: 1, rev: 2, startedAt: T, finishedAt: T, forgetAt })
}
