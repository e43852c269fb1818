import { expect, it } from 'vitest'

import { Pace } from './pace.ts'

it('claims nothing ahead before it knows how long runs take', () => {
  expect(new Pace(100).ahead).toBe(0)
})

it.each([
  // hands, every run's ms, ahead
  [1, 0, 100],
  [1, 0.1, 100],
  [1, 1, 20],
  [1, 20, 1],
  [1, 21, 0],
  [10, 20, 10],
  [10, 200, 1],
  [10, 201, 0],
  [1_000, 50, 100],
])('with %i hands and runs of %d ms it claims %i ahead', (hands, ms, ahead) => {
  const pace = new Pace(hands)
  for (let n = 0; n < 100; n++) pace.ran(ms)
  expect(pace.ahead).toBe(ahead)
})

it('learns: one long run among many short ones is forgotten, many are not', () => {
  const pace = new Pace(1)
  for (let n = 0; n < 100; n++) pace.ran(1)
  pace.ran(1_000)
  expect(pace.ahead).toBe(0)
  for (let n = 0; n < 100; n++) pace.ran(1)
  expect(pace.ahead).toBe(19)
})

it('claims nothing ahead after jobs have waited in vain, until many runs were short again', () => {
  const pace = new Pace(10)
  pace.ran(0)
  pace.stuck(250)
  expect(pace.ahead).toBe(0)
  for (let n = 0; n < 20; n++) pace.ran(0)
  expect(pace.ahead).toBe(0)
  for (let n = 0; n < 100; n++) pace.ran(0)
  expect(pace.ahead).toBe(100)
})
