import type { Instant } from '../../src/core/job.ts'
import type { QueueStats } from '../../src/index.ts'
import { readAcks } from './acks.ts'
import type { Count, Records, RowLeft } from './backend.ts'
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

/** What was done in a run. */
export interface Run {
  readonly plan: Plan
  readonly epoch: Instant
  /** What the library says of its queues. */
  readonly stats: readonly QueueStats[]
  readonly deeds: Deeds
  readonly ends: readonly End[]
  /** When the server was crashed, by the real clock. */
  readonly crashes: readonly Instant[]
  readonly tookMs: number
  readonly drainMs: number
}

/** What is left of a run when it is over, the tape aside. */
export interface Remains extends Run {
  readonly effects: Awaited<ReturnType<Records['effects']>>
  readonly families: Awaited<ReturnType<Records['children']>>
  readonly rows: readonly RowLeft[]
  readonly recount: readonly Count[]
  readonly faults: readonly string[]
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
export async function judge(records: Records, run: Run): Promise<Verdict> {
  const { plan } = run
  const remains: Remains = {
    ...run,
    effects: await records.effects(),
    families: await records.children(),
    rows: await records.rows(),
    recount: await records.recount(),
    faults: await records.faults(),
  }
  const complaints: Complaint[] = []
  const complain: Complain = (rule, text) => complaints.push({ rule, text })
  const lives = new Lives(plan.leaseMs * speedFor(plan.leaseMs), complain)
  let changes = 0
  for await (const change of records.tape()) {
    changes++
    lives.follow(change)
  }
  judgeAcks(remains, lives, complain)
  judgeEffects(remains, lives, complain)
  judgeEnds(lives, complain)
  judgeChildren(remains, lives, complain)
  judgeBatches(lives, complain)
  judgeRuns(remains, lives, complain)
  judgeDatabase(remains, lives, complain)
  judgeProcesses(remains, lives, complain)
  judgeCoverage(remains, lives, complain)
  return { complaints, figures: figuresOf(remains, lives, changes) }
}

function figuresOf(remains: Remains, lives: Lives, changes: number): Verdict['figures'] {
  const { plan, effects, crashes, deeds, ends, tookMs, drainMs } = remains
  const all = [...lives.byId.values()]
  const inState = (state: number): number => all.filter((life) => life.state === state).length
  const caused = (cause: End['cause']): number => ends.filter((end) => end.cause === cause).length
  const stalls = stallPoints.reduce((sum, point) => sum + timesFired(point, ends), 0)
  const said = [...readLogs(plan.dir, 'worker')]
  return {
    backend: plan.backend,
    seed: plan.seed,
    seconds: (tookMs / 1_000).toFixed(1),
    'seconds to drain after the last fault': (drainMs / 1_000).toFixed(1),
    'jobs acknowledged': readAcks(plan.dir).enqueued.size,
    'jobs in all': all.length,
    'completed · failed · cancelled': [2, 3, 4].map(inState).join(' · '),
    effects: effects.length,
    'changes on the tape': changes,
    SIGKILLs: killsOf(ends).length,
    'crashes of the server': crashes.length,
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
