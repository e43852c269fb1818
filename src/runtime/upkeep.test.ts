import { describe, expect, it } from 'vitest'

import { away, byHand, simulate, sources, T } from '../../test/simulation.ts'
import { task } from '../task.ts'

const work = task<string>({ name: 'work', backoff: '1s', maxAttempts: 3 })
const other = task({ name: 'other', handler: () => undefined })

describe.each(sources)('upkeep on the %s store', (source) => {
  describe('rescue', () => {
    it('takes a job back the moment its lease runs out, not at the next poll', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '7s' })
      sim.jobs.work([other], { poll: '1h' })
      await sim.clock.advance(6_999)
      expect(await sim.row(id)).toMatchObject({ state: 'running' })
      await sim.clock.advance(1)
      expect(await sim.row(id)).toMatchObject({ state: 'pending' })
    })

    it('finds by the poll a lease that was taken since it last looked', async () => {
      await using sim = await simulate(source)
      sim.jobs.work([other], { poll: '10s' })
      await sim.clock.settle()
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '12s' })
      await sim.clock.advance(11_999)
      expect(await sim.row(id)).toMatchObject({ state: 'running' })
      await sim.clock.advance(1)
      expect(await sim.row(id)).toMatchObject({ state: 'pending' })
    })

    it('counts the attempt, notes the failure and waits for the backoff', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '7s' })
      sim.jobs.work([other])
      await sim.clock.advance('7s')
      expect(await sim.row(id)).toMatchObject({
        state: 'pending',
        attempt: 1,
        runAt: T + 8_000,
        failures: [{ attempt: 1, at: T + 7_000, name: 'LeaseExpiredError' }],
      })
    })

    it('fails a job for good whose attempts are used up', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a', { maxAttempts: 2 })
      sim.jobs.work([other])
      for (let attempt = 1; attempt <= 2; attempt++) {
        await sim.jobs.lease({ for: '100ms' })
        await sim.clock.advance('10s')
      }
      expect(await sim.row(id)).toMatchObject({ state: 'failed', attempt: 2, finishedAt: T + 10_100 })
      expect(sim.of('rescued').map(({ state }) => state)).toEqual(['pending', 'failed'])
    })

    it('tells who was rescued, and nothing of what is in the job', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a secret')
      await sim.jobs.lease({ for: '1s' })
      sim.jobs.work([other])
      await sim.clock.advance('5s')
      expect(sim.of('rescued')).toEqual([
        {
          type: 'rescued',
          job: { id, task: 'work', queue: 'default', attempt: 1, maxAttempts: 3 },
          state: 'pending',
        },
      ])
    })

    it('takes back jobs of tasks it does not know, and ends them by the defaults', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a', { maxAttempts: 1 })
      const two = await sim.another()
      await sim.jobs.lease({ for: '1s' })
      two.work([other])
      await sim.clock.advance('5s')
      expect(await sim.row(id)).toMatchObject({ state: 'failed', forgetAt: T + 1_000 + 7 * 86_400_000 })
    })

    it('cancels rather than retries when that was asked for', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '1s' })
      expect(await sim.jobs.cancel(id, 'not wanted')).toBe('requested')
      sim.jobs.work([other])
      await sim.clock.advance('5s')
      expect(await sim.row(id)).toMatchObject({ state: 'cancelled', cancel: 'not wanted' })
    })

    it('takes back thousands in one round', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueueMany(Array.from({ length: 1_200 }, () => work.with('a')))
      await sim.jobs.leaseMany({ limit: 1_200, for: '7s' })
      sim.jobs.work([other], { poll: '1h' })
      await sim.clock.advance('7s')
      expect(sim.of('rescued')).toHaveLength(1_200)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 1_200, running: 0 })
    })

    it('runs side by side with others without harm', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '7s' })
      const seen: string[] = []
      for (let n = 0; n < 4; n++) {
        const jobs = await sim.another()
        jobs.on('rescued', () => void seen.push(`by ${n}`))
        jobs.work([other])
      }
      await sim.clock.advance('7s')
      expect(
        sim.calls.filter(({ verb, args }) => verb === 'apply' && (args[0] as unknown[]).length > 0).length,
      ).toBeGreaterThan(0)
      expect(seen).toHaveLength(1)
      expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 1 })
      expect((await sim.row(id)).failures).toHaveLength(1)
    })

    it('yields to a completion that came between its look and its write', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      const held = await sim.jobs.lease({ for: '7s' })
      sim.jobs.work([other], { poll: '1h' })
      await sim.clock.settle()
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'expired') {
          sim.interfere()
          expect(await held?.complete('done')).toBe(true)
        }
        return answer
      })
      await sim.clock.advance('1m')
      expect(await sim.row(id)).toMatchObject({ state: 'completed', result: '"done"', failures: [] })
      expect(sim.of('rescued')).toEqual([])
    })

    it('is left to others with upkeep: false', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(work, 'a')
      await sim.jobs.lease({ for: '1s' })
      sim.jobs.work([other], { upkeep: false })
      await sim.clock.advance('1h')
      expect(await sim.row(id)).toMatchObject({ state: 'running' })
      expect([sim.count('expired'), sim.count('prune')]).toEqual([0, 0])
    })
  })

  describe('pruning', () => {
    const brief = task<number>({ name: 'brief', retention: { completed: '90s' }, handler: () => undefined })

    it('forgets once a minute what is due to be forgotten, and says how many', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueueMany(Array.from({ length: 7 }, (_, n) => brief.with(n)))
      sim.jobs.work([brief])
      await sim.clock.advance(119_999)
      expect(sim.of('pruned')).toEqual([])
      await sim.clock.advance('10s')
      expect(sim.of('pruned')).toEqual([{ type: 'pruned', count: 7 }])
      expect(await sim.jobs.list()).toEqual([])
      await sim.clock.advance('10m')
      expect(sim.of('pruned')).toHaveLength(1)
      expect(sim.calls.filter(({ verb }) => verb === 'prune').map(({ at }) => Math.floor(at / 60_000))).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
      ])
    })

    it('goes in steps, and tells the sum', async () => {
      await using sim = await simulate(source)
      await sim.jobs.enqueueMany(Array.from({ length: 1_200 }, (_, n) => brief.with(n)))
      const first = sim.jobs.work([brief], { upkeep: false })
      await sim.clock.settle()
      await first.stop()
      await sim.clock.advance('2m')
      sim.jobs.work([other])
      await sim.clock.settle()
      expect(sim.of('pruned')).toEqual([{ type: 'pruned', count: 1_200 }])
      expect(sim.calls.filter(({ verb }) => verb === 'prune').map(({ args }) => args[1])).toEqual([500, 500, 500])
    })
  })

  it('goes on after trouble with the store, without a hot loop', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(work, 'a')
    await sim.jobs.lease({ for: '7s' })
    sim.jobs.work([other])
    await sim.clock.settle()
    sim.calls.length = 0
    sim.interfere(({ verb }, next) => (verb === 'expired' ? away() : next()))
    await sim.clock.advance('1m')
    expect(sim.count('expired')).toBeGreaterThan(10)
    expect(sim.count('expired')).toBeLessThan(30)
    expect(sim.of('error').every(({ during }) => during === 'rescuing and pruning')).toBe(true)
    expect(sim.of('error')).toHaveLength(sim.count('expired'))
    sim.interfere()
    await sim.clock.advance('5s')
    expect(await sim.row(id)).toMatchObject({ state: 'pending', attempt: 1 })
  })

  it('ends the round that is under way before the worker has stopped', async () => {
    await using sim = await simulate(source)
    const answered = Promise.withResolvers<void>()
    sim.interfere(async ({ verb }, next) => {
      const answer = await next()
      if (verb === 'expired') await answered.promise
      return answer
    })
    const worker = sim.jobs.work([other])
    await sim.clock.settle()
    let stopped = false
    void worker.stop().then(() => (stopped = true))
    await sim.clock.settle()
    expect(stopped).toBe(false)
    answered.resolve()
    await sim.clock.settle()
    expect(stopped).toBe(true)
  })

  it('takes back a job that hangs in a worker whose event loop was blocked for too long', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    const blocked = sim.jobs.work([work.handle(handler)], { lease: '30s', upkeep: false })
    const { id } = await sim.jobs.enqueue(work, 'a')
    await sim.clock.settle()
    sim.clock.set(T + 90_000) // three leases long, nothing else could run
    runs[0]?.end('done')
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
    await blocked.stop()
  })
})
