import { describe, expect, it } from 'vitest'

import { away, byHand, simulate, sources, T } from '../../test/simulation.ts'
import { CancelledError, LeaseLostError, StoreError } from '../core/errors.ts'
import type { StoreCall } from '../testing/through-store.ts'
import { task } from '../task.ts'

const work = task<string>({ name: 'work', backoff: '1s' })
const lease = '30s'

describe.each(sources)('a heart on the %s store', (source) => {
  const renewals = (calls: readonly (StoreCall & { at: number })[]): readonly [number, number][] =>
    calls.filter(({ verb }) => verb === 'renew').map(({ at, args }) => [at, (args[0] as unknown[]).length])

  it('renews all leases in one call at a third of their length, for as long as the runs last', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([work.handle(handler)], { lease })
    await sim.jobs.enqueueMany([work.with('a'), work.with('b'), work.with('c', { delay: '15s' })])
    await sim.clock.advance('35s')
    expect(renewals(sim.calls)).toEqual([
      [10_000, 2],
      [20_000, 3],
      [30_000, 3],
    ])
    expect(runs.map(({ job }) => job.leaseUntil)).toEqual([T + 60_000, T + 60_000, T + 60_000])
    await sim.clock.advance('10m')
    for (const run of runs) run.end()
    await sim.clock.settle()
    expect(sim.of('completed')).toHaveLength(3)
    expect(sim.of('started')).toHaveLength(3)
  })

  it('asks nothing while nothing is held', async () => {
    await using sim = await simulate(source)
    sim.jobs.work([work.handle(() => undefined)], { lease })
    await sim.jobs.enqueue(work, 'a')
    await sim.clock.advance('10m')
    expect(sim.count('renew')).toBe(0)
  })

  it('lets a run go on while a part of the store cannot tell whether its lease is held, and the others as if nothing were', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const trouble = new StoreError('One file is locked', { retryable: true })
    sim.jobs.work([work.handle(handler)], { lease })
    await sim.jobs.enqueueMany([work.with('a'), work.with('b')])
    let locked = true
    sim.interfere(async ({ verb }, next) => {
      const answer = await next()
      return verb === 'renew' && locked ? [{ error: trouble }, ...(answer as unknown[]).slice(1)] : answer
    })
    await sim.clock.advance('20s')
    expect(sim.of('error').map(({ error }) => error)).toContain(trouble)
    expect(runs.map(({ job }) => job.signal.aborted)).toEqual([false, false])
    locked = false
    await sim.clock.advance('3s')
    expect(runs.map(({ job }) => job.leaseUntil > T + 30_000)).toEqual([true, true])
    locked = true
    await sim.clock.advance('60s')
    expect(runs.map(({ job }) => job.signal.aborted)).toEqual([true, false])
    expect(runs[0]!.job.signal.reason).toEqual(new LeaseLostError(runs[0]!.job.id))
    for (const one of runs) one.end()
    await sim.clock.settle()
  })

  describe('cancellation', () => {
    it('reaches a run at once, with its reason', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.advance('5s')
      expect(await sim.jobs.cancel(id, 'not wanted')).toBe('requested')
      await sim.clock.settle()
      const { signal } = runs[0]!.job
      expect(signal.reason).toEqual(new CancelledError('not wanted'))
      runs[0]?.fail(signal.reason)
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'cancelled', cancel: 'not wanted', attempt: 1 })
      expect(sim.of('cancelled')).toMatchObject([{ job: { id }, reason: 'not wanted' }])
      expect(sim.of('retrying')).toEqual([])
    })

    it('reaches a run within three seconds when nothing rings', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, listen: false, poll: '1s' })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.advance('5s')
      await sim.jobs.cancel(id)
      await sim.clock.advance(999)
      expect(runs[0]?.job.signal.aborted).toBe(false)
      await sim.clock.advance(1)
      expect(runs[0]?.job.signal.aborted).toBe(true)
    })

    it('does not undo a success', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.advance('5s')
      await sim.jobs.cancel(id)
      await sim.clock.settle()
      runs[0]?.end('done all the same')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"done all the same"' })
    })

    it('is looked for at most every 100 ms, however often it rings', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, concurrency: 50 })
      const ids = await sim.jobs.enqueueMany(Array.from({ length: 50 }, () => work.with('a')))
      await sim.clock.advance('5s')
      for (const { id } of ids) {
        await sim.jobs.cancel(id)
        await sim.clock.advance(10)
      }
      await sim.clock.advance(100)
      expect(sim.count('renew')).toBeLessThanOrEqual(7)
      expect(runs.every(({ job }) => job.signal.aborted)).toBe(true)
    })

    it('is not missed when it rings during a renewal', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease })
      const { id } = await sim.jobs.enqueue(work, 'a')
      const answered = Promise.withResolvers<void>()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'renew') await answered.promise
        return answer
      })
      await sim.clock.advance('10s')
      expect(sim.count('renew')).toBe(1)
      sim.interfere()
      await sim.jobs.cancel(id)
      answered.resolve()
      await sim.clock.advance(200)
      expect(runs[0]?.job.signal.aborted).toBe(true)
    })

    it('ends a job without running it that was only claimed ahead', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const mixed = work.handle(async (kind, job) => (kind === 'long' ? await handler(kind, job) : undefined))
      sim.jobs.work([mixed], { concurrency: 1 })
      await sim.jobs.enqueue(mixed, 'short')
      await sim.clock.settle()
      await sim.jobs.enqueue(mixed, 'long')
      const { id } = await sim.jobs.enqueue(mixed, 'short')
      await sim.clock.settle()
      expect(runs).toHaveLength(1)
      expect(await sim.row(id)).toMatchObject({ state: 'running' })
      expect(await sim.jobs.cancel(id, 'not wanted')).toBe('requested')
      await sim.clock.advance(100)
      expect(await sim.row(id)).toMatchObject({ state: 'cancelled', cancel: 'not wanted' })
      expect(sim.of('started')).toHaveLength(2)
      expect(sim.of('cancelled')).toMatchObject([{ job: { id }, reason: 'not wanted' }])
    })
  })

  describe('a lost lease', () => {
    it('ends the run, whose completion is refused, and the job runs again elsewhere', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      const other = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, concurrency: 1 })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      sim.clock.set(T + 60_000) // a laptop wakes up
      const second = await sim.another()
      second.work([work.handle(other.handler)], { lease })
      await sim.clock.advance('10s')
      expect(runs[0]?.job.signal.reason).toEqual(new LeaseLostError(id))
      expect(other.runs).toHaveLength(1)
      runs[0]?.end('too late')
      await sim.clock.settle()
      expect(sim.of('lost')).toMatchObject([{ job: { id, attempt: 1 } }])
      expect(sim.of('completed')).toEqual([])
      expect(await sim.row(id)).toMatchObject({ state: 'running', attempt: 2, result: undefined })
      other.runs[0]?.end('in time')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"in time"', attempt: 2 })
      expect((await sim.row(id)).failures).toMatchObject([{ attempt: 1, name: 'LeaseExpiredError' }])
    })

    it('leaves a new run of the same job on the same worker alone', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, concurrency: 2 })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      sim.clock.set(T + 60_000)
      await sim.clock.advance('20s')
      expect(runs.map(({ job }) => job.attempt)).toEqual([1, 2])
      runs[0]?.end('too late')
      await sim.clock.settle()
      expect(sim.of('lost')).toHaveLength(1)
      await sim.clock.advance('5m') // the new lease is still renewed
      expect(runs[1]?.job.signal.aborted).toBe(false)
      runs[1]?.end('in time')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"in time"', attempt: 2 })
    })

    it('is never revived by a late renewal, even if nobody has taken the job', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, upkeep: false })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      sim.clock.set(T + 60_000)
      await sim.clock.advance('10s')
      expect(runs[0]?.job.signal.reason).toBeInstanceOf(LeaseLostError)
      expect(await sim.row(id)).toMatchObject({ state: 'running', leaseUntil: T + 30_000 })
    })

    it('still counts a run that ends before anybody has taken the job', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, upkeep: false })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      sim.clock.set(T + 60_000)
      await sim.clock.advance('10s')
      runs[0]?.end('late, but done')
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"late, but done"' })
      expect(sim.of('completed')).toHaveLength(1)
    })

    it('is what a run of a removed job hears of', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease })
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      await sim.store.apply([{ before: await sim.row(id), after: undefined }], T)
      await sim.clock.advance('10s')
      expect(runs[0]?.job.signal.reason).toEqual(new LeaseLostError(id))
      runs[0]?.end()
      await sim.clock.settle()
      expect(sim.of('lost')).toHaveLength(1)
    })
  })

  describe('trouble with the store', () => {
    it('is told, tried again sooner, and forgotten when it passes', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease })
      const { id } = await sim.jobs.enqueue(work, 'a')
      let failing = 2
      sim.interfere(({ verb }, next) => (verb === 'renew' && failing-- > 0 ? away() : next()))
      await sim.clock.advance('2m')
      expect(renewals(sim.calls).map(([at]) => at)).toEqual([
        10_000, 13_000, 16_000, 26_000, 36_000, 46_000, 56_000, 66_000, 76_000, 86_000, 96_000, 106_000, 116_000,
      ])
      expect(sim.of('error').map(({ during }) => during)).toEqual(['renewing leases', 'renewing leases'])
      runs[0]?.end()
      await sim.clock.settle()
      expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
    })

    it.each([
      ['fails', away],
      ['does not answer', () => new Promise<never>(() => undefined)],
    ])('ends a run before its lease runs out when the store %s', async (_, answer) => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, upkeep: false })
      await sim.jobs.enqueue(work, 'a')
      await sim.clock.advance('10s')
      let abortedAt = 0
      runs[0]?.job.signal.addEventListener('abort', () => (abortedAt = sim.clock.now()))
      sim.interfere(({ verb }, next) => (verb === 'renew' ? answer() : next()))
      await sim.clock.advance('1m')
      expect(abortedAt).toBeGreaterThanOrEqual(T + 10_000 + 20_000)
      expect(abortedAt).toBeLessThan(T + 10_000 + 30_000)
      expect(runs[0]?.job.signal.reason).toBeInstanceOf(LeaseLostError)
    })

    it('does not ask in a hot loop', async () => {
      await using sim = await simulate(source)
      const { handler } = byHand<string>()
      sim.jobs.work([work.handle(handler)], { lease, upkeep: false })
      await sim.jobs.enqueue(work, 'a')
      await sim.clock.settle()
      sim.interfere(({ verb }, next) => (verb === 'renew' ? away() : next()))
      await sim.clock.advance('5m')
      expect(sim.count('renew')).toBeLessThanOrEqual(100)
    })
  })

  it('renews while a worker stops, until its last run has ended', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const worker = sim.jobs.work([work.handle(handler)], { lease })
    const { id } = await sim.jobs.enqueue(work, 'a')
    await sim.clock.settle()
    const stopped = worker.stop({ grace: '10m' })
    const other = await sim.another()
    other.work([work.handle(() => 'stolen')])
    await sim.clock.advance('5m')
    runs[0]?.end('kept')
    await sim.clock.settle()
    expect(await stopped).toBe(true)
    expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"kept"', attempt: 1 })
  })

  it('goes on when the clock is set back', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([work.handle(handler)], { lease })
    const { id } = await sim.jobs.enqueue(work, 'a')
    await sim.clock.advance('15s')
    sim.clock.set(T - 3_600_000)
    await sim.clock.advance('2m')
    expect(runs[0]?.job.signal.aborted).toBe(false)
    runs[0]?.end()
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
  })
})
