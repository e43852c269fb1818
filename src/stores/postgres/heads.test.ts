import { describe, expect, it } from 'vitest'

import { Heads } from './heads.ts'
import type { Lane } from './lanes.ts'

const T = 1_750_000_000_000
const lane = (id: number): Lane => ({ id, queueId: 1, queue: 'main', task: 'mail', priority: id, keyed: false })
const [one, two] = [lane(1), lane(2)]

describe('where claims begin to look', () => {
  it('is the very beginning, as long as little is read in vain', () => {
    const heads = new Heads()
    heads.took(one, T)
    heads.looked({ inVain: 1_999, us: 900, now: T })
    expect(heads.from(T)).toEqual([null, null])
    expect(heads.nextWholeAt).toBeUndefined()
  })

  it('is where the last one of each lane ended, once much was read in vain', () => {
    const heads = new Heads()
    heads.took(one, T - 5)
    heads.took(two, T - 9)
    heads.took(one, T - 3)
    heads.looked({ inVain: 2_000, us: 50_000, now: T })
    expect(heads.from(T)).toEqual(['{1,2}', `{${T - 3},${T - 9}}`])
  })

  it('is the very beginning again after twenty times as long as such a look takes, until it is cheap', () => {
    const heads = new Heads()
    heads.took(one, T)
    heads.looked({ inVain: 100_000, us: 50_000, now: T })
    expect(heads.nextWholeAt).toBe(T + 1_000)
    expect(heads.from(T + 999)).not.toEqual([null, null])
    expect(heads.from(T + 1_000)).toEqual([null, null])
    heads.looked({ inVain: 100_000, us: 50_000, now: T + 1_000 })
    expect(heads.from(T + 1_001)).not.toEqual([null, null])
    heads.looked({ inVain: 0, us: 1_000, now: T + 2_000 })
    expect(heads.from(T + 2_001)).toEqual([null, null])
  })
})
