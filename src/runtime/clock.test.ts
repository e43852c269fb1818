import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { systemClock } from './clock.ts'

// Node's timers, not ours, are replaced: a wait of 400 days is then a matter of one call.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_000 }))
afterEach(() => void vi.useRealTimers())

const day = 86_400_000

it('tells the time in whole milliseconds', () => {
  expect(systemClock.now()).toBe(1_000)
})

it('calls once, and not too soon', () => {
  const at: number[] = []
  systemClock.after(50, () => void at.push(systemClock.now()))
  vi.advanceTimersByTime(49)
  expect(at).toEqual([])
  vi.advanceTimersByTime(10 * day)
  expect(at).toEqual([1_050])
})

it.each([25, 30, 400])('waits %i days, although no timer of Node waits longer than 24.8', (days) => {
  const at: number[] = []
  systemClock.after(days * day, () => void at.push(systemClock.now()))
  vi.advanceTimersByTime(days * day - 1)
  expect(at).toEqual([])
  vi.advanceTimersByTime(1)
  expect(at).toEqual([1_000 + days * day])
  vi.advanceTimersByTime(days * day)
  expect(at).toHaveLength(1)
})

it('calls off a wait, however far it has come', () => {
  const called: string[] = []
  const callOff = systemClock.after(100, () => void called.push('short'))
  const callOffLong = systemClock.after(60 * day, () => void called.push('long'))
  callOff()
  vi.advanceTimersByTime(40 * day)
  callOffLong()
  vi.advanceTimersByTime(400 * day)
  expect(called).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

it('calls soon after what is ready now', async () => {
  const order: string[] = []
  const soon = new Promise<void>((resolve) =>
    systemClock.soon(() => {
      order.push('soon')
      resolve()
    }),
  )
  void Promise.resolve().then(() => order.push('ready'))
  await soon
  expect(order).toEqual(['ready', 'soon'])
})

it('draws from 0 to 1', () => {
  for (let n = 0; n < 100; n++) {
    const drawn = systemClock.random()
    expect(drawn).toBeGreaterThanOrEqual(0)
    expect(drawn).toBeLessThan(1)
  }
})
