import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import { type BackendName, backendNames } from './backend.ts'
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

/** Some of the bugs keep a run from ever coming to an end: it is cut short. The others have all the time that a busy machine takes. */
const endless: ReadonlySet<Bug> = new Set(['unguarded write', 'early rescue', 'attempt not counted', 'lost count'])
const cutMs = { sqlite: 9_000, postgres: 15_000, redis: 12_000 } as const
const patienceMs = 60_000

const long = process.env['JOBFERRY_LONG'] !== undefined

/** All that can be planted are found on every backend. Each takes up to a quarter of a minute, so some are looked for only if JOBFERRY_LONG is set. */
const sought: Readonly<Record<BackendName, readonly Bug[]>> = {
  sqlite: long ? bugs : ['unguarded write', 'busy key ignored', 'effect outside', 'acknowledged first'],
  postgres: long ? bugs : ['unguarded write'],
  redis: long ? ['busy key ignored', 'early rescue'] : ['busy key ignored'],
}

describe.each(backendNames)('the checker of the kill test on %s', (backend) => {
  it.for(sought[backend])('complains of a planted bug: %s', { timeout: 90_000 }, async (bug) => {
    const { points, rule } = expected[bug]
    const dir = makeDir()
    const { complaints } = await torture({
      backend,
      seed: 1,
      kills: 10,
      jobs: 400,
      leaseMs: 300,
      dir,
      deadlineMs: endless.has(bug) ? cutMs[backend] : patienceMs,
      points,
      bug,
    })
    expect(complaints.map((complaint) => complaint.rule)).toContain(rule)
    rmSync(dir, { recursive: true })
  })
})
