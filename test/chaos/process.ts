import { flushCompileCache } from 'node:module'

import { type Jobs, open } from '../../src/index.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { type Application, backends } from './backend.ts'
import { Chance } from './chance.ts'
import { fastClock, speedFor } from './clock.ts'
import { Failpoints } from './failpoints.ts'
import { insistently } from './insistently.ts'
import { Log } from './log.ts'
import { files, type Part } from './plan.ts'
import { watched } from './watched-store.ts'

/** What a worker and a producer have in common: jobs on a watched store, a connection of the application's own, and a log. */
export interface ChildProcess {
  readonly part: Part
  readonly jobs: Jobs
  readonly clock: Clock
  readonly application: Application
  readonly log: Log
  readonly chance: Chance
  readonly failpoints: Failpoints
}

/** Reads the part from the command line and opens everything. Ends with the process that started it. */
export async function begin(): Promise<ChildProcess> {
  const part = JSON.parse(process.argv[2] ?? '') as Part
  const { plan, who } = part
  process.once('disconnect', () => process.exit(1))
  flushCompileCache() // a killed process would not do it at its end, and so the next one would compile all again
  const log = new Log(files.log(plan.dir, who))
  const chance = new Chance(plan.seed).of(who)
  const failpoints = new Failpoints(part, log)
  const clock = fastClock(part.epoch, speedFor(plan.leaseMs), () => chance.next())
  const options = { clock, logger: false, migrate: false } as const
  const { jobs, application } = await insistently(async () => {
    const access = await backends[plan.backend].enter(part, failpoints) // anew: a store that could not be opened is closed
    return { jobs: await open(watched(access.store, part.role, failpoints), options), application: access.application }
  })
  jobs.on('error', ({ error, during }) => log.write({ error: String(error), during }))
  jobs.on('lost', ({ job }) => log.write({ lost: job.id }))
  return { part, jobs, clock, application: application(jobs), log, chance, failpoints }
}
