import { deepStrictEqual, ok } from 'node:assert/strict'

import { capabilities } from '../../core/capability.ts'
import type { Awaitable, Store } from '../../store.ts'
import { ids, put, read, T, take } from './builders.ts'
import type { Case, Fixture, Need } from './case.ts'
import { expectSound } from './dump.ts'
import { apply, everyWrite } from './apply.ts'
import { claiming, nextRun, settling } from './claim.ts'
import { concurrency } from './concurrency.ts'
import { connection } from './connection.ts'
import { addAll, failAgain, guestJob, run as runGuest } from './guest-builders.ts'
import { batch, insert } from './insert.ts'
import { keyAgain } from './key-again.ts'
import { expiry, prune, renew } from './lease.ts'
import { queueLimits } from './limits.ts'
import { lifetime } from './lifetime.ts'
import { listen } from './listen.ts'
import { looking } from './list.ts'
import { log } from './log.ts'
import { queues } from './queues.ts'
import { transaction } from './transaction.ts'
import { unique } from './unique.ts'
import { workers } from './workers.ts'

export { aJob, T } from './builders.ts'
export { guestContract } from './guest.ts'
export type { Case, Fixture, Need, Transaction } from './case.ts'

/** Every promise of `store.ts`, in its order. */
export const contract: readonly Case[] = [
  ...lifetime,
  ...insert,
  ...batch,
  ...unique,
  ...keyAgain,
  ...claiming,
  ...nextRun,
  ...settling,
  ...queueLimits,
  ...concurrency,
  ...everyWrite,
  ...apply,
  ...renew,
  ...expiry,
  ...prune,
  ...looking,
  ...queues,
  ...log,
  ...listen,
  ...workers,
  ...transaction,
  ...connection,
]

/** The part of a test runner that is needed: node:test, vitest and jest have it. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: (name: string, body: () => Promise<void>) => unknown
}

/** What a store cannot do, and why. */
export type Lacks = Readonly<Partial<Record<Need, string>>>

/**
 * Makes one test of every case, each on a store of its own, and one of what the store says it lacks.
 *
 * A case that needs what the store lacks is replaced by a test with the reason in its name, which holds the store to not claiming it.
 * @param open makes a fresh, empty store, not yet migrated; called once for each test
 * @param lacks each capability that the store does not have, with the reason, and each other need that it cannot meet
 * @param cases the promises: for a store over the format of another queue, those of `guestContract`
 */
export function holdToContract(
  { describe, it }: Runner,
  name: string,
  open: () => Awaitable<Fixture>,
  lacks: Lacks = {},
  cases: readonly Case[] = contract,
): void {
  describe(`the ${name} store`, () => {
    it('names exactly what it can do', async () => {
      await using fixture = await opened(open)
      const wanted = capabilities.filter((capability) => lacks[capability] === undefined)
      deepStrictEqual([...fixture.store.capabilities].toSorted(), wanted.toSorted())
    })
    for (const one of cases) {
      const missing = one.needs?.find((need) => lacks[need] !== undefined)
      if (missing === undefined) it(one.promise, async () => await hold(one, open))
      else it(`lacks "${missing}" (${lacks[missing]}): ${one.promise}`, async () => await expectLacking(missing, open))
    }
  })
}

/**
 * Holds a fresh store to one case, and to what must be true after any.
 * @throws whatever the case throws when the promise is broken
 */
export async function hold(one: Case, open: () => Awaitable<Fixture>): Promise<void> {
  await using fixture = await opened(open)
  if (one.migrates !== true) await fixture.store.migrate()
  await one.run(fixture)
  if (one.closes !== true) await expectSound(fixture.store)
}

async function expectLacking(need: Need, open: () => Awaitable<Fixture>): Promise<void> {
  await using fixture = await opened(open)
  const { store, another } = fixture
  if (need === 'another') return deepStrictEqual(another, undefined)
  if (need === 'names') return ok(store.refusal?.(guestJob({ task: 'one more' })) !== undefined)
  if (need === 'queues') return ok(store.refusal?.(guestJob({ task: 'mail', queue: 'main' })) !== undefined)
  if (need === 'attempts') return deepStrictEqual(store.rules?.maxAttempts, Number.MAX_SAFE_INTEGER)
  if (need !== 'failures' && need !== 'turns') return deepStrictEqual(store.capabilities.has(need), false)
  await store.migrate()
  if (need === 'turns') return await expectAddedFirst(store)
  const job = await runGuest(store)
  await put(store, failAgain(job))
  deepStrictEqual((await read(store, job))?.failures, [])
}

/** Whose turn it is goes by when a job was added, and not by when it was due. */
async function expectAddedFirst(store: Store<unknown>): Promise<void> {
  const added = await addAll(store, [guestJob({ runAt: T + 2 }), guestJob({ runAt: T + 1 })])
  deepStrictEqual(ids(await take(store, { now: T + 2 })), ids(added))
}

/** The fixture, closed at the end of the block. */
async function opened(open: () => Awaitable<Fixture>): Promise<Fixture & AsyncDisposable> {
  const fixture = await open()
  return {
    ...fixture,
    [Symbol.asyncDispose]: async () => {
      await fixture.store.close()
      await fixture.close?.()
    },
  }
}
