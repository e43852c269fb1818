import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { fromMs, toMs } from './duration.ts'
import { UsageError } from './errors.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

describe('toMs', () => {
  it.each([
    [0, 0],
    [1, 1],
    [1_500, 1_500],
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['2w', 1_209_600_000],
    ['0.000001h', 4],
  ])('reads %j as %d ms', (duration, ms) => {
    expect(toMs(duration, 'delay')).toBe(ms)
  })

  it.each([
    [0.2, 1],
    [1_000.01, 1_001],
    ['1.5ms', 2],
    ['0.0001s', 1],
  ])('rounds %j up to %d ms, so that no wait is cut short', (duration, ms) => {
    expect(toMs(duration, 'delay')).toBe(ms)
  })

  it('never rounds up what is whole but for floating point', () => {
    expect(['1.1h', '2.3h', '0.57m', '1.005s', '8.2m'].map((text) => toMs(text, 'delay'))).toEqual([
      3_960_000, 8_280_000, 34_200, 1_005, 492_000,
    ])
  })

  it('is exact for every decimal of a unit', () => {
    const unit = fc.constantFrom(['ms', 1], ['s', 1_000], ['m', 60_000], ['h', 3_600_000], ['d', 86_400_000] as const)
    fc.assert(
      fc.property(fc.nat({ max: 9_999 }), fc.nat({ max: 999_999 }), unit, (whole, millionths, [name, size]) => {
        const text = `${whole}.${String(millionths).padStart(6, '0')}${name}`
        const exact = (BigInt(whole) * 1_000_000n + BigInt(millionths)) * BigInt(size)
        expect(toMs(text, 'delay')).toBe(Number((exact + 999_999n) / 1_000_000n))
      }),
    )
  })

  it.each([
    -1,
    -0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e15,
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '-5s',
    '+5s',
    '5S',
    '1e3s',
    '.5s',
    '5.s',
    '5y',
    '1h30m',
    '٥s',
    '9999999999w',
    null,
    undefined,
    true,
    {},
    [5],
    new Date(5),
  ])('refuses %j', (value) => {
    expect(() => toMs(value, 'delay')).toThrow(UsageError)
  })

  it('names the option, what it expects, what it got, and the least it takes', () => {
    expect(() => toMs('5 s', 'retry.delay')).toThrow(
      `Expected \`retry.delay\` to be a duration like '5m', '1.5h' or milliseconds, got "5 s" (string)`,
    )
    expect(() => toMs(999, 'leaseMs', 1_000)).toThrow('or milliseconds, at least 1000 ms, got 999 (number)')
  })

  it('takes the least it is told to take, and 1,000 years', () => {
    expect(toMs(1_000, 'leaseMs', 1_000)).toBe(1_000)
    expect(toMs('365000d', 'delay')).toBe(31_536_000_000_000)
    expect(() => toMs(31_536_000_000_001, 'delay')).toThrow(UsageError)
  })
})

describe('fromMs', () => {
  it.each([
    [0, '0ms'],
    [1, '1ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_500, '1500ms'],
    [90_000, '90s'],
    [3_600_000, '1h'],
    [86_400_000, '1d'],
    [604_800_000, '1w'],
    [691_200_000, '8d'],
  ])('shows %d ms as %s', (ms, text) => {
    expect(fromMs(ms)).toBe(text)
  })

  it('shows what toMs reads back', () => {
    fc.assert(
      fc.property(fc.nat({ max: 31_536_000_000_000 }), (ms) => {
        expect(toMs(fromMs(ms), 'delay')).toBe(ms)
      }),
    )
  })
})
