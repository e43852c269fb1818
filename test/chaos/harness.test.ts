import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { type Bug, bugs } from './bugs.ts'
import type { Point } from './failpoints.ts'
import type { Rule } from './lives.ts'
import { makeDir } from './plan.ts'
import { torture } from './run.ts'

/** For each planted bug, where to strike to bring it to light, and what the checker must complain of. */
const expected: Readonly<Record<Bug, { readonly points: readonly Point[]; readonly rule: Rule }>> = {
  'unguarded write': { points: ['settle.stall', 'complete.stall', 'rescue.stall'], rule: 'fence' },
  'early rescue': { points: [], rule: 'leases' },
  'busy key ignored': { points: [], rule: 'keys' },
  'attempt not counted': { points: ['handler.start'], rule: 'attempts' },
  'lost count': { points: [], rule: 'counters' },
  'effect outside': { points: ['complete.before-commit', 'complete.stall'], rule: 'effects' },
  'acknowledged first': { points: ['insert.before-commit'], rule: 'lost' },
}

describe('the checker of the kill test', () => {
  it.for(bugs)('complains of a planted bug: %s', { timeout: 60_000 }, async (bug) => {
    const { points, rule } = expected[bug]
    const dir = makeDir()
    const { complaints } = await torture({
      backend: 'sqlite',
      seed: 1,
      kills: 10,
      jobs: 400,
      leaseMs: 300,
      dir,
      deadlineMs: 9_000,
      points,
      bug,
    })
    expect(complaints.map((complaint) => complaint.rule)).toContain(rule)
    rmSync(dir, { recursive: true })
  })
})
