import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type Backoff, backoffMs, type BackoffPolicy, defaultBackoff, toBackoff } from './backoff.ts'
import { UsageError } from './errors.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

describe('toBackoff', () => {
  it.each<[Backoff, BackoffPolicy]>([
    ['5s', { type: 'fixed', delayMs: 5_000, maxMs: 5_000, jitter: 0 }],
    [0, { type: 'fixed', delayMs: 0, maxMs: 0, jitter: 0 }],
    [
      { type: 'fixed', delay: '2h' },
      { type: 'fixed', delayMs: 7_200_000, maxMs: 7_200_000, jitter: 0 },
    ],
    [
      { type: 'linear', delay: '1m' },
      { type: 'linear', delayMs: 60_000, maxMs: 3_600_000, jitter: 0 },
    ],
    [
      { type: 'exponential', delay: 100 },
      { type: 'exponential', delayMs: 100, maxMs: 3_600_000, jitter: 0.2 },
    ],
    [
      { type: 'exponential', delay: '1s', max: '10s', jitter: 1 },
      { type: 'exponential', delayMs: 1_000, maxMs: 10_000, jitter: 1 },
    ],
  ])('writes %j out in full', (backoff, policy) => {
    expect(toBackoff(backoff)).toEqual(policy)
  })

  it('leaves a function as it is', () => {
    const backoff = (): number => 5
    expect(toBackoff(backoff)).toBe(backoff)
  })

  it.each([
    '5 s',
    -1,
    null,
    true,
    [],
    {},
    { type: 'quadratic', delay: 1 },
    { type: 'fixed' },
    { type: 'fixed', delay: -1 },
    { type: 'fixed', delay: 1, max: 'x' },
    { type: 'fixed', delay: 1, jitter: 1.1 },
    { type: 'fixed', delay: 1, jitter: -0.1 },
    { type: 'fixed', delay: 1, jitter: Number.NaN },
    { type: 'fixed', delay: 1, jitter: '0.5' },
    { type: 'fixed', delay: 1, factor: 2 },
  ])('refuses %j', (backoff) => {
    expect(() => toBackoff(backoff as Backoff)).toThrow(UsageError)
  })
})

describe('backoffMs', () => {
  const plain = { delayMs: 1_000, maxMs: 60_000, jitter: 0 }
  const waits = (policy: BackoffPolicy): number[] =>
    [1, 2, 3, 4, 10].map((attempt) => backoffMs(policy, attempt, undefined, 0.5))

  it('waits the same after every attempt when fixed', () => {
    expect(waits({ ...plain, type: 'fixed' })).toEqual([1_000, 1_000, 1_000, 1_000, 1_000])
  })

  it('waits longer by the delay after every attempt when linear', () => {
    expect(waits({ ...plain, type: 'linear' })).toEqual([1_000, 2_000, 3_000, 4_000, 10_000])
  })

  it('waits twice as long after every attempt when exponential, and never more than the most', () => {
    expect(waits({ ...plain, type: 'exponential' })).toEqual([1_000, 2_000, 4_000, 8_000, 60_000])
  })

  it('takes away up to the share of jitter', () => {
    const policy: BackoffPolicy = { ...plain, type: 'fixed', jitter: 0.5 }
    expect([0, 0.5, 0.999_999].map((random) => backoffMs(policy, 1, undefined, random))).toEqual([1_000, 750, 501])
  })

  it('asks a function with the attempt, what was thrown and the dice', () => {
    const error = new Error('busy')
    const backoff = (attempt: number, thrown: unknown, random: number): number =>
      thrown === error ? attempt * 60_000 + random : 0
    expect(backoffMs(backoff, 3, error, 0)).toBe(180_000)
    expect(backoffMs((_attempt, _thrown, random) => random * 1_000, 3, error, 0.25)).toBe(250)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['returns nonsense', () => 'soon' as '1s'],
    ['returns a negative wait', () => -5],
    ['returns a promise', () => Promise.resolve(5) as unknown as number],
  ])('falls back on the default when a function %s', (_, backoff) => {
    expect(backoffMs(backoff, 2, undefined, 0.5)).toBe(backoffMs(defaultBackoff, 2, undefined, 0.5))
  })

  it('is whole, not negative and at most the maximum, for any policy, attempt and chance', () => {
    const policy = fc.record<BackoffPolicy>({
      type: fc.constantFrom('fixed', 'linear', 'exponential'),
      delayMs: fc.nat({ max: 31_536_000_000_000 }),
      maxMs: fc.nat({ max: 31_536_000_000_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(policy, fc.integer({ min: 1, max: 1_000_000 }), chance, (given, attempt, random) => {
        const ms = backoffMs(given, attempt, undefined, random)
        expect(Number.isSafeInteger(ms) && ms >= 0 && ms <= given.maxMs).toBe(true)
      }),
    )
  })
})
