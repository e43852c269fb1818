import { expect, it } from 'vitest'

import { sqlqBackoffMs } from './format.ts'

it.each([
  [1, 11_000, 69_000],
  [2, 26_000, 113_000],
  [3, 91_000, 207_000],
  [999, 315_360_000_000, 315_360_000_000],
])(
  'waits after attempt %i from %i to %i ms, as sqlq does, and never for more than ten years',
  (attempt, least, most) => {
    expect([sqlqBackoffMs(attempt, undefined, 0), sqlqBackoffMs(attempt, undefined, 0.999)]).toEqual([least, most])
  },
)
