import { expect, it, onTestFinished } from 'vitest'

import { open, task } from './index.ts'
import { MemoryStore } from './stores/memory/index.ts'

const hello = task({ name: 'hello' })

it('a worker looks again once it hears: what came after its first look and before that is not left to the poll', async () => {
  const looked = Promise.withResolvers<void>()
  const hears = Promise.withResolvers<() => void>()
  class Slow extends MemoryStore {
    override claim(request: Parameters<MemoryStore['claim']>[0]): ReturnType<MemoryStore['claim']> {
      looked.resolve()
      return super.claim(request)
    }
  }
  const store = Object.assign(new Slow(), { listen: () => hears.promise })
  const jobs = await open(store)
  onTestFinished(() => jobs.close())
  const completed = new Promise((resolve) => jobs.on('completed', resolve))
  jobs.work([hello.handle(() => undefined)], { poll: '1h' })
  await looked.promise
  await (await open(store)).enqueue(hello)
  hears.resolve(() => undefined)
  expect(await completed).toMatchObject({ type: 'completed' })
})
