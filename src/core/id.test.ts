import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { firstIdAt, makeIds } from './id.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

const T = 1_750_000_000_000

/** The same numbers each time: a linear congruential generator. */
function dice(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32
}

it('makes ids of 21 letters and digits that cannot be mistaken for each other', () => {
  const ids = makeIds(dice(1))
  for (const now of [0, 1, T, 2 ** 45 - 1]) expect(ids(now)).toMatch(/^[0-9a-hjkmnp-tv-z]{21}$/)
})

it('makes ids that grow, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 44 })), fc.nat(), (clock, seed) => {
      const ids = makeIds(dice(seed))
      const made = clock.flatMap((now) => [ids(now), ids(now)])
      expect(made).toEqual([...new Set(made)].toSorted())
    }),
  )
})

it('makes ids that grow through ever so many in one millisecond', () => {
  const ids = makeIds(() => 0.999_999_999_9)
  let last = ids(T)
  for (let n = 0; n < 100_000; n++) {
    const next = ids(T)
    if (!(next > last)) expect(next).toBe(`more than ${last}`)
    last = next
  }
})

it('sorts ids by the time they were made at, whoever made them', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 44 }), fc.nat({ max: 2 ** 40 }), fc.nat(), fc.nat(), (at, later, one, other) => {
      expect(makeIds(dice(one))(at) < makeIds(dice(other))(at + later + 1)).toBe(true)
    }),
  )
})

it('makes different ids in different makers', () => {
  const made = Array.from({ length: 1_000 }, (_, seed) => makeIds(dice(seed * 7_919 + 1))(T))
  expect(new Set(made).size).toBe(1_000)
})

it('knows the smallest id of an instant: no id from then on is below it, none before is above', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 44 }), fc.nat(), (at, seed) => {
      const id = makeIds(dice(seed))(at)
      expect(firstIdAt(at) <= id).toBe(true)
      expect(id < firstIdAt(at + 1)).toBe(true)
    }),
  )
})

it('takes an instant before 1970 for the first', () => {
  expect(firstIdAt(-5)).toBe(firstIdAt(0))
})
