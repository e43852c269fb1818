import { describe, expect, it } from 'vitest'

import { UsageError } from './errors.ts'
import { Cancel, cancel, RetryError, Snooze, snooze } from './steer.ts'

describe('snooze', () => {
  it('says how long to wait, in milliseconds', () => {
    expect(snooze('5m')).toEqual(new Snooze(300_000))
  })

  it('refuses a bad duration', () => {
    expect(() => snooze(-1)).toThrow(UsageError)
  })
})

describe('cancel', () => {
  it('says why', () => {
    expect(cancel('no longer wanted')).toEqual(new Cancel('no longer wanted'))
  })

  it('refuses a reason that is no text', () => {
    expect(() => cancel(undefined as unknown as string)).toThrow(
      'Expected the reason of cancel() to be text, got undefined',
    )
  })
})

describe('RetryError', () => {
  it('says what comes next, and what was behind it', () => {
    const cause = new Error('429')
    const error = new RetryError('slow down', { delay: '1m', remaining: 2, cause })
    expect(error).toMatchObject({
      name: 'RetryError',
      code: 'retry',
      message: 'slow down',
      delayMs: 60_000,
      remaining: 2,
      cause,
    })
  })

  it('leaves to the policy what it does not say', () => {
    const error = new RetryError('again')
    expect([error.delayMs, error.remaining, 'cause' in error]).toEqual([undefined, undefined, false])
  })

  it.each([{ delay: -1 }, { remaining: -1 }, { remaining: 0.5 }, { remaining: 10_001 }, { retries: 1 }])(
    'refuses %j',
    (options) => {
      expect(() => new RetryError('no', options)).toThrow(UsageError)
    },
  )
})
