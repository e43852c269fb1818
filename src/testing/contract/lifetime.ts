import { deepStrictEqual, ok, rejects } from 'node:assert/strict'

import { UsageError } from '../../core/errors.ts'
import type { Store } from '../../store.ts'
import { aClaim, addOne, aJob, run, succeed, T, there } from './builders.ts'
import type { Case } from './case.ts'
import { dump, expectUnchanged } from './dump.ts'

/** `Store.migrate`, `Store.close` and `Store.report`. */
export const lifetime: readonly Case[] = [
  {
    promise: 'migrates as often as it is asked to, and keeps everything',
    async run({ store }) {
      await run(store)
      await store.configure('main', { priority: 3 })
      const before = await dump(store)
      await store.migrate()
      await Promise.all([store.migrate(), store.migrate()])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'lets several connections migrate at once, and shows each the same jobs',
    needs: ['another'],
    async run({ store, another }) {
      const job = await addOne(store)
      const others = await Promise.all([there(another)(), there(another)(), there(another)()])
      await Promise.all(others.map(async (other) => await other.migrate()))
      for (const other of others) deepStrictEqual(await other.get([job.id]), [job])
    },
  },
  {
    promise: 'lets several connections make its tables at once, and shows each the same jobs',
    needs: ['another'],
    migrates: true,
    async run({ store, another }) {
      const all = [store, await there(another)(), await there(another)(), await there(another)()]
      await Promise.all(all.map(async (one) => await one.migrate()))
      const job = await addOne(store)
      for (const one of all) deepStrictEqual(await one.get([job.id]), [job])
    },
  },
  {
    promise: 'keeps its jobs when it is closed and opened again',
    needs: ['another'],
    closes: true,
    async run({ store, another }) {
      await run(store)
      await addOne(store, { runAt: T + 5 })
      const before = await dump(store)
      await store.close()
      const again = await there(another)()
      await again.migrate()
      await expectUnchanged(again, before)
    },
  },
  {
    promise: 'closes twice as well as once',
    closes: true,
    async run({ store }) {
      await store.close()
      await store.close()
    },
  },
  {
    promise: 'refuses every call after it was closed',
    closes: true,
    async run({ store }) {
      const job = await run(store)
      await store.close()
      for (const [name, call] of Object.entries(calls(store))) {
        await rejects(call, UsageError, `${name} after close`)
      }
      await rejects(async () => await store.apply([succeed(job)], T), UsageError)
    },
  },
  {
    promise: 'refuses the transaction of a caller after it was closed',
    needs: ['transaction'],
    closes: true,
    async run({ store, begin }) {
      const { tx, rollback } = await there(begin)()
      await store.insert([], T, tx)
      await store.close()
      await rejects(async () => await store.insert([{ jobs: [{ job: aJob(), ifHeld: 'keep' }] }], T, tx), UsageError)
      await rejects(async () => await store.apply([], T, tx), UsageError)
      await rejects(async () => await store.get([], tx), UsageError)
      await rollback()
    },
  },
  {
    promise: 'tells the time, if at all, in whole milliseconds that do not go back',
    async run({ store }) {
      let last = 0
      for (let n = 0; n < 5; n++) {
        const now = await store.time?.()
        ok(now === undefined || (Number.isSafeInteger(now) && now >= last))
        last = now ?? 0
      }
    },
  },
  {
    promise: 'appends to pipelines exactly if it says so',
    async run({ store }) {
      deepStrictEqual(store.append !== undefined, store.capabilities.has('pipeline'))
    },
  },
  {
    promise: 'reports findings with a name, a level and a message, and changes nothing by it',
    async run({ store }) {
      await run(store)
      const before = await dump(store)
      for (const { name, level, message } of await store.report()) {
        ok(name !== '' && message !== '' && ['ok', 'warn', 'fail'].includes(level))
      }
      await expectUnchanged(store, before)
    },
  },
]

function calls(store: Store<unknown>): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    migrate: async () => await store.migrate(),
    insert: async () => await store.insert([{ jobs: [{ job: aJob(), ifHeld: 'keep' }] }], T),
    ...(store.capabilities.has('workers') ? { workers: async () => await store.workers?.(T) } : {}),
    'insert of nothing': async () => await store.insert([], T),
    claim: async () => await store.claim(aClaim()),
    apply: async () => await store.apply([], T),
    renew: async () => await store.renew([], T, T),
    expired: async () => await store.expired(T, 9),
    prune: async () => await store.prune(T, 9),
    get: async () => await store.get([]),
    list: async () => await store.list({ limit: 9 }),
    queues: async () => await store.queues(),
    configure: async () => await store.configure('main', {}),
    log: async () => await store.log([]),
    logs: async () => await store.logs('job-000000', 9),
    listen: async () => await store.listen(() => undefined),
    report: async () => await store.report(),
    ...(store.begin === undefined ? {} : { begin: async () => await store.begin?.() }),
    ...(store.time === undefined ? {} : { time: async () => await store.time?.() }),
  }
}
