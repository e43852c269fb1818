import { describe, expect, it } from 'vitest'

import { UnrecoverableError, UsageError } from './errors.ts'
import { Cancel, cancel, failedBy, RetryError, Snooze, snooze } from './steer.ts'

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

describe('what a run has come to', () => {
  const never = new UnrecoverableError('never')
  const later = new RetryError('later', { delay: '1m', remaining: 2 })

  it('is what the outermost of an error and its causes says', () => {
    const wrapped = new Error('a', { cause: new Error('b', { cause: never }) })
    expect(failedBy(wrapped)).toEqual({ kind: 'failed', error: wrapped, remaining: 0 })
    const both = new Error('a', { cause: new RetryError('b', { delay: '1m', remaining: 2, cause: never }) })
    expect(failedBy(both)).toEqual({ kind: 'failed', error: both, delayMs: 60_000, remaining: 2 })
    const other = Object.assign(new UnrecoverableError('a'), { cause: later })
    expect(failedBy(other)).toEqual({ kind: 'failed', error: other, remaining: 0 })
  })

  it('is a failure like any other for causes that go in a circle, cannot be read, or are no errors', () => {
    const circle = new Error('circle')
    circle.cause = circle
    const unreadable = Object.defineProperty(new Error('no'), 'cause', {
      get: () => {
        throw new Error('nobody reads me')
      },
    })
    for (const error of [circle, unreadable, new Error('no', { cause: { cause: never } }), 'no', null, undefined])
      expect(failedBy(error)).toEqual({ kind: 'failed', error })
  })
})
