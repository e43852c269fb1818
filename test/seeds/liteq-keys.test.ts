import { describe, expect, it } from 'vitest'

import { task, UsageError } from '../../src/index.ts'
import { gate, openBench, T } from './kit.ts'

const work = task<string>({ name: 'work', queue: 'q', backoff: 0 })

describe('liteq: unique keys', () => {
  it('L14: keeps the first of two jobs with one key while it waits, and says so', async () => {
    const { jobs } = await openBench()
    const first = await jobs.enqueue(work, 'first', { unique: 'k' })
    expect(await jobs.enqueue(work, 'second', { unique: { key: 'k', onConflict: 'keep' } })).toEqual({
      id: first.id,
      outcome: 'kept',
    })
    expect((await jobs.leaseMany({ limit: 5 })).map(({ payload }) => payload)).toEqual(['first'])
  })

  it('L15: gives the waiting job the payload of the second, if asked to, so that one job brings the latest', async () => {
    const { jobs } = await openBench()
    const first = await jobs.enqueue(work, 'first', { unique: 'k' })
    expect(await jobs.enqueue(work, 'second', { unique: { key: 'k', onConflict: 'replace' } })).toEqual({
      id: first.id,
      outcome: 'replaced',
    })
    expect((await jobs.leaseMany({ limit: 5 })).map(({ payload }) => payload)).toEqual(['second'])
  })

  it('L16: replaces its time and its attempts too, and keeps its id and when it was made', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, 'first', { unique: 'k', delay: '1h', maxAttempts: 2 })
    await clock.advance('1m')
    await jobs.enqueue(work, 'second', {
      unique: { key: 'k', onConflict: 'replace' },
      runAt: T + 90_000,
      maxAttempts: 7,
      priority: 3,
    })
    expect(await jobs.list()).toMatchObject([
      { id, createdAt: T, payload: 'second', runAt: T + 90_000, maxAttempts: 7, priority: 3, attempt: 0 },
    ])
  })

  it('L16: gives a job that had failed before all its attempts back when it is replaced, and keeps its history', async () => {
    const { jobs } = await openBench()
    const { id } = await jobs.enqueue(work, 'first', { unique: 'k', maxAttempts: 2 })
    await (await jobs.lease())?.fail(new Error('no'))
    await jobs.enqueue(work, 'second', { unique: { key: 'k', onConflict: 'replace' }, maxAttempts: 2 })
    expect(await jobs.get(id)).toMatchObject({ payload: 'second', attempt: 0, failures: [{ message: 'no' }] })
  })

  it('L17: tells no two jobs without a key apart, and refuses an empty key as the slip it is', async () => {
    const { jobs } = await openBench()
    for (let n = 0; n < 3; n++) expect((await jobs.enqueue(work, 'same')).outcome).toBe('added')
    expect(await jobs.list()).toHaveLength(3)
    await expect(jobs.enqueue(work, 'x', { unique: '' })).rejects.toThrow(UsageError)
    await expect(jobs.enqueue(work, 'x', { concurrencyKey: '' })).rejects.toThrow(UsageError)
  })

  it('L18: frees the key as soon as its job is claimed, and so when it has completed, failed or been cancelled', async () => {
    const { jobs } = await openBench()
    const added = async (): Promise<string> => (await jobs.enqueue(work, 'x', { unique: 'k', maxAttempts: 1 })).outcome
    expect(await added()).toBe('added')
    const running = await jobs.lease()
    expect(await added()).toBe('added') // the first runs
    expect(await added()).toBe('kept')
    await running?.complete()
    await (await jobs.lease())?.complete()
    expect(await added()).toBe('added') // both have completed
    await (await jobs.lease())?.fail(new Error('no'))
    expect(await added()).toBe('added') // that has failed
    const [waiting] = await jobs.list({ state: 'pending' })
    await jobs.cancel(waiting!.id)
    expect(await added()).toBe('added')
  })

  it('L19: accepts a second job of a key that runs, and offers it once the first has ended', async () => {
    const { jobs } = await openBench()
    const keys = { unique: 'k', concurrencyKey: 'k' }
    await jobs.enqueue(work, 'first', keys)
    const first = await jobs.lease()
    expect((await jobs.enqueue(work, 'second', keys)).outcome).toBe('added')
    expect(await jobs.lease()).toBeUndefined()
    await first?.complete()
    expect((await jobs.lease())?.payload).toBe('second')
  })

  it('L20: lets a failed job of a key whose successor waits try again without the key, and loses neither', async () => {
    const { jobs } = await openBench()
    const keys = { unique: 'k', concurrencyKey: 'k', maxAttempts: 3 }
    const { id } = await jobs.enqueue(work, 'first', keys)
    const first = await jobs.lease()
    const second = await jobs.enqueue(work, 'second', keys)
    expect(await first?.fail(new Error('no'))).toBe(true)
    expect(await jobs.get(id)).toMatchObject({
      state: 'pending',
      failures: [{ message: 'no' }],
      unique: { key: 'k', held: false },
    })
    expect(await jobs.get(second.id)).toMatchObject({ unique: { key: 'k', held: true } })
    const seen: string[] = []
    for (let held = await jobs.lease(); held !== undefined; held = await jobs.lease()) {
      seen.push(held.payload as string)
      expect(await jobs.lease()).toBeUndefined() // one at a time
      expect(await held.complete()).toBe(true)
    }
    expect(seen.toSorted()).toEqual(['first', 'second'])
  })

  it('L21: does the same for a job whose lease ran out: it is taken back, and nothing stands in its way', async () => {
    const { jobs, clock } = await openBench()
    const keys = { unique: 'k', concurrencyKey: 'k', maxAttempts: 2 }
    const { id } = await jobs.enqueue(work, 'first', keys)
    await jobs.lease({ for: '2s' })
    const second = await jobs.enqueue(work, 'second', keys)
    const states: string[] = []
    jobs.on('rescued', ({ job, state }) => states.push(`${job.id} ${state}`))
    jobs.work([task({ name: 'other', handler: () => undefined })])
    await clock.advance('3s')
    expect(states).toEqual([`${id} pending`])
    const seen: string[] = []
    for (let held = await jobs.lease(); held !== undefined; held = await jobs.lease()) {
      seen.push(held.id)
      await held.complete()
    }
    expect(seen.toSorted()).toEqual([id, second.id].toSorted())
  })

  it('L22: keeps keys apart by queue: the same in two queues is two keys, and both jobs run at once', async () => {
    const { jobs } = await openBench()
    for (const queue of ['a', 'b'])
      expect((await jobs.enqueue(work, queue, { queue, unique: 'k', concurrencyKey: 'k' })).outcome).toBe('added')
    expect((await jobs.leaseMany({ limit: 5 })).map(({ queue }) => queue).toSorted()).toEqual(['a', 'b'])
  })

  it('L23: lets no running job without a key hold up another', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 5 })
    await jobs.enqueueMany([
      work.with('a'),
      work.with('b'),
      work.with('c', { concurrencyKey: 'k' }),
      work.with('d', { concurrencyKey: 'k' }),
      work.with('e'),
    ])
    await clock.settle()
    expect(worker.running).toBe(4)
    gates.open()
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(5)
  })
})
