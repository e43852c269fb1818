import { setTimeout as wait } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { contract, type Fixture, hold, type Need } from '../../src/testing/contract/index.ts'
import { type Disagreement, disagreement } from './model.ts'
import { type Mutant, mutants, planted } from './mutants.ts'
import { inFile, inMemory } from './subjects.ts'

/** The suites have to be able to fail: a store with a bug must not pass them. */
describe('the contract catches a store in which', () => {
  for (const mutant of mutants) {
    it(mutant.bug, async ({ annotate }) => {
      const broken = await planted(mutant, async () => await firstBroken(mutant.inFile === true ? inFile : inMemory))
      expect(broken).toBeTypeOf('string')
      await annotate(`broken: ${broken}`)
    })
  }
})

describe('random scripts catch a store in which', () => {
  for (const mutant of mutants.filter(({ unseenByModel }) => unseenByModel !== true)) {
    it(mutant.bug, async ({ annotate }) => {
      const found = await planted(mutant, async () => await scripts(mutant, 500))
      expect(found).toBeDefined()
      await annotate(`after ${found?.runs} runs`)
    })
  }
})

it('finds nothing wrong with a store without a bug', async () => {
  const none: Mutant = { bug: 'none', changes: [] }
  expect(await planted(none, async () => await firstBroken(inMemory))).toBeUndefined()
  expect(await planted(none, async () => await firstBroken(inFile))).toBeUndefined()
  expect(await planted(none, async () => await scripts(none, 20))).toBeUndefined()
})

/** How long a promise may take, in milliseconds, before it is as good as broken: a bell that never rings. */
const patienceMs = 2_000

/** The first promise that the store does not keep; `undefined` if it keeps them all. */
async function firstBroken(open: () => Fixture): Promise<string | undefined> {
  const lacks: readonly Need[] = open === inMemory ? ['another', 'transaction', 'connection'] : ['connection']
  for (const one of contract) {
    if (one.needs?.some((need) => lacks.includes(need)) === true) continue
    const abort = new AbortController()
    const late = wait(patienceMs, 'late', { signal: abort.signal })
    try {
      if ((await Promise.race([hold(one, open), late])) === 'late') return `${one.promise} (never ends)`
    } catch {
      return one.promise
    } finally {
      abort.abort()
      late.catch(() => undefined)
    }
  }
  return undefined
}

/** The seed is fixed: a mutant caught today must not live tomorrow by chance. */
async function scripts(mutant: Mutant, runs: number): Promise<Disagreement | undefined> {
  return await disagreement(mutant.inFile === true ? inFile : inMemory, { seed: 1, runs, shrink: false })
}
