import { setTimeout as wait } from 'node:timers/promises'

import { describe, expect, inject, it } from 'vitest'

import type { Awaitable } from '../../src/store.ts'
import { contract, type Fixture, hold, type Need } from '../../src/testing/contract/index.ts'
import { disagreement } from './model.ts'
import { type Mutant, planted } from './mutants.ts'
import { postgresMutants, postgresSeam } from './postgres-mutants.ts'
import { postgresSubjects } from './postgres-subjects.ts'
import { sqliteMutants, sqliteSeam } from './sqlite-mutants.ts'
import { inFile, inMemory } from './subjects.ts'

/** The seed is fixed: a mutant caught today must not live tomorrow by chance. */
const seed = 1

/** What these subjects are not made for. */
const lacks = { memory: ['another', 'transaction', 'connection'], file: ['connection'] } as const

/** The suites have to be able to fail: a store with a bug must not pass them. */
describe('the contract catches a SQLite store in which', () => {
  for (const mutant of sqliteMutants) {
    it(mutant.bug, async ({ annotate }) => {
      const broken = await planted(mutant, sqliteSeam, async () =>
        mutant.inFile === true ? await firstBroken(inFile, lacks.file) : await firstBroken(inMemory, lacks.memory),
      )
      expect(broken).toBeTypeOf('string')
      await annotate(`broken: ${broken}`)
    })
  }
})

describe('random scripts catch a SQLite store in which', () => {
  for (const mutant of sqliteMutants.filter(({ unseenByModel }) => unseenByModel !== true)) {
    it(mutant.bug, async ({ annotate }) => {
      const open = mutant.inFile === true ? inFile : inMemory
      const found = await planted(mutant, sqliteSeam, () => disagreement(open, { seed, runs: 500, shrink: false }))
      expect(found).toBeDefined()
      await annotate(`after ${found?.runs} runs`)
    })
  }
})

describe('the contract catches a PostgreSQL store in which', () => {
  for (const mutant of postgresMutants) {
    it(mutant.bug, async () => {
      const broken = contract.find(({ promise }) => promise === mutant.breaks)
      expect(broken?.promise).toBe(mutant.breaks)
      await planted(mutant, postgresSeam, async () => {
        await using subjects = await postgresSubjects(inject('postgres').url)
        await expect(hold(broken!, subjects.openTwice)).rejects.toThrow()
      })
    })
  }
})

describe('random scripts catch a PostgreSQL store in which', () => {
  for (const mutant of postgresMutants.filter(({ byScripts }) => byScripts === true)) {
    it(mutant.bug, async ({ annotate }) => {
      const found = await planted(mutant, postgresSeam, async () => {
        await using subjects = await postgresSubjects(inject('postgres').url)
        return await disagreement(subjects.open, { seed, runs: 50, shrink: false })
      })
      expect(found).toBeDefined()
      await annotate(`after ${found?.runs} runs`)
    })
  }
})

it('finds nothing wrong with a SQLite store without a bug', async () => {
  const none: Mutant = { bug: 'none', changes: [] }
  expect(await planted(none, sqliteSeam, () => firstBroken(inMemory, lacks.memory))).toBeUndefined()
  expect(await planted(none, sqliteSeam, () => firstBroken(inFile, lacks.file))).toBeUndefined()
  expect(await planted(none, sqliteSeam, () => disagreement(inMemory, { seed, runs: 20 }))).toBeUndefined()
})

/** How long a promise may take, in milliseconds, before it is as good as broken: a bell that never rings. */
const patienceMs = 2_000

/** The first promise that the store does not keep; `undefined` if it keeps them all. */
async function firstBroken(open: () => Awaitable<Fixture>, lacking: readonly Need[]): Promise<string | undefined> {
  for (const one of contract) {
    if (one.needs?.some((need) => lacking.includes(need)) === true) continue
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
