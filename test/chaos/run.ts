import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Instant } from '../../src/core/job.ts'
import { type Jobs, open } from '../../src/index.ts'
import { backends, type Ground } from './backend.ts'
import { Fleet } from './fleet.ts'
import { judge, type Verdict } from './ledger.ts'
import { Nemesis } from './nemesis.ts'
import { files, type Plan } from './plan.ts'
import { insistently } from './insistently.ts'

/** How many jobs the producers may be ahead of the workers, and the work of the kills. */
const backlog = 600
const killsBehind = 10

const tickMs = 25

/** How far a run has come. */
export interface Progress {
  readonly jobs: number
  readonly kills: number
  readonly crashes: number
}

/**
 * One run: processes that enqueue and work, a nemesis that kills and stops them, and when all is done and quiet, the verdict on what the
 * database, the acknowledgements and the ends of the processes say.
 */
export async function torture(plan: Plan, tell: (progress: Progress) => void = () => undefined): Promise<Verdict> {
  const epoch = Date.now()
  await using ground = await backends[plan.backend].prepare(plan, epoch)
  await using jobs = await open(ground.store, { migrate: false, logger: false })
  const fleet = new Fleet(plan, epoch, ground.address)
  const nemesis = new Nemesis(plan, fleet)
  const startedAt = Date.now()
  const over = (): boolean => Date.now() > startedAt + plan.deadlineMs || fleet.hopeless
  const crashes: Instant[] = []
  try {
    fleet.start((role) => nemesis.arm(role))
    await rage(plan, { ground, jobs, fleet, nemesis, crashes }, tell, over)
    const quietAt = Date.now()
    while (!(await ground.records.drained()) && !over()) await sleep(tickMs)
    const drainMs = Date.now() - quietAt
    await fleet.retire()
    const tookMs = Date.now() - startedAt
    const stats = await jobs.stats()
    const { deeds } = nemesis
    const { ends } = fleet
    const verdict = await judge(ground.records, { plan, epoch, stats, deeds, ends, crashes, tookMs, drainMs })
    writeFileSync(files.verdict(plan.dir), JSON.stringify({ ...verdict, ends, crashes }, undefined, 2))
    return verdict
  } finally {
    fleet.end()
  }
}

/** Who meets in a run. */
interface Scene {
  readonly ground: Ground
  readonly jobs: Jobs
  readonly fleet: Fleet
  readonly nemesis: Nemesis
  readonly crashes: Instant[]
}

/** Until all jobs are enqueued and all kills are made. Work and kills keep pace with each other. */
async function rage(
  plan: Plan,
  { ground, jobs, fleet, nemesis, crashes }: Scene,
  tell: (progress: Progress) => void,
  over: () => boolean,
): Promise<void> {
  const { serverKills = 0 } = plan
  while ((fleet.enqueued < plan.jobs || nemesis.kills < plan.kills || crashes.length < serverKills) && !over()) {
    const done = Math.max(0, fleet.enqueued - (await insistently(() => unfinished(jobs))))
    const paced = Math.min(done, (plan.jobs * (nemesis.kills + killsBehind)) / plan.kills)
    fleet.grant(paced + Math.min(backlog, plan.jobs / 8))
    nemesis.saw(Math.min(1, done / plan.jobs))
    nemesis.strike()
    if (done / plan.jobs > (crashes.length + 0.5) / serverKills) {
      crashes.push(Date.now())
      await ground.crash?.()
    }
    tell({ jobs: done, kills: nemesis.kills, crashes: crashes.length })
    await sleep(tickMs)
  }
}

async function unfinished(jobs: Jobs): Promise<number> {
  const stats = await jobs.stats()
  return stats.reduce((sum, { counts }) => sum + counts.pending + counts.running, 0)
}
