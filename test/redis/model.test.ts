import { describe, expect, inject, it } from 'vitest'

import { RedisStore } from '../../src/stores/redis/index.ts'
import type { Fixture } from '../../src/testing/contract/index.ts'
import { disagreement } from '../model/model.ts'

const seed = Number(process.env['JOBFERRY_SEED'] ?? process.env['SEED'] ?? 1)
const runs = Number(process.env['JOBFERRY_RUNS'] ?? 100)
const { url } = inject('redis')

describe(`random scripts, JOBFERRY_SEED=${seed}`, () => {
  it('agree on two connections to one Redis with the memory store', { timeout: 60_000 + runs * 2_000 }, async () => {
    const found = await disagreement(fixture, { seed, runs })
    expect(found?.trace, `after ${found?.runs} runs`).toBeUndefined()
  })
})

let namespaces = 0

async function fixture(): Promise<Fixture> {
  const namespace = `model-${process.pid}-${++namespaces}`
  const another = await RedisStore.open({ url, namespace })
  return {
    store: await RedisStore.open({ url, namespace }),
    another: () => another,
    close: async () => {
      await another.close()
    },
  }
}
