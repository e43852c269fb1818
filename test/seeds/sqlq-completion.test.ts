import { describe, expect, it } from 'vitest'

import {
  type HandledTask,
  type HeldJob,
  type Jobs,
  StateError,
  type Task,
  task,
  UnrecoverableError,
} from '../../src/index.ts'
import type { ManualClock } from '../../src/testing/index.ts'
import { openPostgresBench, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

describe('sqlq: how jobs end', () => {
  it('S16: completes a job, and knows when', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    await clock.advance('3s')
    expect(await held?.complete({ ok: true })).toBe(true)
    expect(await jobs.get(id)).toMatchObject({
      state: 'completed',
      finishedAt: T + 3_000,
      result: { ok: true },
      leaseUntil: undefined,
    })
  })

  it('S17: has a job failed for good after its last attempt', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { maxAttempts: 1 })
    await clock.advance('1s')
    expect(await (await jobs.lease())?.fail(new Error('no'))).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 1, finishedAt: T + 1_000 })
    await clock.advance('1d')
    expect(await jobs.lease()).toBeUndefined()
  })

  it('S18: lets a job with attempts left wait for its backoff, and gives the same one again', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { maxAttempts: 2, backoff: '10s' })
    await (await jobs.lease())?.fail(new Error('no'))
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', runAt: T + 10_000, finishedAt: undefined })
    expect(await jobs.lease()).toBeUndefined()
    await clock.advance('10s')
    expect(await jobs.lease()).toMatchObject({ id, attempt: 2, errors: [{ attempt: 1, message: 'no' }] })
  })

  it('S19: waits by its own formula: doubling from 5 s, less up to a fifth at random', async () => {
    const { jobs, clock } = await openPostgresBench()
    const waits = waitsOf(jobs, clock)
    jobs.work([failing(work)], { poll: '1m' })
    await jobs.enqueueMany(Array.from({ length: 10 }, (_, n) => work.with(n)))
    await clock.advance('2m')
    expect(waits).toHaveLength(40)
    for (const { attempt, ms } of waits) {
      const longest = 5_000 * 2 ** (attempt - 1)
      expect(ms).toBeGreaterThanOrEqual(longest * 0.8)
      expect(ms).toBeLessThanOrEqual(longest)
    }
    expect(new Set(waits.map(({ ms }) => ms)).size).toBeGreaterThan(20)
  })

  it('S19: waits by sqlq’s formula where a task has it as its backoff', async () => {
    const { jobs, clock } = await openPostgresBench()
    const waits = waitsOf(jobs, clock)
    const backoff = (attempt: number) => (attempt ** 4 + 10 + Math.floor(clock.random() * 30) * (attempt + 1)) * 1_000
    const theirs = task<number>({ name: 'theirs', maxAttempts: 4, backoff })
    jobs.work([failing(theirs)], { poll: '1m' })
    await jobs.enqueueMany(Array.from({ length: 20 }, (_, n) => theirs.with(n)))
    await clock.advance('7m')
    expect(waits).toHaveLength(60)
    const bounds = [
      [11, 69],
      [26, 113],
      [91, 207],
    ] as const
    for (const { attempt, ms } of waits) {
      const [least, most] = bounds[attempt - 1]!
      expect(ms).toBeGreaterThanOrEqual(least * 1_000)
      expect(ms).toBeLessThanOrEqual(most * 1_000)
    }
  })

  it('S20: fails a job at once for an UnrecoverableError, alone or as the cause of another error', async () => {
    const { jobs, clock } = await openPostgresBench()
    const never = new UnrecoverableError('no such order')
    jobs.work([
      work.handle((n) => {
        throw n === 0 ? never : n === 1 ? new Error('checkout failed', { cause: never }) : new Error('try again')
      }),
    ])
    const added = await jobs.enqueueMany([0, 1, 2].map((n) => work.with(n)))
    await clock.settle()
    expect(await Promise.all(added.map(async ({ id }) => (await jobs.get(id))?.state))).toEqual([
      'failed',
      'failed',
      'pending',
    ])
  })

  it('S21: lets nobody end a job that is not his any more, and changes nothing of it', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1, { backoff: 0 })
    const late = await jobs.lease({ for: '1s' })
    jobs.work([task({ name: 'other', handler: () => undefined })]) // takes back what others have dropped
    await clock.advance('2s')
    const now = await (await another()).lease({ for: '1h' })
    expect(now).toMatchObject({ id, attempt: 2 })
    const before = await jobs.get(id)
    for (const end of ends) expect(await end(late!)).toBe(false)
    expect(await jobs.get(id)).toEqual(before)
    expect(await now?.complete('mine')).toBe(true)
    const after = await jobs.get(id)
    for (const end of ends) expect([await end(late!), await end(now!)]).toEqual([false, false])
    expect(await jobs.get(id)).toEqual(after)
  })

  it('S21: refuses what a job’s state does not allow, and says what it is', async () => {
    const { jobs } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    const running = await jobs.get(id)
    for (const change of [() => jobs.retry(id), () => jobs.edit(id, { payload: 2 }), () => jobs.delete(id)])
      await expect(change()).rejects.toThrow(StateError)
    await expect(jobs.edit(id, { priority: 1 })).rejects.toMatchObject({ id, state: 'running' })
    expect(await jobs.get(id)).toEqual(running)
    await held?.complete()
    await expect(jobs.edit(id, { priority: 1 })).rejects.toMatchObject({ id, state: 'completed' })
  })

  it('S22: keeps what the handler returns as the job’s result', async () => {
    const { jobs, clock } = await openPostgresBench()
    const add = task<{ a: number; b: number }, { sum: number }>({
      name: 'add',
      handler: ({ a, b }) => ({ sum: a + b }),
    })
    jobs.work([add])
    const { id } = await jobs.enqueue(add, { a: 100, b: 200 })
    expect(await clock.during(jobs.wait(id))).toMatchObject({ state: 'completed', result: { sum: 300 } })
  })

  it('S22: stores a result only with the end it belongs to, and once', async () => {
    const { jobs } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    expect(await held?.complete('first')).toBe(true)
    expect(await held?.complete('second')).toBe(false)
    expect((await jobs.get(id))?.result).toBe('first')
  })

  it('S23: lets a job held by hand log, give a result and keep its lease, without any worker', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease({ for: '10s' })
    held?.log.warn('slow', { by: 3 })
    expect(await held?.extend('1m')).toBe(true)
    await clock.advance('30s')
    expect(await held?.complete('by hand')).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'by hand' })
    expect(await jobs.logs(id)).toMatchObject([{ level: 'warn', message: 'slow', data: { by: 3 } }])
  })
})

const ends: readonly ((held: HeldJob) => Promise<boolean>)[] = [
  (held) => held.complete('late'),
  (held) => held.fail(new Error('late')),
  (held) => held.extend('1h'),
  (held) => held.release(),
  (held) => held.snooze('1h'),
  (held) => held.cancel(),
]

function failing(one: Task<number>): HandledTask<number> {
  return one.handle(() => {
    throw new Error('no')
  })
}

/** How long each job waits after each failure. */
function waitsOf(jobs: Jobs, clock: ManualClock): readonly { attempt: number; ms: number }[] {
  const waits: { attempt: number; ms: number }[] = []
  jobs.on('retrying', ({ job, runAt }) => waits.push({ attempt: job.attempt, ms: runAt - clock.now() }))
  return waits
}
