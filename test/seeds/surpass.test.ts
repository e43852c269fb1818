import { describe, expect, it } from 'vitest'

import { ConflictError, task } from '../../src/index.ts'
import { gate, heard, openBench } from './kit.ts'

/** Where liteq and backlite fail: section 5 of reference/liteq-backlite.md, each point as a reproduction of their fault. */
const work = task<{ n: number }>({ name: 'work', backoff: '1s' })

const fail = (): never => {
  throw new Error('no')
}

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => work.with({ n }))

describe('what the seeds lose', () => {
  it('S1: stores how a run ended that ends while the worker is being stopped', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    let runs = 0
    const worker = jobs.work([
      work.handle(async () => {
        runs++
        await gates.opened
        return 'done'
      }),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    const stopping = worker.stop()
    await clock.settle()
    gates.open()
    expect(await clock.during(stopping)).toBe(true)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'done', attempt: 1 })
    worker.start()
    await clock.advance('1m')
    expect(runs).toBe(1)
  })

  it('S1: stores the success of a run that was told to stop and came to its end all the same', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([
      work.handle((_, job) => new Promise((resolve) => job.signal.addEventListener('abort', () => resolve('in time')))),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    await clock.during(worker.stop({ grace: 0 }))
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'in time', attempt: 1 })
  })

  it('S1: stores everything that has ended before it closes', async () => {
    const { jobs, clock, file } = await openBench()
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)], { concurrency: 20 })
    await jobs.enqueueMany(many(20))
    await clock.settle()
    const closing = jobs.close()
    gates.open()
    await clock.during(closing)
    const again = await openBench({ file })
    expect((await again.jobs.stats())[0]?.counts).toMatchObject({ completed: 20, running: 0, pending: 0 })
  })

  it('S2: notes every failure, however a handler fails, and the job is never stuck', async () => {
    const { jobs, clock } = await openBench()
    jobs.work([
      work.handle(({ n }) => {
        if (n === 0) throw new Error('at once')
        if (n === 1) return Promise.reject(new Error('later'))
        if (n === 2) return Promise.reject(Object.create(null) as Error)
        if (n === 3) return { toJSON: fail }
        return (undefined as never as { x: number }).x
      }),
    ])
    const added = await jobs.enqueueMany(Array.from({ length: 5 }, (_, n) => work.with({ n }, { maxAttempts: 1 })))
    await clock.settle()
    for (const { id } of added) {
      const job = await jobs.get(id)
      expect(job).toMatchObject({ state: 'failed', leaseUntil: undefined })
      expect(job?.failures).toHaveLength(1)
    }
  })

  it('S5: counts the runs that killed their process, and gives up after the last', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 2 })
    jobs.work([task({ name: 'other', handler: () => undefined })]) // takes back what others have dropped
    for (const attempt of [1, 2]) {
      expect(await jobs.lease({ for: '1s' })).toMatchObject({ id, attempt }) // and its process dies
      await clock.advance('5s')
    }
    expect(await jobs.lease()).toBeUndefined()
    expect(await jobs.get(id)).toMatchObject({ state: 'failed', attempt: 2 })
  })

  it('S6: leaves jobs alone that this program does not know, and lives', async () => {
    const { jobs, clock } = await openBench()
    const errors = heard(jobs, 'error')
    await jobs.enqueueMany([task({ name: 'unknown' }).with(), work.with({ n: 1 })])
    jobs.work([work.handle(() => 1)])
    await clock.advance('10m')
    expect((await jobs.stats())[0]?.tasks).toMatchObject({ unknown: { pending: 1 }, work: { completed: 1 } })
    expect(errors).toEqual([])
    jobs.work([task({ name: 'unknown', handler: () => 1 })])
    await clock.settle()
    expect((await jobs.stats())[0]?.tasks).toMatchObject({ unknown: { completed: 1 } })
  })
})

describe('what the seeds do twice', () => {
  it('S3: lets nobody end a job that is not his any more', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { maxAttempts: 5 })
    const late = await jobs.lease({ for: '1s' })
    jobs.work([task({ name: 'other', handler: () => undefined })])
    await clock.advance('5s')
    const now = await jobs.lease()
    expect(now).toMatchObject({ id, attempt: 2 })
    expect(await late?.complete('late')).toBe(false)
    expect(await late?.fail(new Error('late'))).toBe(false)
    expect(await late?.extend('1h')).toBe(false)
    expect(await late?.release()).toBe(false)
    expect(await jobs.get(id)).toMatchObject({ state: 'running', attempt: 2, failures: [{ attempt: 1 }] })
    expect(await now?.complete('now')).toBe(true)
    expect(await late?.fail(new Error('late'))).toBe(false)
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'now' })
  })

  it('S3: keeps the lease of a run that takes longer than it', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    let runs = 0
    const long = work.handle(async () => {
      runs++
      await gates.opened
    })
    jobs.work([long], { lease: '2s' })
    jobs.work([long], { lease: '2s' })
    const { id } = await jobs.enqueue(work, { n: 1 })
    await clock.advance('1m')
    expect(runs).toBe(1)
    gates.open()
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  it('S3: takes no job ahead of its turn that it cannot begin soon: six of 1.5 s with a lease of 2 s run once each', async () => {
    const { jobs, clock } = await openBench()
    let runs = 0
    const slow = work.handle(async () => {
      runs++
      await new Promise<void>((resolve) => void clock.after(1_500, resolve))
    })
    jobs.work([slow], { concurrency: 1, lease: '2s' })
    jobs.work([slow], { concurrency: 1, lease: '2s' })
    await jobs.enqueueMany(many(6))
    await clock.settle()
    expect((await jobs.stats())[0]?.counts).toMatchObject({ running: 2, pending: 4 })
    await clock.advance('1m')
    expect(runs).toBe(6)
    expect((await jobs.list()).every(({ state, attempt }) => state === 'completed' && attempt === 1)).toBe(true)
  })

  it('S15: lets a failed run try again though another job holds its key by then', async () => {
    const { jobs, clock } = await openBench()
    const errors = heard(jobs, 'error')
    let runs = 0
    jobs.work([
      work.handle(async ({ n }, job) => {
        runs++
        if (n !== 1 || job.attempt > 1) return
        await jobs.enqueue(work, { n: 2 }, { unique: 'k', delay: '1h' })
        throw new Error('no')
      }),
    ])
    const { id } = await jobs.enqueue(work, { n: 1 }, { unique: 'k', retention: { completed: 'forever' } })
    await clock.advance('2h')
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 2 })
    expect(runs).toBe(3)
    expect(errors).toEqual([])
  })

  it('S15: replaces nothing in another queue', async () => {
    const { jobs } = await openBench()
    await jobs.enqueue(work, { n: 1 }, { queue: 'a', unique: 'k' })
    const other = await jobs.enqueue(work, { n: 2 }, { queue: 'b', unique: { key: 'k', onConflict: 'replace' } })
    expect(other.outcome).toBe('added')
    expect((await jobs.list({ order: 'oldest' })).map(({ queue, payload }) => [queue, payload])).toEqual([
      ['a', { n: 1 }],
      ['b', { n: 2 }],
    ])
  })

  it('S15: holds a key until its job is claimed, until it has ended, or for a window, as asked', async () => {
    const { jobs, clock } = await openBench()
    const outcome = async (key: string, until: 'claimed' | 'settled' | '1m'): Promise<string> =>
      (await jobs.enqueue(work, { n: 1 }, { unique: { key, until } })).outcome
    for (const until of ['claimed', 'settled', '1m'] as const) expect(await outcome(until, until)).toBe('added')
    const held = await jobs.leaseMany({ limit: 3 })
    expect(await outcome('claimed', 'claimed')).toBe('added')
    expect(await outcome('settled', 'settled')).toBe('kept')
    expect(await outcome('1m', '1m')).toBe('kept')
    for (const one of held) await one.complete()
    expect(await outcome('settled', 'settled')).toBe('added')
    expect(await outcome('1m', '1m')).toBe('kept')
    await clock.advance('1m')
    expect(await outcome('1m', '1m')).toBe('added')
  })

  it('S15: says of each of many what has become of it, and adds none if one is refused', async () => {
    const { jobs } = await openBench()
    const first = await jobs.enqueue(work, { n: 1 }, { unique: 'a' })
    const replace = { unique: { key: 'a', onConflict: 'replace' } } as const
    expect(
      await jobs.enqueueMany([work.with({ n: 2 }), work.with({ n: 3 }, replace), work.with({ n: 4 }, { unique: 'a' })]),
    ).toEqual([
      { id: expect.any(String), outcome: 'added' },
      { id: first.id, outcome: 'replaced' },
      { id: first.id, outcome: 'kept' },
    ])
    const refused = [work.with({ n: 5 }), work.with({ n: 6 }, { unique: { key: 'a', onConflict: 'reject' } })]
    await expect(jobs.enqueueMany(refused)).rejects.toThrow(ConflictError)
    expect((await jobs.list()).map(({ payload }) => payload)).toEqual([{ n: 2 }, { n: 3 }])
  })

  it('S16: never runs two jobs of a concurrency key at once, over several workers', async () => {
    const { jobs, clock } = await openBench()
    let [now, most] = [0, 0]
    const handled = work.handle(async () => {
      most = Math.max(most, ++now)
      await new Promise<void>((resolve) => void clock.after(100, resolve))
      now--
    })
    for (let n = 0; n < 3; n++) jobs.work([handled], { concurrency: 5 })
    await jobs.enqueueMany(Array.from({ length: 20 }, (_, n) => work.with({ n }, { concurrencyKey: 'account 7' })))
    await clock.advance('1m')
    expect(most).toBe(1)
    expect((await jobs.stats())[0]?.counts.completed).toBe(20)
  })
})
