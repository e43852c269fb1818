import { expect, it } from 'vitest'

import { UsageError } from '../core/errors.ts'
import { exact, relative, span, toInstant, toPast } from './time.ts'

const T = Date.UTC(2026, 10, 21, 8)
const h = 3_600_000

it('shows lengths of time in their largest unit', () => {
  expect([0, 999, 61_000, 2 * h, 30 * 24 * h].map(span)).toEqual(['0s', '0s', '1m', '2h', '30d'])
})

it('shows instants relative to now, and exactly', () => {
  expect([T, T + 400, T + h - 1, T - 90_000].map((at) => relative(at, T))).toEqual(['now', 'now', 'in 1h', '1m ago'])
  expect(exact(T)).toBe('2026-11-21T08:00:00.000Z')
})

it('reads times as people write them', () => {
  expect(toInstant('2026-11-21T08:00Z', '--since')).toBe(T)
  expect(toInstant('2026-11-21', '--since')).toBe(Date.UTC(2026, 10, 21))
  expect(toInstant(String(T), '--since')).toBe(T)
  expect(toPast('1.5h', '--since', T)).toBe(T - 1.5 * h)
  expect(toPast('2026-11-21T08:00Z', '--since', T)).toBe(T)
})

it.each(['yesterday', '2026-13-01', '', '9999999999999999', '-5'])('refuses %j as a time', (given) => {
  expect(() => toInstant(given, '--since')).toThrow(UsageError)
})
