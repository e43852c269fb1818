import { describe, expect, it } from 'vitest'

import { UsageError } from './errors.ts'
import { toInstant, toRunAt } from './schedule.ts'

const T = 1_750_000_000_000

describe('toRunAt', () => {
  it('is now if nothing is said', () => {
    expect(toRunAt({}, T)).toBe(T)
  })

  it('is after a delay, rounded up to whole milliseconds', () => {
    expect(toRunAt({ delay: '1.5h' }, T)).toBe(T + 5_400_000)
    expect(toRunAt({ delay: 0.1 }, T)).toBe(T + 1)
    expect(toRunAt({ delay: '1000w' }, T)).toBe(T + 604_800_000_000)
  })

  it('is the time asked for, also in the past, so that the oldest runs first', () => {
    expect(toRunAt({ runAt: new Date(T + 5) }, T)).toBe(T + 5)
    expect(toRunAt({ runAt: T - 5 }, T)).toBe(T - 5)
    expect(toRunAt({ runAt: 0 }, T)).toBe(0)
  })

  it('refuses a delay and a time at once', () => {
    expect(() => toRunAt({ delay: 0, runAt: T }, T)).toThrow('Expected `delay` or `runAt`, got both')
  })

  it('refuses a bad delay', () => {
    expect(() => toRunAt({ delay: -1 }, T)).toThrow(UsageError)
  })
})

describe('toInstant', () => {
  it.each([new Date(Number.NaN), Number.NaN, -1, 0.5, 8_640_000_000_000_001, '2025-01-01', null, undefined, 5n, {}])(
    'refuses %o',
    (value) => {
      expect(() => toInstant(value as number, 'runAt')).toThrow(UsageError)
    },
  )

  it('says that a Date is invalid', () => {
    expect(() => toInstant(new Date('soon'), 'runAt')).toThrow(
      'Expected `runAt` to be a Date or whole milliseconds since 1970, got an invalid Date',
    )
  })

  it('takes the last instant that a Date can show', () => {
    expect(toInstant(new Date(8.64e15), 'runAt')).toBe(8.64e15)
  })
})
