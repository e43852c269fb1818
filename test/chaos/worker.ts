// A worker process of the kill test. What each kind of job does is here; what it must come to is in ledger.ts.
import { setTimeout as sleep } from 'node:timers/promises'

import { type Entry, type HandledTask, type RunningJob, snooze } from '../../src/index.ts'
import type { Effect } from './backend.ts'
import { speedFor } from './clock.ts'
import { die, during } from './failpoints.ts'
import { type Kind, type Payload, tasks } from './kinds.ts'
import { begin } from './process.ts'

const { part, jobs, clock, application, log, chance, failpoints } = await begin()
const { leaseMs, bug } = part.plan

const acts: Readonly<Record<Kind, (payload: Payload, job: RunningJob) => Promise<unknown>>> = {
  transfer,
  fleeting: transfer,
  keyed: transfer,
  unique: transfer,
  once: transfer,
  child: transfer,
  poison: () => {
    log.write({ poisoned: true })
    return die()
  },
  plain: async (_payload, job) => {
    await work()
    await application.effect(effectOf(job))
    failpoints.pass('handler.effect')
  },
  flaky: async (payload, job) => {
    if (job.attempt < 3) throw new Error('not yet')
    await transfer(payload, job)
  },
  doomed: async () => {
    await work()
    throw new Error('never')
  },
  parent: async (payload, job) => {
    await work()
    await complete(job, tasks.child.with({ ...payload, kind: 'child', of: 0 }))
  },
  snoozing: async (payload, job) => {
    if (clock.now() < job.createdAt + 600) return snooze('300ms')
    return await transfer(payload, job)
  },
  long: async (_payload, job) => {
    await sleep(leaseMs * (1.5 + chance.next()), undefined, { signal: job.signal })
    await complete(job)
  },
  unwanted: async (_payload, job) => {
    await sleep(chance.between(20, 200), undefined, { signal: job.signal })
    await complete(job)
  },
}

const handled = Object.entries(tasks).map(([kind, task]): HandledTask<Payload> =>
  task.handle(async (payload, job) => {
    log.write({ run: job.id, lease: job.lease })
    tellOnce()
    failpoints.pass('handler.start')
    return await acts[kind as Kind](payload, job)
  }),
)

let told = false
jobs.work(handled, { concurrency: 4, lease: leaseMs * speedFor(leaseMs), poll: '500ms' })

process.once('SIGTERM', () => {
  void jobs.close({ grace: '1s' }).then(() => process.exit(0))
})
process.send?.({ ready: true })

/** The nemesis strikes at workers that work. */
function tellOnce(): void {
  if (!told) process.send?.({ ran: true })
  told = true
}

async function transfer(_payload: Payload, job: RunningJob): Promise<void> {
  await work()
  await complete(job)
}

/** Deaf to the signal: whoever lost his lease meanwhile must be stopped by the store. */
async function work(): Promise<void> {
  await sleep(chance.between(2, 20))
}

function effectOf({ id, lease, attempt }: RunningJob): Effect {
  return { job: id, lease, attempt, who: part.who, at: clock.now() }
}

/** The effect and the end of the job in one transaction. */
async function complete(job: RunningJob, child?: Entry): Promise<void> {
  failpoints.pass('complete.stall')
  const outside = bug === 'effect outside'
  if (outside) await application.effect(effectOf(job))
  await during('complete', () => application.complete(job, outside ? undefined : effectOf(job), child))
}
