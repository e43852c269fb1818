import { deepStrictEqual } from 'node:assert/strict'

import { cancel, edit } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import type { Bell, Store } from '../../store.ts'
import { add, addOne, aJob, claim, ends, fail, put, run, succeed, T, there } from './builders.ts'
import type { Case } from './case.ts'

/** `Store.listen`. A bell may be late or doubled, so that only what must be heard at last can be promised. */
export const listen: readonly Case[] = [
  {
    promise: 'rings jobs when one was added',
    async run({ store }) {
      await expectBell(store, 'jobs', async () => await addOne(store))
    },
  },
  {
    promise: 'rings jobs when a job waits again, was made due or edited',
    needs: ['retain', 'priority'],
    async run({ store }) {
      const [failing, released] = [await run(store), await run(store)]
      const waiting = await addOne(store)
      await expectBell(store, 'jobs', async () => await put(store, fail(failing)))
      await expectBell(store, 'jobs', async () => await put(store, ends(released, { kind: 'released' })))
      await expectBell(store, 'jobs', async () => await put(store, edit(waiting, { priority: -1 })))
    },
  },
  {
    promise: 'rings jobs when a job has stopped running that its concurrency key counted',
    needs: ['concurrency', 'retain'],
    async run({ store }) {
      for (const end of [succeed, (job: Parameters<typeof succeed>[0]) => ({ before: job, after: undefined })]) {
        const job = await run(store, { concurrencyKey: 'a' })
        await expectBell(store, 'jobs', async () => await put(store, end(job)))
      }
    },
  },
  {
    promise: 'rings jobs when a job has stopped running that the limit of its queue counted',
    needs: ['limits'],
    async run({ store }) {
      await store.configure('main', { concurrency: 1 })
      const job = await run(store)
      await expectBell(store, 'jobs', async () => await put(store, succeed(job)))
    },
  },
  {
    promise: 'rings for what the settling of a claim has freed',
    needs: ['concurrency'],
    async run({ store }) {
      const [job, failing] = [await run(store, { concurrencyKey: 'a' }), await run(store)]
      await expectBell(store, 'jobs', async () => await claim(store, { settle: [succeed(job)], limit: 0 }))
      await expectBell(store, 'jobs', async () => await claim(store, { settle: [fail(failing)], limit: 0 }))
    },
  },
  {
    promise: 'rings control when a running job was asked to stop',
    needs: ['cancel'],
    async run({ store }) {
      const job = await run(store)
      await expectBell(store, 'control', async () => await put(store, cancel(job, 'stop', defaultRetention, T)))
    },
  },
  {
    promise: 'rings when the settings of a queue were changed: a worker may claim more, or less',
    needs: ['pause'],
    async run({ store }) {
      await expectBell(store, 'control', async () => await store.configure('main', { paused: true }))
      await expectBell(store, 'jobs', async () => await store.configure('main', { paused: false }))
    },
  },
  {
    promise: 'rings for every listener, and no longer for one that has ended, which may be said twice',
    async run({ store }) {
      const heard = { ended: 0, first: 0, second: 0 }
      const end = await store.listen(() => void heard.ended++)
      await store.listen(() => void heard.first++)
      const both = (): void => void heard.second++
      const [once] = [await store.listen(both), await store.listen(both)]
      end()
      end()
      once()
      await expectBell(store, 'jobs', async () => await addOne(store))
      deepStrictEqual([heard.ended, heard.first > 0, heard.second > 0], [0, true, true])
    },
  },
  {
    promise: 'rings no longer once the store was closed',
    closes: true,
    async run({ store }) {
      let rung = 0
      const end = await store.listen(() => void rung++)
      await store.close()
      const before = rung
      end()
      deepStrictEqual(rung, before)
    },
  },
  {
    promise: 'rings for what another connection has done',
    needs: ['listen', 'another', 'cancel'],
    async run({ store, another }) {
      const other = await there(another)()
      await expectBell(store, 'jobs', async () => await addOne(other))
      const job = await run(other)
      await expectBell(store, 'control', async () => await put(other, cancel(job, 'stop', defaultRetention, T)))
      await expectBell(other, 'jobs', async () => await add(store, aJob()))
    },
  },
  {
    promise: 'rings for what was added in the transaction of a caller, once it is committed',
    needs: ['listen', 'transaction'],
    async run({ store, begin }) {
      const { tx, commit } = await there(begin)()
      await store.insert([{ jobs: [{ job: aJob(), ifHeld: 'keep' }] }], T, tx)
      await expectBell(store, 'jobs', commit)
    },
  },
]

/** Waits for the bell that must come after `change`, or for the test to run out of time. */
async function expectBell(store: Store<unknown>, wanted: Bell, change: () => unknown): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = await store.listen((bell) => {
    if (bell === wanted) resolve()
  })
  await change()
  await promise
  end()
}
