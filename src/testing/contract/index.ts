import { deepStrictEqual } from 'node:assert/strict'

import { capabilities } from '../../core/capability.ts'
import type { Awaitable } from '../../store.ts'
import type { Case, Fixture, Need } from './case.ts'
import { expectSound } from './dump.ts'
import { apply, everyWrite } from './apply.ts'
import { claiming, nextRun, settling } from './claim.ts'
import { concurrency } from './concurrency.ts'
import { connection } from './connection.ts'
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
 * @param lacks each capability that the store does not have, with the reason; `another` if its jobs cannot be shared
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
  if (need === 'another') deepStrictEqual(fixture.another, undefined)
  else deepStrictEqual(fixture.store.capabilities.has(need), false)
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
