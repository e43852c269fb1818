import { expect, it } from 'vitest'

import { task } from '../../src/index.ts'
import { MemoryStore } from '../../src/stores/memory/index.ts'
import type { QueueStats } from '../../src/store.ts'
import { openTesting } from '../../src/testing/index.ts'
import { board, fill, mail, over } from './kit.ts'

/** What a feed has said since it was last asked: its events, with their data. */
function reader(response: Response) {
  const stream = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  let ended = false
  void (async () => {
    for (;;) {
      const { done, value } = await stream.read()
      if (done) break
      text += value
    }
    ended = true
  })()
  return {
    take: () => {
      const events = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, event, data]) => ({
        event,
        data: JSON.parse(data!),
      }))
      text = ''
      return events
    },
    text: () => text,
    ended: () => ended,
    leave: async () => await stream.cancel(),
  }
}

it('begins with an overview at once, and tells of nothing while nothing changes', async () => {
  await using page = await board()
  await fill(page)
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.settle()
  expect(feed.take()).toMatchObject([{ event: 'overview', data: { counts: { completed: 1 } } }, { event: 'change' }])
  await page.clock.advance('4s')
  expect(feed.take()).toEqual([])
  await feed.leave()
})

it('tells of what rang half a second later, once, however often it rang', async () => {
  await using page = await board()
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.settle()
  feed.take()
  for (let n = 0; n < 20; n++) await page.jobs.enqueue(mail, { to: `${n}` })
  await page.clock.advance(499)
  expect(feed.take()).toEqual([])
  await page.clock.advance(1)
  await page.clock.settle()
  expect(feed.take()).toMatchObject([{ event: 'overview', data: { counts: { pending: 20 } } }, { event: 'change' }])
  await feed.leave()
})

it('finds within two and a half seconds what rings for nobody', async () => {
  await using page = await board()
  const { id } = await page.jobs.enqueue(task({ name: 'by-hand' }))
  const held = await page.jobs.lease()
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.settle()
  feed.take()
  await held!.complete()
  await page.clock.advance('2500ms')
  await page.clock.settle()
  expect(feed.take()).toMatchObject([{ event: 'overview', data: { counts: { completed: 1 } } }, { event: 'change' }])
  expect(id).toBe(held!.id)
  await feed.leave()
})

it('tells how an operation goes on, and that it has ended', async () => {
  await using page = await board()
  const { failed } = await fill(page)
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.settle()
  feed.take()
  await page.post('api/operations', { action: 'retry', ids: [failed] })
  await page.clock.settle()
  expect(feed.take()).toMatchObject([{ event: 'operation', data: { state: 'done', done: 1 } }])
  await feed.leave()
})

it('beats every 15 seconds, and ends after a quarter of an hour', async () => {
  await using page = await board()
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.advance('16s')
  expect(feed.text()).toMatch(/^retry: 2000\n\n[^]*^: \n\n/m)
  feed.take()
  await page.clock.advance('15m')
  await page.clock.settle()
  expect(feed.take().at(-1)).toEqual({ event: 'end', data: {} })
  expect(feed.ended()).toBe(true)
})

it('reads the store once for all who watch, and not at all while nobody does', async () => {
  let looks = 0
  class Counted extends MemoryStore {
    override queues(): readonly QueueStats[] {
      looks++
      return super.queues()
    }
  }
  await using testing = await openTesting(new Counted())
  const { clock } = testing
  const page = over(testing.jobs)
  await clock.advance('1m')
  expect(looks).toBe(0)
  const feeds = await Promise.all(Array.from({ length: 10 }, () => page.ask('GET', 'api/events')))
  const readers = feeds.map(reader)
  await clock.advance('10s')
  expect(looks).toBe(5)
  expect(readers.map(({ take }) => take()[0]?.event)).toEqual(readers.map(() => 'overview'))
  await Promise.all(readers.map(({ leave }) => leave()))
  await clock.advance('1m')
  expect(looks).toBe(5)
  expect(clock.waiting).toBe(0)
})

it('ends for all when the dashboard closes; those who come later are told so at once', async () => {
  await using page = await board()
  const feed = reader(await page.ask('GET', 'api/events'))
  await page.clock.settle()
  page.handler.close()
  page.handler.close()
  await page.clock.settle()
  expect([feed.take().at(-1), feed.ended()]).toEqual([{ event: 'end', data: {} }, true])
  const late = await page.ask('GET', 'api/events')
  expect(await late.text()).toContain('event: end')
  expect(page.clock.waiting).toBe(0)
})

it('goes on when the store fails for a while', async () => {
  let broken = false
  class Failing extends MemoryStore {
    override queues(): readonly QueueStats[] {
      if (broken) throw new Error('away')
      return super.queues()
    }
  }
  await using testing = await openTesting(new Failing())
  const page = over(testing.jobs)
  const feed = reader(await page.ask('GET', 'api/events'))
  await testing.clock.settle()
  feed.take()
  broken = true
  await testing.clock.advance('5s')
  expect(page.errors).toMatchObject([{ message: 'away' }, { message: 'away' }])
  broken = false
  await testing.jobs.enqueue(mail, { to: 'x' })
  await testing.clock.advance('3s')
  expect(feed.take()).toMatchObject([{ event: 'overview', data: { counts: { pending: 1 } } }, { event: 'change' }])
  await feed.leave()
})
