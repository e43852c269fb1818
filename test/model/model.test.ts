import { describe, inject, it } from 'vitest'

import { MemoryStore } from '../../src/stores/memory/index.ts'
import { type Disagreement, disagreement } from './model.ts'
import { postgresSubjects } from './postgres-subjects.ts'
import { inFile, inMemory } from './subjects.ts'

/** `JOBFERRY_SEED=… JOBFERRY_RUNS=… vitest run test/model` plays the same scripts again, or more of them. */
const seed = Number(process.env['JOBFERRY_SEED'] ?? process.env['SEED'] ?? 1)
const runs = Number(process.env['JOBFERRY_RUNS'] ?? 250)
const timeout = 60_000 + runs * 500

describe(`random scripts, JOBFERRY_SEED=${seed}`, () => {
  it('agree on the memory store with itself', { timeout }, async () => {
    expectNone(await disagreement(() => ({ store: new MemoryStore() }), { seed, runs: Math.ceil(runs / 10) }))
  })

  it('agree on SQLite with the memory store', { timeout }, async () => {
    expectNone(await disagreement(inMemory, { seed, runs }))
  })

  it('agree on two connections to one SQLite file with the memory store', { timeout }, async () => {
    expectNone(await disagreement(inFile, { seed, runs: Math.ceil(runs / 2) }))
  })

  // A script takes 60 ms here, and 8 on SQLite.
  it('agree on PostgreSQL with the memory store', { timeout }, async () => {
    await using subjects = await postgresSubjects(inject('postgres').url)
    expectNone(await disagreement(subjects.open, { seed, runs: Math.ceil(runs / 3) }))
  })

  it('agree on two stores in one schema of PostgreSQL with the memory store', { timeout }, async () => {
    await using subjects = await postgresSubjects(inject('postgres').url)
    expectNone(await disagreement(subjects.openTwice, { seed, runs: Math.ceil(runs / 5) }))
  })
})

/** A failure shows the seed and the shortest script found on which they disagree. */
function expectNone(found: Disagreement | undefined): void {
  if (found !== undefined) throw new Error(`JOBFERRY_SEED=${seed}, after ${found.runs} runs:\n${found.trace}`)
}
