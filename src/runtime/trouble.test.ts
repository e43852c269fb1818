import { expect, it } from 'vitest'

import { ManualClock } from '../testing/manual-clock.ts'
import type { Clock } from './clock.ts'
import { Trouble } from './trouble.ts'

const withChance = (random: number): Clock => Object.assign(new ManualClock(), { random: () => random })

it('waits longer from failure to failure, up to five seconds', () => {
  const trouble = new Trouble(withChance(0))
  expect(Array.from({ length: 8 }, () => trouble.waitMs())).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
})

it('takes away up to a fifth at random, so that not all come back at once', () => {
  const trouble = new Trouble(withChance(0.999_999))
  expect(Array.from({ length: 7 }, () => trouble.waitMs())).toEqual([81, 161, 321, 641, 1_281, 2_561, 4_001])
})

it('begins anew once the store has answered', () => {
  const trouble = new Trouble(withChance(0))
  for (let n = 0; n < 2_000; n++) trouble.waitMs()
  expect(trouble.waitMs()).toBe(5_000)
  trouble.over()
  expect(trouble.waitMs()).toBe(100)
})
