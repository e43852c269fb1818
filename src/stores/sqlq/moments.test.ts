import { expect, it } from 'vitest'

import { Moments } from './moments.ts'

it('gives each job a moment of its own, in order, in microseconds', () => {
  const moments = new Moments()
  expect([50, 50, 51, 51].map((at, i) => moments.next(at, i))).toEqual([50_000, 50_001, 51_000, 51_001])
})

it('goes on where it was when more than a thousand were made in a millisecond', () => {
  const moments = new Moments()
  for (let i = 0; i < 1_500; i++) moments.next(50, i)
  expect(moments.next(51, 0)).toBe(51_500)
})

it('leaves jobs of the past where they belong', () => {
  const moments = new Moments()
  expect([50, 49, 49, 50].map((at, i) => moments.next(at, i))).toEqual([50_000, 49_001, 49_002, 50_001])
})
