import { expect, it } from 'vitest'

import { ManualClock } from '../testing/manual-clock.ts'
import { Batcher } from './batcher.ts'

const clock = new ManualClock()

it('lets calls of one turn share a trip, each with its own answer', async () => {
  const trips: (readonly number[])[] = []
  const batcher = new Batcher<number, string>(clock, (items) => {
    trips.push(items)
    return items.map((n) => `answer ${n}`)
  })
  expect(await Promise.all([1, 2, 3].map((n) => batcher.add(n)))).toEqual(['answer 1', 'answer 2', 'answer 3'])
  expect(await batcher.add(4)).toBe('answer 4')
  expect(trips).toEqual([[1, 2, 3], [4]])
})

it('gathers what comes while a trip is under way, and never makes two at a time', async () => {
  const trips: (readonly number[])[] = []
  const under = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const batcher = new Batcher<number, number>(clock, async (items) => {
    trips.push(items)
    await under[trips.length - 1]?.promise
    return items
  })
  const answers = [batcher.add(1)]
  await clock.settle()
  answers.push(batcher.add(2), batcher.add(3))
  await clock.settle()
  answers.push(batcher.add(4))
  await clock.settle()
  expect(trips).toEqual([[1]])
  under[0]?.resolve()
  await clock.settle()
  expect(trips).toEqual([[1], [2, 3, 4]])
  under[1]?.resolve()
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4])
})

it('fails those that shared a trip that failed, and only those', async () => {
  let trip = 0
  const batcher = new Batcher<number, number>(clock, (items) => {
    if (++trip === 1) throw new Error('lost')
    return items
  })
  const first = await Promise.allSettled([batcher.add(1), batcher.add(2)])
  expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await batcher.add(3)).toBe(3)
})

it('takes at most a thousand on a trip', async () => {
  const sizes: number[] = []
  const batcher = new Batcher<number, number>(clock, (items) => {
    sizes.push(items.length)
    return items
  })
  const answers = await Promise.all(Array.from({ length: 2_500 }, (_, n) => batcher.add(n)))
  expect(answers).toEqual(Array.from({ length: 2_500 }, (_, n) => n))
  expect(sizes).toEqual([1_000, 1_000, 500])
})

it('lets others have a turn between the trips to a store that answers at once', async () => {
  const order: string[] = []
  const batcher = new Batcher<number, number>(clock, (items) => {
    order.push(`trip of ${items.length}`)
    if (order.length === 1) clock.soon(() => order.push('another'))
    return items
  })
  await Promise.all(Array.from({ length: 1_500 }, (_, n) => batcher.add(n)))
  expect(order).toEqual(['trip of 1000', 'another', 'trip of 500'])
})

it('fails a call that the trip has no answer for', async () => {
  const batcher = new Batcher<number, number>(clock, ([first]) => (first === undefined ? [] : [first]))
  expect(await Promise.allSettled([batcher.add(1), batcher.add(2)])).toMatchObject([
    { status: 'fulfilled', value: 1 },
    { status: 'rejected' },
  ])
})

it('is idle when every call so far has its answer', async () => {
  const under = Promise.withResolvers<void>()
  const batcher = new Batcher<number, number>(clock, async (items) => {
    await under.promise
    return items
  })
  await batcher.idle()
  const order: string[] = []
  const added = batcher.add(1).then(() => order.push('answered'))
  const idle = batcher.idle().then(() => order.push('idle'))
  await clock.settle()
  expect(order).toEqual([])
  under.resolve()
  await Promise.all([added, idle])
  expect(order).toEqual(['answered', 'idle'])
})

it('takes fewer of heavy ones on a trip, and one that is too heavy alone', async () => {
  const trips: (readonly number[])[] = []
  const mebibyte = 1024 * 1024
  const batcher = new Batcher<number, number>(
    clock,
    (items) => {
      trips.push(items)
      return items
    },
    { weigh: (mebibytes) => mebibytes * mebibyte },
  )
  await Promise.all([3, 4, 2, 20, 1, 7].map((weight) => batcher.add(weight)))
  expect(trips).toEqual([[3, 4], [2], [20], [1, 7]])
})

/** A batcher of two trips, each under way until it is told to end. */
function abreast() {
  const trips: { readonly size: number; readonly end: () => void }[] = []
  const batcher = new Batcher<number, number>(
    clock,
    async (items) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      trips.push({ size: items.length, end: resolve })
      await promise
      return items
    },
    { abreast: true },
  )
  const add = (count: number): Promise<readonly number[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => batcher.add(n)))
  return { batcher, trips, add, sizes: () => trips.map(({ size }) => size) }
}

it('parts many calls of one turn into two trips where the store keeps their order, and never makes three at a time', async () => {
  const { batcher, trips, add, sizes } = abreast()
  const answers = add(101)
  await clock.settle()
  expect(sizes()).toEqual([51, 50])
  const more = add(60)
  await clock.settle()
  expect(sizes()).toEqual([51, 50])
  trips[0]?.end()
  await clock.settle()
  expect(sizes()).toEqual([51, 50, 60])
  for (const { end } of trips) end()
  expect(await answers).toEqual(Array.from({ length: 101 }, (_, n) => n))
  expect(await more).toHaveLength(60)
  await batcher.idle()
})

it('sends no second trip with a few calls beside the first: they wait for its end', async () => {
  const { trips, add, sizes } = abreast()
  const answers = [add(3)]
  await clock.settle()
  answers.push(add(20))
  await clock.settle()
  expect(sizes()).toEqual([3])
  trips[0]?.end()
  await clock.settle()
  expect(sizes()).toEqual([3, 20])
  trips[1]?.end()
  await Promise.all(answers)
})
