import { expect, it } from 'vitest'

import { LeaseLostError, task } from '../../src/index.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { next } from '../sqlite/kit.ts'
import { gate, heard } from '../seeds/kit.ts'
import { type Backlite, newBacklite, T } from './kit.ts'

const minute = 60_000

it('takes a task from the dead the moment its claim is over, though nothing rings', async () => {
  const backlite = newBacklite()
  claimedByGo(backlite, 'orphan', { at: T - minute, attempts: 1 })
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock, releaseAfter: '2m' })
  const started = heard(jobs, 'started')
  const orphan = task<object>({ name: 'orphan', maxAttempts: 5 })
  const worker = jobs.work([orphan.handle(() => undefined)], { poll: '10h', lease: '2m' })
  await clock.advance(minute)
  expect(started).toEqual([])
  await clock.advance(1)
  expect(started).toMatchObject([{ job: { task: 'orphan', attempt: 2 } }])
  expect(backlite.rows()).toEqual([])
  await clock.during(worker.stop())
})

it('runs a task no more often than its attempts, when each run has killed its worker', async () => {
  const backlite = newBacklite()
  claimedByGo(backlite, 'poison', { at: T - minute, attempts: 2 })
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock, releaseAfter: '30s' })
  const [started, failed] = [heard(jobs, 'started'), heard(jobs, 'failed')]
  const poison = task<object>({ name: 'poison', maxAttempts: 2 })
  const worker = jobs.work([poison.handle(() => process.exit(1))])
  await clock.advance(1)
  expect(started).toEqual([])
  expect(failed).toMatchObject([{ job: { task: 'poison' } }])
  expect(backlite.values('backlite_tasks_completed')).toMatchObject([
    { succeeded: 0, error: expect.stringContaining('No attempt is left') },
  ])
  await clock.during(worker.stop())
})

it('leaves a task that died to others, if it does not know its task', async () => {
  const backlite = newBacklite()
  claimedByGo(backlite, 'unknown', { at: T - minute, attempts: 1 })
  const before = backlite.rows()
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock, releaseAfter: '30s' })
  const worker = jobs.work([task<object>({ name: 'known' }).handle(() => undefined)])
  await clock.advance('1h')
  expect(backlite.rows()).toEqual(before)
  await clock.during(worker.stop())
})

it('keeps a claim for as long as its handler runs, by moving claimed_at, and nobody else gets it', async () => {
  const backlite = newBacklite()
  const clock = new ManualClock({ now: T })
  const [jobs, other] = [
    await backlite.jobs({ clock, releaseAfter: '1m' }),
    await backlite.jobs({ clock, releaseAfter: '1m' }),
  ]
  const ends = gate()
  const long = task<object>({ name: 'long' })
  const worker = jobs.work([long.handle(() => ends.opened)])
  await jobs.enqueue(long, {})
  await clock.advance('1s')
  for (let n = 1; n <= 30; n++) {
    await clock.advance('1m')
    expect(await other.lease()).toBeUndefined()
    expect(clock.now() - Number(backlite.values()[0]?.['claimed_at'])).toBeLessThanOrEqual(10_000)
  }
  expect(backlite.values()).toMatchObject([{ attempts: 1 }])
  ends.open()
  await clock.settle()
  expect(backlite.rows()).toEqual([])
  await clock.during(worker.stop())
})

it('lets nothing be stored by a run whose task somebody else has by now', async () => {
  const backlite = newBacklite()
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock, releaseAfter: '1m' })
  const slow = task<object>({ name: 'slow' })
  await jobs.enqueue(slow, {})
  const late = await jobs.lease()
  await clock.advance(minute + 1)
  const other = await backlite.jobs({ clock, releaseAfter: '1m' })
  const taken = await other.lease()
  expect(taken).toMatchObject({ id: late?.id, attempt: 2 })
  const before = backlite.rows()
  expect([await late?.extend('10s'), await late?.complete(), await late?.fail('late'), await late?.release()]).toEqual([
    false,
    false,
    false,
    false,
  ])
  expect(backlite.rows()).toEqual(before)
  expect(await taken?.complete()).toBe(true)
})

it('gives a task back as it was when a worker stops, and when a store closes', async () => {
  const backlite = newBacklite()
  const jobs = await backlite.jobs()
  const one = task<object>({ name: 'one' })
  await jobs.enqueue(one, {}, { runAt: T })
  const before = backlite.rows()
  const started = next(jobs, 'started')
  const worker = jobs.work([one.handle(() => new Promise(() => undefined))])
  await started
  expect(backlite.values()).toMatchObject([{ attempts: 1, claimed_at: expect.any(Number) }])
  await worker.stop({ grace: 0 })
  expect(backlite.rows()).toEqual(before)
  await jobs.lease()
  expect(backlite.values()).toMatchObject([{ attempts: 1 }])
  await jobs.close()
  expect(backlite.rows()).toEqual(before)
})

it('puts off what snoozes: the attempt is given back, and the time moves', async () => {
  const backlite = newBacklite()
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock })
  await jobs.enqueue(task<object>({ name: 'one' }), {})
  const [before] = backlite.rows()
  await (await jobs.lease())?.snooze('2h')
  expect(backlite.rows()).toEqual([
    { ...before, wait_until: ['integer', T + 120 * minute], last_executed_at: ['integer', T] },
  ])
})

it('takes no lease that would outlast the time after which others take the task', async () => {
  const jobs = await newBacklite().jobs({ releaseAfter: '10s' })
  const one = task<object>({ name: 'one' }).handle(() => undefined)
  const words = 'a lease of 30000 ms would outlast `releaseAfter` (10000 ms)'
  expect(() => jobs.work([one])).toThrow(words)
  await expect(jobs.lease()).rejects.toThrow(words)
  jobs.work([one], { lease: '10s' })
  await jobs.enqueue(task<object>({ name: 'other' }), {})
  const held = await jobs.lease({ for: '5s', tasks: ['other'] })
  await expect(held?.extend('11s')).rejects.toThrow('would outlast')
  expect(await held?.extend('10s')).toBe(true)
})

it('tells a handler through its signal that somebody has changed its row behind its back', async () => {
  const backlite = newBacklite()
  const clock = new ManualClock({ now: T })
  const jobs = await backlite.jobs({ clock })
  const one = task<object>({ name: 'one' })
  const reasons: unknown[] = []
  const worker = jobs.work([
    one.handle(
      (_, { signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(reasons.push(signal.reason)))),
    ),
  ])
  await jobs.enqueue(one, {})
  await clock.advance('1s')
  backlite.db.exec('update backlite_tasks set claimed_at = claimed_at + 1, attempts = 2')
  const before = backlite.rows()
  await clock.advance('11s')
  expect(reasons).toEqual([expect.any(LeaseLostError)])
  expect(backlite.rows()).toEqual(before)
  await clock.during(worker.stop())
})

/** A row as a dispatcher has left it that has died in the middle of its work. */
function claimedByGo({ db }: Backlite, queue: string, { at, attempts }: { at: number; attempts: number }): void {
  db.prepare(
    'insert into backlite_tasks (id, created_at, queue, task, claimed_at, attempts) values (?, ?, ?, ?, ?, ?)',
  ).run(`${queue} 1`, at, queue, Buffer.from('{}\n'), at, attempts)
}
