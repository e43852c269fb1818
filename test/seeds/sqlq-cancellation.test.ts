import { describe, expect, it } from 'vitest'

import { CancelledError, type RunningJob, task } from '../../src/index.ts'
import { gate, heard, next, openPostgresBench, startChild, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

/** Runs until it is told to stop, and ends by what it was told. */
const untilTold = (_: unknown, job: RunningJob): Promise<never> =>
  new Promise((_resolve, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason)))

describe('sqlq: cancelling', () => {
  it('S24: lets anybody ask for it, and shows it to whoever looks, until the job has ended', async () => {
    const { jobs, another } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    expect((await jobs.get(id))?.cancel).toBeUndefined()
    expect(await (await another()).cancel(id, 'not wanted')).toBe('requested')
    expect(await jobs.get(id)).toMatchObject({ state: 'running', cancel: 'not wanted' })
    expect(held?.cancelRequested).toBeUndefined()
    await held?.extend('30s')
    expect(held?.cancelRequested).toBe('not wanted')
    await held?.cancel('as you wish')
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', leaseUntil: undefined })
  })

  it('S25: tells the handler at once, from another process, and notes when it has ended', async () => {
    const { jobs, clock, url, schema } = await openPostgresBench()
    const child = await startChild()
    await child.call('openUrl', url, { schema })
    const told: unknown[] = []
    const started = next(jobs, 'started')
    const cancelled = next(jobs, 'cancelled')
    jobs.work([
      work.handle((n, job) => {
        job.signal.addEventListener('abort', () => told.push(job.signal.reason))
        return untilTold(n, job)
      }),
    ])
    const { id } = await jobs.enqueue(work, 1)
    await started
    await clock.settle()
    expect(await child.call('cancel', id)).toBe('requested')
    await cancelled // by the bell: no time has passed
    expect(told).toEqual([new CancelledError('by another process')])
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', finishedAt: T, cancel: 'by another process' })
  })

  it('S25: tells the handler within three seconds where no bell is heard', async () => {
    const { jobs, clock, another } = await openPostgresBench({ notify: false })
    const { id } = await jobs.enqueue(work, 1)
    jobs.work([work.handle(untilTold)], { lease: '30s' })
    await clock.settle()
    await (await another({ notify: false })).cancel(id)
    await clock.advance('3s')
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', finishedAt: T + 3_000 })
  })

  it('S26: lets a success count that comes in spite of it, and leaves nothing that waits for ever', async () => {
    const { jobs, clock } = await openPostgresBench()
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    expect(await jobs.cancel(id)).toBe('requested')
    await clock.advance('10s')
    expect(await jobs.get(id)).toMatchObject({ state: 'running', cancel: 'cancelled' })
    gates.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', finishedAt: T + 10_000 })
    expect((await jobs.stats())[0]?.counts).toMatchObject({ running: 0, completed: 1 })
  })

  it('S26: ends as cancelled what fails, snoozes or is given back after it', async () => {
    const { jobs } = await openPostgresBench()
    const added = await jobs.enqueueMany([1, 2, 3].map((n) => work.with(n)))
    const held = await jobs.leaseMany({ limit: 3 })
    for (const { id } of added) await jobs.cancel(id)
    await held[0]?.fail(new Error('stopped half-way'))
    await held[1]?.snooze('1h')
    await held[2]?.release()
    for (const { id } of added) expect(await jobs.get(id)).toMatchObject({ state: 'cancelled' })
  })

  it('S27: changes nothing of a job that has ended, or that somebody else holds, and says so', async () => {
    const { jobs } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    await held?.complete('done')
    const before = await jobs.get(id)
    expect(await jobs.cancel(id)).toBe('finished')
    expect(await held?.cancel()).toBe(false)
    expect(await jobs.get(id)).toEqual(before)
    expect(await jobs.cancel('no such job')).toBe('missing')
  })

  it('S52: ends a job that waits at once, and no other', async () => {
    const { jobs, clock } = await openPostgresBench()
    const cancelled = heard(jobs, 'cancelled')
    const [first, ...others] = await jobs.enqueueMany([1, 2, 3, 4, 5].map((n) => work.with(n)))
    expect(await jobs.cancel(first!.id, 'not wanted')).toBe('cancelled')
    expect(await jobs.get(first!.id)).toMatchObject({ state: 'cancelled', finishedAt: T, attempt: 0 })
    for (const { id } of others) expect(await jobs.get(id)).toMatchObject({ state: 'pending', cancel: undefined })
    const ran: number[] = []
    jobs.work([work.handle((n) => void ran.push(n))])
    await clock.settle()
    expect(ran).toEqual([2, 3, 4, 5])
    expect(cancelled).toMatchObject([{ job: { id: first!.id }, reason: 'not wanted' }])
  })

  it('S53: ends a job that was asked to stop when its worker dies, and counts it as running until then', async () => {
    const { jobs, clock } = await openPostgresBench()
    await jobs.configure('default', { concurrency: 1 })
    const { id } = await jobs.enqueue(work, 1)
    await jobs.enqueue(work, 2)
    await jobs.lease({ for: '30s' }) // by a process that dies
    await jobs.cancel(id)
    expect(await jobs.lease()).toBeUndefined()
    jobs.work([task({ name: 'other', handler: () => undefined })])
    await clock.advance('29s')
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance('6s')
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled' })
    expect(await jobs.lease()).toMatchObject({ payload: 2 })
  })

  it('F11: tells a run once, however often it is asked and however slow the answers are', async () => {
    const slow = gate()
    let holding = false
    const { jobs, clock, another } = await openPostgresBench({
      around: ({ verb }, go) => (holding && verb === 'claim' ? slow.opened.then(go) : go()),
    })
    const cancelled = heard(jobs, 'cancelled')
    let told = 0
    jobs.work([
      work.handle((n, job) => {
        job.signal.addEventListener('abort', () => told++)
        return untilTold(n, job)
      }),
    ])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    const elsewhere = await another()
    holding = true // the store takes its time to store the end
    for (let n = 0; n < 5; n++) {
      await elsewhere.cancel(id)
      await clock.advance('3s')
    }
    expect(await jobs.get(id)).toMatchObject({ state: 'running' })
    slow.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled' })
    expect(told).toBe(1)
    expect(cancelled).toHaveLength(1)
  })
})
