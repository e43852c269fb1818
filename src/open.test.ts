import { expect, it } from 'vitest'

import { UsageError } from './core/errors.ts'
import { open } from './open.ts'
import { MemoryStore } from './stores/memory/index.ts'
import { throughStore } from './testing/through-store.ts'

it('closes what it has opened when the stores cannot be one', async () => {
  const closed: string[] = []
  const noted = (name: string, store: MemoryStore): MemoryStore =>
    throughStore(store, ({ verb }, next) => {
      if (verb === 'close') closed.push(name)
      return next()
    })
  const guest = Object.assign(noted('guest', new MemoryStore()), {
    rules: { priority: 0, maxAttempts: 1, attemptsKeptBy: 'worker', backoff: () => 0, retention: {} },
  })
  await expect(open([noted('own', new MemoryStore()), guest])).rejects.toThrow(UsageError)
  expect(closed).toEqual(['own', 'guest'])
})
