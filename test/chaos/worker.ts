// A worker process of the kill test. What each kind of job does is here; what it must come to is in ledger.ts.
import { setTimeout as sleep } from 'node:timers/promises'

import { type HandledTask, type RunningJob, snooze } from '../../src/index.ts'
import { speedFor } from './clock.ts'
import { die, during } from './failpoints.ts'
import { type Kind, type Payload, tasks } from './kinds.ts'
import { begin } from './process.ts'

const { part, jobs, clock, db, log, chance, failpoints } = await begin()
const { leaseMs, bug } = part.plan
const addEffect = db.prepare('insert into effect values (?, ?, ?, ?, ?)')
const addChild = db.prepare('insert into child_of values (?, ?)')

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
    effect(job)
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
    complete(job, () => {
      const child = tasks.child.with({ ...payload, kind: 'child', of: 0 })
      const [enqueued] = jobs.enqueueMany([child], { tx: db })
      addChild.run(job.id, enqueued?.id ?? null)
    })
  },
  snoozing: async (payload, job) => {
    if (clock.now() < job.createdAt + 600) return snooze('300ms')
    return await transfer(payload, job)
  },
  long: async (_payload, job) => {
    await sleep(leaseMs * (1.5 + chance.next()), undefined, { signal: job.signal })
    complete(job)
  },
  unwanted: async (_payload, job) => {
    await sleep(chance.between(20, 200), undefined, { signal: job.signal })
    complete(job)
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
  complete(job)
}

/** Deaf to the signal: whoever lost his lease meanwhile must be stopped by the store. */
async function work(): Promise<void> {
  await sleep(chance.between(2, 20))
}

function effect(job: RunningJob): void {
  addEffect.run(job.id, job.lease, job.attempt, part.who, clock.now())
}

/** The effect and the end of the job in one transaction. */
function complete(job: RunningJob, also?: () => void): void {
  failpoints.pass('complete.stall')
  if (bug === 'effect outside') effect(job)
  during('complete', () => {
    db.exec('begin immediate')
    try {
      if (bug !== 'effect outside') effect(job)
      also?.()
      job.complete(undefined, { tx: db })
      db.exec('commit')
    } catch (error) {
      if (db.isTransaction) db.exec('rollback')
      throw error
    }
  })
}
