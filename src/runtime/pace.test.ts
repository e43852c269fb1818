import { expect, it } from 'vitest'

import { Pace } from './pace.ts'

it('claims nothing ahead before it knows how long runs take', () => {
  expect(new Pace(100).ahead('near')).toBe(0)
})

it.each([
  // hands, every run's ms, ahead of a store at hand, of one across a network
  [1, 0, 100, 200],
  [1, 0.1, 100, 200],
  [1, 1, 20, 20],
  [1, 20, 1, 1],
  [1, 21, 0, 0],
  [10, 20, 10, 10],
  [10, 200, 1, 1],
  [10, 201, 0, 0],
  [100, 0, 100, 500],
  [1_000, 50, 100, 400],
])('with %i hands and runs of %d ms it claims %i ahead, of a far store %i', (hands, ms, near, far) => {
  const pace = new Pace(hands)
  for (let n = 0; n < 100; n++) pace.ran(ms)
  expect([pace.ahead('near'), pace.ahead('far')]).toEqual([near, far])
})

it('learns: one long run among many short ones is forgotten, many are not', () => {
  const pace = new Pace(1)
  for (let n = 0; n < 100; n++) pace.ran(1)
  pace.ran(1_000)
  expect(pace.ahead('near')).toBe(0)
  for (let n = 0; n < 100; n++) pace.ran(1)
  expect(pace.ahead('near')).toBe(19)
})

it('claims nothing ahead after jobs have waited in vain, until many runs were short again', () => {
  const pace = new Pace(10)
  pace.ran(0)
  pace.stuck(250)
  expect(pace.ahead('near')).toBe(0)
  for (let n = 0; n < 20; n++) pace.ran(0)
  expect(pace.ahead('near')).toBe(0)
  for (let n = 0; n < 100; n++) pace.ran(0)
  expect(pace.ahead('near')).toBe(100)
})
