import { describe, expect, it } from 'vitest'

import { Ferry } from '../ferry.ts'
import { Jobs } from '../jobs.ts'
import { open } from '../open.ts'
import { MemoryStore } from '../stores/memory/index.ts'
import { task } from '../task.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { StoreError } from '../core/errors.ts'
import type { Instant } from '../core/job.ts'
import { byHand, T } from '../../test/simulation.ts'
import { type Clock, systemClock } from './clock.ts'
import { StoreClock } from './store-clock.ts'

const minute = 60_000

/** The true time, a clock that is ahead of it by some milliseconds, and a store that takes its time to answer with the true one. */
class World {
  readonly true = new ManualClock({ now: T })
  aheadMs: number
  askedMs = 0
  answeredMs = 0
  asked = 0

  constructor(aheadMs = 0) {
    this.aheadMs = aheadMs
  }

  readonly base: Clock = {
    now: () => this.true.now() + this.aheadMs,
    after: (ms, call) => this.true.after(ms, call),
    soon: (call) => this.true.soon(call),
    random: () => this.true.random(),
  }

  readonly time = async (): Promise<Instant> => {
    this.asked++
    await this.#wait(this.askedMs)
    const now = this.true.now()
    await this.#wait(this.answeredMs)
    return now
  }

  async open(): Promise<StoreClock> {
    return await this.true.during(StoreClock.of(this.time, this.base))
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.true.after(ms, resolve))
  }
}

/** How far a clock is from the truth. */
function off(world: World, clock: Clock): number {
  return clock.now() - world.true.now()
}

describe('a store’s clock', () => {
  it.each([600_000, -600_000, 1])('shows the store’s time on a machine that is %i ms ahead', async (aheadMs) => {
    const world = new World(aheadMs)
    expect(off(world, await world.open())).toBe(0)
  })

  it('takes off half of the time that question and answer took', async () => {
    const world = new World(600_000)
    world.askedMs = 100
    world.answeredMs = 100
    expect(off(world, await world.open())).toBe(0)
  })

  it('is wrong by no more than half of that time, however it was spent', async () => {
    for (const [askedMs, answeredMs] of [
      [200, 0],
      [0, 200],
    ] as const) {
      const world = new World(-600_000)
      world.askedMs = askedMs
      world.answeredMs = answeredMs
      expect(Math.abs(off(world, await world.open()))).toBeLessThanOrEqual(100)
    }
  })

  it('leaves a clock alone that may be right', async () => {
    const world = new World(90)
    world.askedMs = 100
    world.answeredMs = 100
    expect(off(world, await world.open())).toBe(90)
  })

  it('goes by the answer that came soonest', async () => {
    const world = new World(50)
    world.askedMs = 1_000
    const opening = StoreClock.of(world.time, world.base)
    await world.true.settle()
    world.askedMs = 10
    expect(Math.abs(off(world, await world.true.during(opening)))).toBeLessThanOrEqual(5)
  })

  it('follows while it is kept, once a minute, by as little as is proven, and not otherwise', async () => {
    const world = new World()
    const clock = await world.open()
    expect(world.asked).toBe(3)
    await world.true.advance(10 * minute)
    expect(world.asked).toBe(3)
    const ends = [clock.keep(fail), clock.keep(fail)]
    await world.true.settle()
    expect(world.asked).toBe(6)
    world.askedMs = 100
    world.answeredMs = 100
    world.aheadMs = 30_000
    await world.true.advance(minute)
    await world.true.advance(1_000)
    expect([world.asked, off(world, clock)]).toEqual([9, 100])
    world.aheadMs = -30_000
    await world.true.advance(minute)
    await world.true.advance(1_000)
    expect([world.asked, off(world, clock)]).toEqual([12, -100])
    for (const end of ends) end()
    await world.true.advance(10 * minute)
    expect([world.asked, world.true.waiting]).toEqual([12, 0])
  })

  it('goes on as it was when the store does not answer, and says so once', async () => {
    const world = new World(600_000)
    const clock = await world.open()
    const errors: unknown[] = []
    const away = new StoreError('The store is away', { retryable: true })
    let gone = true
    const failing = await world.true.during(
      StoreClock.of(() => {
        if (gone && world.asked++ > 10) throw away
        return world.true.now()
      }, world.base),
    )
    world.asked = 11
    const ends = [failing.keep((error) => errors.push(error)), failing.keep((error) => errors.push(error))]
    await world.true.advance(minute)
    expect([errors, off(world, failing)]).toEqual([[away], 0])
    gone = false
    world.aheadMs = -600_000
    await world.true.advance(minute)
    expect([off(world, failing), off(world, clock)]).toEqual([0, -1_200_000])
    for (const end of ends) end()
  })

  it('makes nothing of an answer during which our own clock was set', async () => {
    const world = new World()
    const clock = await world.true.during(
      StoreClock.of(() => {
        world.aheadMs -= minute
        return world.true.now()
      }, world.base),
    )
    expect(clock.now()).toBe(world.base.now())
  })
})

describe('programs whose clocks differ by minutes', () => {
  const work = task<string>({ name: 'work', backoff: 0 })
  const skews = [
    [600_000, -600_000],
    [-600_000, 600_000],
    [0, 600_000],
    [600_000, 0],
  ] as const

  /** Two programs on one store, each with its own clock. */
  async function two(aheadMs: readonly [number, number], corrected = true) {
    const worlds = aheadMs.map((ms) => new World(ms))
    const clock = worlds[0]!.true
    const store = new MemoryStore()
    const programs: Jobs[] = []
    for (const world of worlds) {
      const base: Clock = { ...world.base, now: () => clock.now() + world.aheadMs, after: clock.after.bind(clock) }
      programs.push(new Jobs(new Ferry(store, corrected ? await StoreClock.of(() => clock.now(), base) : base)))
    }
    const end = async (): Promise<void> => {
      await clock.during(Promise.all(programs.map((one) => one.close({ grace: 0 }))))
      expect(clock.waiting).toBe(0)
    }
    return { clock, store, first: programs[0]!, second: programs[1]!, end }
  }

  /** One runs a job for five minutes under a lease of 30 s while the other looks for jobs to take back. */
  async function runs(aheadMs: readonly [number, number], corrected: boolean): Promise<number> {
    const { clock, first, second, end } = await two(aheadMs, corrected)
    const mine = byHand<string>()
    const theirs = byHand<string>()
    await first.enqueue(work, 'a', { runAt: T - 3_600_000, maxAttempts: 1_000 })
    first.work([work.handle(mine.handler)], { lease: '30s', upkeep: false, concurrency: 1 })
    await clock.settle()
    second.work([work.handle(theirs.handler)], { lease: '30s' })
    await clock.advance(5 * minute)
    const all = [...mine.runs, ...theirs.runs]
    for (const one of all) one.end()
    await clock.settle()
    await end()
    return all.length
  }

  it.each(skews)('do not take each other’s live leases (%i and %i ms ahead)', async (...aheadMs) => {
    expect(await runs(aheadMs, true)).toBe(1)
  })

  it('would, by their own clocks', async () => {
    expect(await runs([-600_000, 600_000], false)).toBeGreaterThan(1)
  })

  it('ask again once a minute while a worker of theirs runs, however many do', async () => {
    const clock = new ManualClock({ now: T })
    let asked = 0
    const time = (): Instant => {
      asked++
      return clock.now()
    }
    const jobs = new Jobs(new Ferry(new MemoryStore(), await StoreClock.of(time, clock)))
    const handled = work.handle(() => undefined)
    const workers = [jobs.work([handled]), jobs.work([handled])]
    await clock.advance('3m')
    expect(asked).toBe(3 + 3 * 3)
    await clock.during(Promise.all(workers.map((worker) => worker.stop())))
    await clock.advance('10m')
    expect(asked).toBe(3 + 3 * 3)
    workers[0]!.start()
    await clock.settle()
    expect(asked).toBe(3 + 3 * 4) // it was long ago
    await clock.during(jobs.close())
    expect(clock.waiting).toBe(0)
  })

  it.each(skews)('agree on when a delayed job is due (%i and %i ms ahead)', async (...aheadMs) => {
    const { clock, store, first, second, end } = await two(aheadMs)
    const { id } = await first.enqueue(work, 'a', { delay: '1h' })
    expect(store.get([id])).toMatchObject([{ createdAt: T, runAt: T + 3_600_000 }])
    let ranAt = 0
    second.work([work.handle(() => void (ranAt = clock.now()))])
    await clock.advance('59m')
    expect(ranAt).toBe(0)
    await clock.advance('2m')
    expect(ranAt).toBe(T + 3_600_000)
    await end()
  })
})

describe('opening a store that has a clock', () => {
  /** Ten minutes ahead. */
  class Ahead extends MemoryStore {
    asked = 0
    time(): Instant {
      this.asked++
      return systemClock.now() + 600_000
    }
  }
  const work = task({ name: 'work' })

  it('goes by it', async () => {
    await using jobs = await open(new Ahead(), { logger: false })
    const { id } = await jobs.enqueue(work)
    const { createdAt } = (await jobs.get(id))!
    expect(createdAt - systemClock.now()).toBeGreaterThan(500_000)
  })

  it('does not ask it when it is given one of its own', async () => {
    const store = new Ahead()
    const clock = new ManualClock({ now: T })
    const jobs = await open(store, { clock, logger: false })
    const worker = jobs.work([work.handle(() => undefined)])
    await clock.advance('5m')
    await clock.during(worker.stop())
    await jobs.close()
    expect(store.asked).toBe(0)
  })

  it('goes by that of the first of several', async () => {
    await using jobs = await open([new Ahead(), new MemoryStore()], { logger: false })
    const { id } = await jobs.enqueue(work)
    expect((await jobs.get(id))!.createdAt - systemClock.now()).toBeGreaterThan(500_000)
  })

  it('fails, and lets go of it, when it does not answer', async () => {
    class Away extends MemoryStore {
      closed = false
      time(): Instant {
        throw new StoreError('The store is away', { retryable: true })
      }
      override close(): void {
        this.closed = true
      }
    }
    const store = new Away()
    await expect(open(store)).rejects.toThrow(StoreError)
    expect(store.closed).toBe(true)
  })
})

function fail(error: unknown): never {
  throw error
}
