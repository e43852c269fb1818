import { expect, it } from 'vitest'

import { UsageError } from '../core/errors.ts'
import { ManualClock } from './manual-clock.ts'

const T = Date.UTC(2026, 0, 1)

it('shows the time it was given, and stands still', async () => {
  const clock = new ManualClock({ now: new Date(T + 5) })
  await clock.settle()
  expect(clock.now()).toBe(T + 5)
  expect(new ManualClock({ now: 7 }).now()).toBe(7)
  expect(new ManualClock().now()).toBe(T)
})

it('lets timers fire in the order of their time, each at its own time, and none too soon', async () => {
  const clock = new ManualClock({ now: T })
  const fired: [string, number][] = []
  const note = (name: string) => () => void fired.push([name, clock.now() - T])
  clock.after(300, note('c'))
  clock.after(100, note('a'))
  clock.after(200.5, note('b'))
  clock.after(100, note('a2'))
  clock.after(301, note('later'))
  await clock.advance(300)
  expect(fired).toEqual([
    ['a', 100],
    ['a2', 100],
    ['b', 201],
    ['c', 300],
  ])
  expect(clock.now()).toBe(T + 300)
  expect(clock.waiting).toBe(1)
})

it('lets everything follow from a timer before the next one fires', async () => {
  const clock = new ManualClock()
  const order: string[] = []
  clock.after(1, () => {
    clock.soon(() => {
      void Promise.resolve().then(() => clock.soon(() => void order.push('what followed')))
    })
  })
  clock.after(2, () => void order.push('the next'))
  await clock.advance(2)
  expect(order).toEqual(['what followed', 'the next'])
})

it('fires timers that are set on the way, up to the end', async () => {
  const clock = new ManualClock({ now: T })
  const beats: number[] = []
  const beat = (): void => {
    beats.push(clock.now() - T)
    clock.after(10, beat)
  }
  clock.after(10, beat)
  await clock.advance(35)
  expect(beats).toEqual([10, 20, 30])
})

it('lets what needs no time happen by itself', async () => {
  const clock = new ManualClock()
  await new Promise<void>((resolve) => clock.after(0, resolve))
  await new Promise<void>((resolve) => clock.soon(resolve))
  expect(clock.waiting).toBe(0)
})

it('calls off timers, also those that are due, and also twice', async () => {
  const clock = new ManualClock()
  const fired: string[] = []
  const callOff = clock.after(0, () => void fired.push('now'))
  const callOffLater = clock.after(5, () => void fired.push('later'))
  callOff()
  callOffLater()
  callOffLater()
  await clock.advance(10)
  expect(fired).toEqual([])
})

it('is set to another time without moving its timers', async () => {
  const clock = new ManualClock({ now: T })
  let firedAt = 0
  clock.after(1_000, () => void (firedAt = clock.now()))
  clock.set(T - 3_600_000)
  await clock.advance(999)
  expect(firedAt).toBe(0)
  await clock.advance(1)
  expect(firedAt).toBe(T - 3_600_000 + 1_000)
})

it('takes durations as everything else does', async () => {
  const clock = new ManualClock({ now: T })
  await clock.advance('1.5h')
  expect(clock.now()).toBe(T + 5_400_000)
  await expect(clock.advance('soon' as '1s')).rejects.toThrow(UsageError)
  expect(() => new ManualClock({ now: new Date(Number.NaN) })).toThrow(UsageError)
  expect(() => new ManualClock({ seed: 0.5 })).toThrow('Expected `seed` to be a whole number')
})

it('repeats its random numbers for a seed', () => {
  const draw = (seed: number): number[] => {
    const clock = new ManualClock({ seed })
    return Array.from({ length: 1_000 }, () => clock.random())
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  const numbers = draw(1)
  expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true)
  expect(numbers.reduce((a, b) => a + b) / 1_000).toBeCloseTo(0.5, 1)
})

it('lets time pass until a promise is settled, and not longer', async () => {
  const clock = new ManualClock({ now: T })
  const promise = new Promise<string>((resolve) => clock.after(250, () => resolve('done')))
  expect(await clock.during(promise)).toBe('done')
  expect(clock.now()).toBe(T + 300)
  await expect(clock.during(Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(clock.now()).toBe(T + 300)
})

it('says so when something never comes to rest', async () => {
  const clock = new ManualClock()
  let going = true
  const again = (): void => {
    if (going) clock.soon(again)
  }
  again()
  await expect(clock.settle()).rejects.toThrow('still not at rest after 100000 turns')
  going = false
})
