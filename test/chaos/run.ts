import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

import { type Jobs, open } from '../../src/index.ts'
import { Fleet } from './fleet.ts'
import { judge, type Verdict } from './ledger.ts'
import { Nemesis } from './nemesis.ts'
import { files, type Plan } from './plan.ts'
import { startTape } from './tape.ts'

/** How many jobs the producers may be ahead of the workers, and the work of the kills. */
const backlog = 600
const killsBehind = 10

const tickMs = 25

/** How far a run has come. */
export interface Progress {
  readonly jobs: number
  readonly kills: number
}

/**
 * One run: processes that enqueue and work, a nemesis that kills and stops them, and when all is done and quiet, the verdict on what the
 * database, the acknowledgements and the ends of the processes say.
 */
export async function torture(plan: Plan, tell: (progress: Progress) => void = () => undefined): Promise<Verdict> {
  const file = files.database(plan.dir)
  const epoch = Date.now()
  await using jobs = await open(`sqlite:${file}`)
  startTape(file)
  using db = new DatabaseSync(file)
  const fleet = new Fleet(plan, epoch)
  const nemesis = new Nemesis(plan, fleet)
  const over = (): boolean => Date.now() > epoch + plan.deadlineMs || fleet.hopeless
  try {
    fleet.start((role) => nemesis.arm(role))
    await rage(plan, jobs, fleet, nemesis, tell, over)
    const quietAt = Date.now()
    await drained(db, over)
    const drainMs = Date.now() - quietAt
    await fleet.retire()
    const tookMs = Date.now() - epoch
    const stats = await jobs.stats()
    const { deeds } = nemesis
    const { ends } = fleet
    const verdict = judge({ plan, epoch, db, stats, deeds, ends, tookMs, drainMs })
    writeFileSync(files.verdict(plan.dir), JSON.stringify({ ...verdict, ends }, undefined, 2))
    return verdict
  } finally {
    fleet.end()
  }
}

/** Until all jobs are enqueued and all kills are made. Work and kills keep pace with each other. */
async function rage(
  plan: Plan,
  jobs: Jobs,
  fleet: Fleet,
  nemesis: Nemesis,
  tell: (progress: Progress) => void,
  over: () => boolean,
): Promise<void> {
  while ((fleet.enqueued < plan.jobs || nemesis.kills < plan.kills) && !over()) {
    const done = Math.max(0, fleet.enqueued - (await unfinished(jobs)))
    const paced = Math.min(done, (plan.jobs * (nemesis.kills + killsBehind)) / plan.kills)
    fleet.grant(paced + Math.min(backlog, plan.jobs / 8))
    nemesis.saw(Math.min(1, done / plan.jobs))
    nemesis.strike()
    tell({ jobs: done, kills: nemesis.kills })
    await sleep(tickMs)
  }
}

async function unfinished(jobs: Jobs): Promise<number> {
  const stats = await jobs.stats()
  return stats.reduce((sum, { counts }) => sum + counts.pending + counts.running, 0)
}

/** Until no job waits or runs any more. Looks at the rows: the counters are to be judged too. */
async function drained(db: DatabaseSync, over: () => boolean): Promise<void> {
  const left = db.prepare('select exists (select 1 from jobferry_job where state < 2) n')
  while (Number(left.get()?.['n']) === 1 && !over()) await sleep(tickMs)
}
