import { deepStrictEqual, ok, rejects } from 'node:assert/strict'

import { StoreError } from '../../core/errors.ts'
import type { OwnTransaction, Store } from '../../store.ts'
import { add, addOne, aJob, fail, ids, leaseMs, offer, put, read, run, succeed, T, take, there } from './builders.ts'
import type { Case } from './case.ts'
import { dump, expectUnchanged } from './dump.ts'

/** `Store.begin`. */
export const connection: readonly Case[] = [
  {
    promise: 'begins transactions exactly if it says so',
    async run({ store }) {
      deepStrictEqual(store.begin !== undefined, store.capabilities.has('connection'))
      ok(!store.capabilities.has('connection') || store.capabilities.has('transaction'))
    },
  },
  {
    promise: 'keeps what was done in a transaction of its own making with its commit: unseen before, due after',
    needs: ['connection', 'retain'],
    async run({ store }) {
      const active = await run(store)
      const added = aJob({ queue: 'other' })
      const own = await begin(store)
      await store.insert([{ jobs: [{ job: added, ifHeld: 'keep' }] }], T, own.tx)
      deepStrictEqual(await store.apply([succeed(active)], T, own.tx), [{ ok: true }])
      deepStrictEqual(await store.get(ids([added, active]), own.tx), [added, succeed(active).after])
      deepStrictEqual(await store.get(ids([added, active])), [undefined, active])
      await own.commit()
      deepStrictEqual(await read(store, active), succeed(active).after)
      deepStrictEqual(ids(await take(store)), [added.id])
    },
  },
  {
    promise: 'leaves nothing behind of a transaction of its own making that is rolled back',
    needs: ['connection'],
    async run({ store }) {
      const active = await run(store)
      const before = await dump(store)
      const own = await begin(store)
      await store.insert([{ jobs: [{ job: aJob({ queue: 'new' }), ifHeld: 'keep' }] }], T, own.tx)
      await store.apply([succeed(active)], T, own.tx)
      await own.rollback()
      await expectUnchanged(store, before)
      await put(store, succeed(active))
    },
  },
  {
    promise: 'goes on beside a transaction of its own making: adds, claims, and renews the job it is to complete',
    needs: ['connection', 'retain'],
    async run({ store }) {
      const active = await run(store)
      const own = await begin(store)
      await store.get([active.id], own.tx)
      const [other] = await add(store, aJob())
      deepStrictEqual(ids(await take(store)), [there(other).id])
      const renewal = { id: active.id, lease: there(active.lease) }
      deepStrictEqual(await store.renew([renewal], T + 2 * leaseMs, T), [{ rev: active.rev + 1, cancel: undefined }])
      const renewed = there(await read(store, active))
      deepStrictEqual(await store.apply([succeed(active)], T, own.tx), [{ ok: false, current: renewed }])
      deepStrictEqual(await store.apply([succeed(renewed)], T, own.tx), [{ ok: true }])
      await own.commit()
      deepStrictEqual(await read(store, active), succeed(renewed).after)
    },
  },
  {
    promise: 'refuses to complete in a transaction of its own making what was settled since it began',
    needs: ['connection'],
    async run({ store }) {
      const active = await run(store)
      const own = await begin(store)
      await store.get([active.id], own.tx)
      await put(store, fail(active))
      deepStrictEqual(await store.apply([succeed(active)], T, own.tx), [{ ok: false, current: fail(active).after }])
      await own.rollback()
      deepStrictEqual(await read(store, active), fail(active).after)
    },
  },
  {
    promise: 'gives each transaction of its own making a connection that no other has',
    needs: ['connection'],
    async run({ store }) {
      const [kept, lost] = [aJob(), aJob()]
      const [first, second] = [await begin(store), await begin(store)]
      ok(first.tx !== second.tx)
      await store.insert([{ jobs: [{ job: lost, ifHeld: 'keep' }] }], T, first.tx)
      await first.rollback()
      await store.insert([{ jobs: [{ job: kept, ifHeld: 'keep' }] }], T, second.tx)
      await second.commit()
      deepStrictEqual(await store.get(ids([kept, lost])), [kept, undefined])
    },
  },
  {
    promise: 'begins as many transactions one after the other as it is asked to, kept and undone',
    needs: ['connection'],
    async run({ store }) {
      for (let n = 0; n < 30; n++) {
        const own = await begin(store)
        const job = aJob()
        await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], T, own.tx)
        await (n % 2 === 0 ? own.commit() : own.rollback())
        deepStrictEqual(await read(store, job), n % 2 === 0 ? job : undefined)
      }
    },
  },
  {
    promise: 'closes without waiting for a transaction of its own making, which is rolled back',
    needs: ['connection', 'another'],
    closes: true,
    async run({ store, another }) {
      const known = await addOne(store)
      const lost = aJob()
      const own = await begin(store)
      await store.insert([{ jobs: [{ job: lost, ifHeld: 'keep' }] }], T, own.tx)
      await store.close()
      await rejects(async () => await own.commit(), StoreError)
      await own.rollback()
      const again = await there(another)()
      await again.migrate()
      deepStrictEqual(await again.get(ids([known, lost])), [known, undefined])
      await offer(again, [lost])
    },
  },
]

async function begin(store: Store<unknown>): Promise<OwnTransaction<unknown>> {
  return there(await store.begin?.())
}
