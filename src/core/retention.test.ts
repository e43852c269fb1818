import { describe, expect, it } from 'vitest'

import { UsageError } from './errors.ts'
import { defaultRetention, forgetAt, keepsPayload, type Retention, toRetention } from './retention.ts'

const T = 1_750_000_000_000
const ends = ['completed', 'failed', 'cancelled'] as const

describe('toRetention', () => {
  it('keeps completed jobs an hour, failed ones a week, cancelled ones a day, and their payloads, if nothing is said', () => {
    expect(toRetention({})).toEqual({
      completed: 3_600_000,
      failed: 604_800_000,
      cancelled: 86_400_000,
      payload: 'all',
    })
    expect(toRetention({})).toEqual(defaultRetention)
  })

  it('takes durations, false for not at all, and forever', () => {
    expect(toRetention({ completed: false, failed: 'forever', cancelled: '2d', payload: 'failed' })).toEqual({
      completed: 0,
      failed: null,
      cancelled: 172_800_000,
      payload: 'failed',
    })
  })

  it.each([
    { completed: true },
    { failed: null },
    { cancelled: -1 },
    { payload: 'some' },
    { complete: '1h' },
    null,
    '1h',
  ])('refuses %j', (retention) => {
    expect(() => toRetention(retention as Retention)).toThrow(UsageError)
  })
})

describe('forgetAt', () => {
  const policy = { ...defaultRetention, completed: 0, failed: null, cancelled: 500 }

  it('is an instant, never, or now when a job is not kept at all', () => {
    expect(ends.map((state) => forgetAt(policy, state, T))).toEqual(['now', undefined, T + 500])
  })
})

describe('keepsPayload', () => {
  it.each([
    ['all', [true, true, true]],
    ['failed', [false, true, false]],
    ['none', [false, false, false]],
  ] as const)('keeps with %s the payloads of completed, failed, cancelled jobs: %j', (payload, kept) => {
    expect(ends.map((state) => keepsPayload({ ...defaultRetention, payload }, state))).toEqual(kept)
  })
})
