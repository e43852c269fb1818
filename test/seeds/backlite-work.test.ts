import { describe, expect, it } from 'vitest'

import { type Duration, task } from '../../src/index.ts'
import { gate, heard, openBench, openThrough, T } from './kit.ts'

const work = task<{ n: number }>({ name: 'work', backoff: '1s' })
const five = [1, 2, 3, 4, 5].map((n) => work.with({ n }))

describe('backlite: starting and stopping', () => {
  it('B32: takes nothing while it is stopped, and looks at once when it is not', async () => {
    const { jobs, clock } = await openBench()
    const started = heard(jobs, 'started')
    const worker = jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.during(worker.stop())
    await jobs.enqueue(work, { n: 1 })
    await clock.advance('1h')
    expect(started).toEqual([])
    worker.start()
    await clock.settle()
    expect(started).toHaveLength(1)
    await jobs.enqueue(work, { n: 2 })
    await clock.settle()
    expect(started).toHaveLength(2)
  })

  it('B33: starts once, however often it is told to', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 2 })
    worker.start()
    worker.start()
    await jobs.enqueueMany(five)
    await clock.settle()
    expect(worker.running).toBe(2)
    gates.open()
  })

  it('B34: has all its hands free from the start', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    await jobs.enqueueMany(five)
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 5 })
    await clock.settle()
    expect(worker.running).toBe(5)
    gates.open()
  })

  it('B35: stops at once, if it must, and gives back what runs', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 })
    const worker = jobs.work([work.handle(() => new Promise(() => undefined))])
    await clock.settle()
    expect(await clock.during(worker.stop({ grace: 0 }))).toBe(false)
    expect(worker.state).toBe('idle')
    expect(clock.now() - T).toBeLessThanOrEqual(2_000)
    expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  it('B36: looks for what was there before it started', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueueMany(five)
    jobs.work([work.handle(() => 1)], { poll: '10m', listen: false })
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(5)
  })

  it('B37: has nothing to stop when it does not run', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([work.handle(() => 1)])
    expect(await clock.during(worker.stop())).toBe(true)
    expect(await worker.stop()).toBe(true)
  })

  it('B38: stops at once when nothing runs', async () => {
    const { jobs, clock } = await openBench()
    const worker = jobs.work([work.handle(() => 1)])
    await clock.settle()
    const stopping = worker.stop()
    await clock.settle()
    expect(await stopping).toBe(true)
    expect(worker.state).toBe('idle')
    expect(clock.now()).toBe(T)
  })

  it('B39: stops all the same when a run does not end within the grace, and says so', async () => {
    const { jobs, clock } = await openBench()
    await jobs.enqueue(work, { n: 1 })
    const worker = jobs.work([work.handle(() => new Promise(() => undefined))])
    await clock.settle()
    const stopping = worker.stop({ grace: '3s' })
    await clock.advance(2_999)
    expect(worker.state).toBe('stopping')
    expect(await clock.during(stopping)).toBe(false)
    expect(worker.state).toBe('idle')
  })

  it('B40: can be started again after it was stopped, gracefully or not', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)])
    await jobs.enqueue(work, { n: 1 })
    await clock.settle()
    expect(await clock.during(worker.stop({ grace: 0 }))).toBe(false)
    gates.open()
    for (let n = 2; n < 5; n++) {
      worker.start()
      await jobs.enqueue(work, { n })
      await clock.settle()
      expect(await clock.during(worker.stop())).toBe(true)
    }
    expect((await jobs.stats())[0]?.counts).toMatchObject({ completed: 4, pending: 0 })
  })
})

describe('backlite: waking', () => {
  it('B41: looks once for many that come together', async () => {
    let claims = 0
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      if (verb === 'claim') claims++
      return next()
    })
    const gates = gate()
    jobs.work([work.handle(() => gates.opened)], { concurrency: 200 })
    await clock.settle()
    claims = 0
    await Promise.all(Array.from({ length: 100 }, (_, n) => jobs.enqueue(work, { n })))
    await clock.settle()
    expect(claims).toBeLessThanOrEqual(2)
    expect((await jobs.stats())[0]?.counts.running).toBe(100)
    gates.open()
  })

  const looksAfterStop = async (grace: Duration): Promise<number> => {
    let claims = 0
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      if (verb === 'claim') claims++
      return next()
    })
    const worker = jobs.work([work.handle(() => 1)])
    await clock.settle()
    await clock.during(worker.stop({ grace }))
    claims = 0
    await jobs.enqueueMany(five)
    await clock.advance('1h')
    return claims
  }

  it('B42: looks no more after it was stopped hard', async () => {
    expect(await looksAfterStop(0)).toBe(0)
  })

  it('B43: looks no more after it was stopped with grace', async () => {
    expect(await looksAfterStop('25s')).toBe(0)
  })

  it('B59: claims as many as it has hands, the first of all, and the others as hands get free', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const added = await jobs.enqueueMany(five)
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 3 })
    await clock.settle()
    expect(worker.running).toBe(3)
    expect((await jobs.list({ order: 'oldest' })).map(({ id, state, attempt }) => [id, state, attempt])).toEqual([
      [added[0]!.id, 'running', 1],
      [added[1]!.id, 'running', 1],
      [added[2]!.id, 'running', 1],
      [added[3]!.id, 'pending', 0],
      [added[4]!.id, 'pending', 0],
    ])
    gates.open()
    await clock.settle()
    expect((await jobs.stats())[0]?.counts.completed).toBe(5)
  })

  it('B60: sleeps until the next job is due, and runs it then', async () => {
    const { jobs, clock } = await openBench()
    const starts: number[] = []
    await jobs.enqueue(work, { n: 1 }, { delay: '7s' })
    await jobs.enqueue(work, { n: 2 }, { delay: '301ms' })
    jobs.work([work.handle(() => void starts.push(clock.now() - T))], { poll: '10m', listen: false })
    await clock.advance('1m')
    expect(starts).toEqual([301, 7_000])
  })

  it('B60: is woken for a job that is due before the one it sleeps for', async () => {
    const { jobs, clock } = await openBench()
    const starts: number[] = []
    jobs.work([work.handle(() => void starts.push(clock.now() - T))], { poll: '10m' })
    await jobs.enqueue(work, { n: 1 }, { delay: '1h' })
    await clock.settle()
    await jobs.enqueue(work, { n: 2 }, { delay: '50ms' })
    await clock.advance('1m')
    expect(starts).toEqual([50])
  })

  it.each([1, 3, 9, 10, 11, 500])('B61: claims %i at once', async (limit) => {
    const { jobs } = await openBench()
    await jobs.enqueueMany(Array.from({ length: 505 }, (_, n) => work.with({ n })))
    const held = await jobs.leaseMany({ limit })
    expect(held.map(({ payload }) => payload)).toEqual(Array.from({ length: limit }, (_, n) => ({ n })))
    expect((await jobs.stats())[0]?.counts).toMatchObject({ running: limit, pending: 505 - limit })
  })

  it('B62: gives a job to another worker once its lease has run out', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 })
    await jobs.lease({ for: '30s' }) // and nothing is heard of it again
    const started = heard(jobs, 'started')
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.advance(29_999)
    expect(started).toEqual([])
    await clock.advance(1_001) // the end of the lease, and the backoff
    expect(started).toMatchObject([{ job: { id, attempt: 2 } }])
  })

  it('B63: tells of a database that fails, tries again after a tenth of a second, and then ever less often', async () => {
    let broken = false
    const tries: number[] = []
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      if (verb === 'claim' && broken) {
        tries.push(clock.now() - T)
        throw new Error('disk I/O error')
      }
      return next()
    })
    const errors = heard(jobs, 'error')
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.settle()
    broken = true
    await jobs.enqueue(work, { n: 1 })
    await clock.advance('10s')
    const waits = tries.slice(1).map((at, i) => at - tries[i]!)
    expect(waits[0]).toBeGreaterThanOrEqual(80)
    expect(waits[0]).toBeLessThanOrEqual(100)
    expect(waits.every((wait, i) => i === 0 || wait > waits[i - 1]!)).toBe(true)
    expect(waits.at(-1)).toBeLessThanOrEqual(5_000)
    expect(errors).toHaveLength(tries.length)
    expect(errors[0]).toMatchObject({ during: 'claiming and settling', error: { message: 'disk I/O error' } })
    broken = false
    await clock.advance('5s')
    expect((await jobs.stats())[0]?.counts.completed).toBe(1)
  })

  it('B64: asks the database nothing while nothing happens, but for a look at each poll', async () => {
    const asked: string[] = []
    const { jobs, clock } = await openThrough(({ verb }, next) => {
      asked.push(verb)
      return next()
    })
    jobs.work([work.handle(() => 1)], { poll: '1h', presence: false })
    await clock.advance('1s')
    asked.length = 0
    await clock.advance('59m')
    expect(asked).toEqual([])
    await clock.advance('2m')
    expect(asked.toSorted()).toEqual(['claim', 'expired', 'prune'])
  })

  it('B68: works all queues with one set of hands', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const worker = jobs.work([work.handle(() => gates.opened)], { concurrency: 3 })
    for (const queue of ['a', 'b', 'c', 'd', 'e']) await jobs.enqueue(work, { n: 1 }, { queue })
    await clock.settle()
    expect(worker.running).toBe(3)
    gates.open()
    await clock.settle()
    expect((await jobs.stats()).map(({ queue, counts }) => [queue, counts.completed])).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((queue) => [queue, 1]),
    )
  })
})
