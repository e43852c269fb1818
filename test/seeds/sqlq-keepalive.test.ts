import { describe, expect, it } from 'vitest'

import { LeaseLostError, type Logger, StoreError, task } from '../../src/index.ts'
import { gate, heard, openPostgresBench, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

/** Works nothing of this test's: takes back what others have dropped. */
const other = task({ name: 'other', handler: () => undefined })

describe('sqlq: keeping and taking back', () => {
  it('S28: moves the end of a lease that is still held, and never revives one that has run out', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease({ for: '10s' })
    await clock.advance('9s')
    expect(await held?.extend('10s')).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'running', leaseUntil: T + 19_000 })
    await clock.advance('10s')
    expect(await held?.extend('10s')).toBe(false) // though nobody has taken it since
    expect(await jobs.get(id)).toMatchObject({ leaseUntil: T + 19_000 })
  })

  it('S29: renews by itself, at a third of the lease, for as long as the handler runs', async () => {
    const renewals: number[] = []
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (verb === 'renew') renewals.push(clock.now() - T)
        return go()
      },
    })
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)], { lease: '30s' })
    await jobs.enqueue(work, 1)
    await clock.advance('35s')
    expect(renewals).toEqual([10_000, 20_000, 30_000])
    gates.open()
    await clock.advance('1m')
    expect(renewals).toHaveLength(3)
  })

  it('S29: tells what goes wrong with it, and stops the run before somebody else may have the job', async () => {
    let away = false
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (away && verb === 'renew') throw new StoreError('away', { retryable: true })
        return go()
      },
    })
    const errors = heard(jobs, 'error')
    const stops: [number, unknown][] = []
    jobs.work([
      work.handle(
        (_, job) =>
          new Promise((resolve) =>
            job.signal.addEventListener('abort', () => {
              stops.push([clock.now() - T, job.signal.reason])
              resolve(undefined)
            }),
          ),
      ),
    ])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    away = true
    await clock.advance('30s')
    expect(errors[0]).toMatchObject({ during: 'renewing leases', error: { message: 'away' } })
    expect(stops).toEqual([[expect.any(Number), new LeaseLostError(id)]])
    expect(stops[0]?.[0]).toBeLessThan(30_000)
  })

  it('S30: never takes back a job of five seconds’ lease whose worker lives, in a minute of looking', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const elsewhere = await another()
    const rescued = heard(elsewhere, 'rescued')
    const gates = gate()
    let runs = 0
    jobs.work(
      [
        work.handle(() => {
          runs++
          return gates.opened
        }),
      ],
      { lease: '5s', upkeep: false },
    )
    elsewhere.work([work.handle(() => void runs++), other], { lease: '5s' })
    const { id } = await jobs.enqueue(work, 1)
    await clock.advance('1m')
    gates.open()
    await clock.settle()
    expect(runs).toBe(1)
    expect(rescued).toEqual([])
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  it('S31: takes a job back once, whoever looks, when its lease has run out: for another attempt, or as failed', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const all = [jobs, await another(), await another()]
    const rescued = all.map((one) => heard(one, 'rescued'))
    const last = await jobs.enqueue(work, 1, { maxAttempts: 1, queue: 'a' })
    const first = await jobs.enqueue(work, 2, { maxAttempts: 2, queue: 'b' })
    await jobs.leaseMany({ limit: 2, for: '10s' }) // by a process that dies
    for (const one of all) one.work([other])
    await clock.advance('9999ms')
    expect((await jobs.list({ state: 'running' })).length).toBe(2)
    await clock.advance('5s')
    expect(await jobs.get(last.id)).toMatchObject({ state: 'failed', attempt: 1 })
    expect(await jobs.get(first.id)).toMatchObject({ state: 'pending', attempt: 1 })
    expect(
      rescued
        .flat()
        .map(({ job, state }) => [job.queue, state])
        .toSorted(),
    ).toEqual([
      ['a', 'failed'],
      ['b', 'pending'],
    ])
  })

  it('S32: notes why, in the job’s history and in the program’s log, and an end only where there is one', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const lines: unknown[][] = []
    const note = (...line: unknown[]): void => void lines.push(line)
    const quiet = (): void => undefined
    const logger: Logger = { debug: quiet, info: quiet, warn: note, error: note }
    const watched = await another({ logger })
    const ended = await jobs.enqueue(work, 1, { maxAttempts: 1 })
    const again = await jobs.enqueue(work, 2)
    await jobs.leaseMany({ limit: 2, for: '1s' })
    await clock.advance('1s')
    watched.work([other])
    await clock.settle()
    const failures = [{ attempt: 1, name: 'LeaseExpiredError', message: expect.stringContaining('its worker died') }]
    expect(await jobs.get(ended.id)).toMatchObject({ state: 'failed', finishedAt: expect.any(Number), failures })
    expect(await jobs.get(again.id)).toMatchObject({ state: 'pending', finishedAt: undefined, failures })
    expect(lines).toEqual([
      ['job rescued from a dead worker', expect.objectContaining({ id: ended.id, state: 'failed' })],
      ['job rescued from a dead worker', expect.objectContaining({ id: again.id, state: 'pending' })],
    ])
  })

  it('S33: looks as soon as a worker starts, when the next lease ends, and at every poll', async () => {
    const looks: number[] = []
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (verb === 'expired') looks.push(clock.now() - T)
        return go()
      },
    })
    await jobs.enqueue(work, 1)
    await jobs.lease({ for: '7s' })
    jobs.work([other], { poll: '5s' })
    await clock.advance('16s')
    expect(looks).toEqual([0, 5_000, 7_000, 12_000])
  })

  it('S54: lets a job that was taken back wait for its backoff, without an end', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { backoff: '30s' })
    await jobs.lease({ for: '2s' })
    jobs.work([other])
    await clock.advance('2s')
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', runAt: T + 32_000, finishedAt: undefined })
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance('30s')
    expect(await jobs.lease()).toMatchObject({ id, attempt: 2 })
  })
})
