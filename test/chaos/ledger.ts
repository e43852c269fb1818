import type { DatabaseSync } from 'node:sqlite'

import type { Instant } from '../../src/core/job.ts'
import type { QueueStats } from '../../src/index.ts'
import { readAcks } from './acks.ts'
import { speedFor } from './clock.ts'
import { points, stallPoints } from './failpoints.ts'
import type { End } from './fleet.ts'
import { type Complain, Lives, type Rule } from './lives.ts'
import { readLogs } from './log.ts'
import type { Deeds } from './nemesis.ts'
import type { Plan } from './plan.ts'
import {
  judgeAcks,
  judgeBatches,
  judgeChildren,
  judgeCoverage,
  judgeDatabase,
  judgeEffects,
  judgeEnds,
  judgeProcesses,
  judgeRuns,
  killsOf,
  rerunPercent,
  timesFired,
} from './rules.ts'
import { readTape } from './tape.ts'

/** What is left of a run when it is over. */
export interface Remains {
  readonly plan: Plan
  readonly epoch: Instant
  readonly db: DatabaseSync
  /** What the library says of its queues. */
  readonly stats: readonly QueueStats[]
  readonly deeds: Deeds
  readonly ends: readonly End[]
  readonly tookMs: number
  readonly drainMs: number
}

export interface Complaint {
  readonly rule: Rule
  readonly text: string
}

export interface Verdict {
  readonly complaints: readonly Complaint[]
  readonly figures: Readonly<Record<string, number | string>>
}

/** Judges a run by the tape, the acknowledgements, the effects, and the ends of its processes. Reads only; nothing may run any more. */
export function judge(remains: Remains): Verdict {
  const { plan, db } = remains
  const complaints: Complaint[] = []
  const complain: Complain = (rule, text) => complaints.push({ rule, text })
  const lives = new Lives(plan.leaseMs * speedFor(plan.leaseMs), complain)
  for (const change of readTape(db)) lives.follow(change)
  judgeAcks(remains, lives, complain)
  judgeEffects(db, lives, complain)
  judgeEnds(lives, complain)
  judgeChildren(db, lives, complain)
  judgeBatches(lives, complain)
  judgeRuns(plan, lives, complain)
  judgeDatabase(remains, lives, complain)
  judgeProcesses(remains, lives, complain)
  judgeCoverage(remains, lives, complain)
  return { complaints, figures: figuresOf(remains, lives) }
}

function figuresOf({ plan, db, deeds, ends, tookMs, drainMs }: Remains, lives: Lives): Verdict['figures'] {
  const all = [...lives.byId.values()]
  const inState = (state: number): number => all.filter((life) => life.state === state).length
  const caused = (cause: End['cause']): number => ends.filter((end) => end.cause === cause).length
  const stalls = stallPoints.reduce((sum, point) => sum + timesFired(point, ends), 0)
  const said = [...readLogs(plan.dir, 'worker')]
  const rows = (table: string): number => Number(db.prepare(`select count(*) n from ${table}`).get()?.['n'])
  return {
    seed: plan.seed,
    seconds: (tookMs / 1_000).toFixed(1),
    'seconds to drain after the last fault': (drainMs / 1_000).toFixed(1),
    'jobs acknowledged': readAcks(plan.dir).enqueued.size,
    'jobs in all': all.length,
    'completed · failed · cancelled': [2, 3, 4].map(inState).join(' · '),
    effects: rows('effect'),
    'changes on the tape': rows('tape'),
    SIGKILLs: killsOf(ends).length,
    'at random · at failpoints': `${caused('killed')} · ${caused('failpoint')}`,
    'by poison jobs, on top': caused('poison'),
    'kills of workers that made jobs run again': `${rerunPercent(ends, lives)} %`,
    'SIGSTOPs · stalls · SIGTERMs': `${deeds.stops} · ${stalls} · ${deeds.terms}`,
    'leases that ran out': lives.rescues.length,
    'late workers refused': said.filter((line) => 'lost' in line).length,
    'errors of the store': said.filter((line) => 'error' in line).length,
    'slowest graceful stop, ms': Math.max(
      0,
      ...ends.flatMap(({ cause, tookMs: ms }) => (cause === 'stopped' ? [ms] : [])),
    ),
    failpoints: points.map((point) => `${point} ${timesFired(point, ends)}`).join(', '),
  }
}
