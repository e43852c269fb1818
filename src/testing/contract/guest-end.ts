import { deepStrictEqual, ok } from 'node:assert/strict'

import { edit, remove } from '../../core/lifecycle.ts'
import { ends, ids, leaseMs, only, put, read, succeed, T, take, there, write } from './builders.ts'
import type { Case } from './case.ts'
import { addAll, addJob, another, facts, failAgain, guestJob, run } from './guest-builders.ts'

/** What becomes of a job of a guest: ends, renewals, and changes by others. */
export const guestEnding: readonly Case[] = [
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
    promise: 'keeps a job that has failed for its next attempt: when due, the attempt used',
    needs: ['attempts'],
    async run({ store }) {
      const job = await run(store)
      await put(store, failAgain(job))
      const waiting = there(await read(store, job))
      deepStrictEqual(facts(waiting), { ...facts(job), state: 'pending', attempt: 1, runAt: T + 5_000 })
      deepStrictEqual(await take(store, { now: T + 4_999 }), [])
      const again = only(await take(store, { now: T + 5_000 }))
      deepStrictEqual([again.id, again.attempt], [job.id, 2])
    },
  },
  {
    promise: 'notes the failure of a job that waits for its next attempt',
    needs: ['failures'],
    async run({ store }) {
      const job = await run(store)
      await put(store, failAgain(job))
      ok(
        there(await read(store, job))
          .failures.at(-1)
          ?.message.includes('smoke'),
      )
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
    async run({ store, tickMs = 1 }) {
      const later = T + 100 * tickMs
      const job = await run(store)
      await put(store, ends(job, { kind: 'snoozed', runAt: later }))
      deepStrictEqual(facts(await read(store, job)), { ...facts(job), state: 'pending', attempt: 0, runAt: later })
      deepStrictEqual(await take(store, { now: later - 1 }), [])
      deepStrictEqual(only(await take(store, { now: later })).attempt, 1)
    },
  },
  {
    promise: 'stores the end of a run once, and shows whoever comes second what is there',
    needs: ['attempts'],
    async run({ store }) {
      const job = await run(store)
      await put(store, failAgain(job))
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
      deepStrictEqual(await write(other, [succeed(job), failAgain(job)]), [false, false])
      const seen = there(await read(other, job))
      deepStrictEqual(await write(other, [succeed(seen)]), [false])
      deepStrictEqual(await write(other, [failAgain(seen)]), [false])
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
    promise: 'changes payload and time of a job that waits, unless somebody has since',
    needs: ['schedule'],
    async run({ store, tickMs = 1 }) {
      const [later, last] = [T + 7 * tickMs, T + 8 * tickMs]
      const job = await addJob(store)
      const before = there(await read(store, job))
      await put(store, edit(before, { payload: '["eve"]', runAt: later }))
      const after = there(await read(store, job))
      deepStrictEqual(facts(after), { ...facts(job), payload: '["eve"]', runAt: later })
      deepStrictEqual(await store.apply([edit(before, { runAt: last })], T), [{ ok: false, current: after }])
      const running = only(await take(store, { now: later }))
      deepStrictEqual(await store.apply([edit(after, { runAt: last })], T), [{ ok: false, current: running }])
    },
  },
  {
    promise: 'removes a job that waits, unless somebody has it by now',
    needs: ['another'],
    async run(fixture) {
      const { store } = fixture
      const other = await another(fixture)
      const before = there(await read(other, await addJob(store)))
      const running = only(await take(store))
      deepStrictEqual(await write(other, [remove(before)]), [false])
      await put(store, ends(running, { kind: 'released' }))
      await put(other, remove(there(await read(other, before))))
      deepStrictEqual(await take(store), [])
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
]
