import { describe, expect, it } from 'vitest'

import { CancelledError, type RunningJob, StoppedError, StoreError, task, UsageError } from '../../src/index.ts'
import { until } from '../servers/until.ts'
import { connect, gate, heard, openPostgresBench, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

const many = (howMany: number) => Array.from({ length: howMany }, (_, n) => work.with(n))

/** Does nothing until it is told to stop, and tells of it. */
const untilTold =
  (told: unknown[]) =>
  (_: unknown, { signal }: RunningJob): Promise<never> =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => {
        told.push(signal.reason)
        reject(signal.reason)
      }),
    )

describe('sqlq: workers', () => {
  it('S37: runs as many at a time as it is told, ten by default, of the queues that it is given', async () => {
    const { jobs, clock } = await openPostgresBench()
    const gates = gate()
    const handled = work.handle(() => gates.opened)
    await jobs.enqueueMany([...many(20), work.with(0, { queue: 'other' })])
    const [four, ten] = [
      jobs.work([handled], { concurrency: 4, queues: ['default'] }),
      jobs.work([handled], { queues: ['default'] }),
    ]
    await clock.settle()
    expect([four.running, ten.running]).toEqual([4, 10])
    gates.open()
    await clock.settle()
    const counts = (await jobs.stats()).map(({ queue, counts: { pending, completed } }) => [queue, pending, completed])
    expect(counts).toEqual([
      ['default', 0, 20],
      ['other', 1, 0],
    ])
    for (const concurrency of [0, -1, 1.5, '4' as never])
      expect(() => jobs.work([handled], { concurrency })).toThrow(UsageError)
  })

  it('S38: knows its tasks from the start, each once and with a handler; more of them are another worker', async () => {
    const { jobs, clock } = await openPostgresBench()
    const handled = work.handle((n) => n)
    expect(() => jobs.work([handled, handled])).toThrow('Task "work" is given twice')
    expect(() => jobs.work([work as never])).toThrow('Task "work" has no handler')
    jobs.work([handled])
    const later = task<number>({ name: 'later' })
    await jobs.enqueueMany([work.with(1), later.with(2)])
    await clock.settle()
    jobs.work([later.handle((n) => n)])
    await clock.settle()
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 0, completed: 2 })
  })

  it('S39: is started once by any number of starts, and again after a stop, but not once its jobs are closed', async () => {
    const { jobs, clock } = await openPostgresBench()
    const ran: number[] = []
    const worker = jobs.work([work.handle((n) => void ran.push(n))])
    worker.start()
    worker.start()
    await jobs.enqueue(work, 1)
    await clock.settle()
    await clock.during(worker.stop())
    await jobs.enqueue(work, 2)
    await clock.advance('1m')
    expect(ran).toEqual([1])
    worker.start()
    await clock.settle()
    expect(ran).toEqual([1, 2])
    await clock.during(jobs.close())
    expect(() => worker.start()).toThrow(UsageError)
  })

  it('S40: stops: claims nothing more, lets runs end within the grace, then tells them; a second stop does nothing', async () => {
    const { jobs, clock } = await openPostgresBench()
    const told: unknown[] = []
    const gates = gate()
    const worker = jobs.work([
      work.handle(async (n, job) => {
        if (n === 0) await gates.opened
        else await untilTold(told)(n, job)
      }),
    ])
    await jobs.enqueueMany(many(2))
    await clock.settle()
    const stopping = worker.stop({ grace: '10s' })
    await jobs.enqueue(work, 2)
    await clock.advance('5s')
    expect(told).toEqual([])
    gates.open()
    expect(await clock.during(stopping)).toBe(false)
    expect(told).toEqual([new StoppedError()])
    expect(clock.now() - T).toBeGreaterThanOrEqual(10_000)
    expect((await jobs.list({ order: 'oldest' })).map(({ state, attempt }) => [state, attempt])).toEqual([
      ['completed', 1],
      ['pending', 0],
      ['pending', 0],
    ])
    expect(await worker.stop()).toBe(true)
  })

  it('S41: works ten jobs of a queue one at a time', async () => {
    const { jobs, clock } = await openPostgresBench()
    await jobs.configure('default', { concurrency: 1 })
    let [now, most] = [0, 0]
    jobs.work([
      work.handle(async () => {
        most = Math.max(most, ++now)
        await new Promise<void>((resolve) => void clock.after(100, resolve))
        now--
      }),
    ])
    await jobs.enqueueMany(many(10))
    await clock.advance('1s')
    expect(most).toBe(1)
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 0, completed: 10 })
  })

  it('S42: works twenty jobs of ten seconds with four hands in fifty, on six connections, and leaves none behind', async () => {
    const { schema, clock, another } = await openPostgresBench()
    const jobs = await another({ applicationName: schema })
    const client = await connect()
    const connections = async (): Promise<number> => {
      const found = await client.query('select from pg_stat_activity where application_name = $1', [schema])
      return found.rowCount ?? 0
    }
    let ended = 0
    const slow = work.handle(async () => {
      await new Promise<void>((resolve) => void clock.after(10_000, resolve))
      ended++
    })
    const worker = jobs.work([slow], { concurrency: 4 })
    await jobs.enqueueMany(many(20))
    for (let at = 0; at < 50; at += 10) {
      await clock.advance('9s')
      expect([worker.running, ended]).toEqual([4, (at / 10) * 4])
      expect(await connections()).toBeLessThanOrEqual(6)
      await clock.advance('1s')
    }
    await clock.settle()
    expect([worker.running, ended]).toEqual([0, 20])
    await clock.during(jobs.close())
    await until('its connections have ended', async () => ((await connections()) === 0 ? true : undefined))
  })

  it('S43: records whatever a handler throws, at once or later, as a failed attempt, and works on', async () => {
    const { jobs, clock } = await openPostgresBench()
    jobs.work(
      [
        work.handle((n) => {
          if (n === 0) throw new TypeError('at once')
          if (n === 1) return Promise.reject(new Error('later'))
          if (n === 2) return Promise.reject(null)
          if (n === 3) return (undefined as never as { x: number }).x
          return n
        }),
      ],
      { concurrency: 1 },
    )
    const added = await jobs.enqueueMany([0, 1, 2, 3, 4].map((n) => work.with(n, { maxAttempts: 1 })))
    await clock.settle()
    const ended = await Promise.all(added.map(async ({ id }) => await jobs.get(id)))
    expect(ended.map((job) => [job?.state, job?.failures[0]?.message])).toEqual([
      ['failed', 'at once'],
      ['failed', 'later'],
      ['failed', 'null'],
      ['failed', expect.stringContaining('undefined')],
      ['completed', undefined],
    ])
    expect(ended[0]?.failures[0]?.stack).toContain('sqlq-worker.test.ts')
  })

  it('S44: tells the handler through its signal when its job is cancelled, and when its worker stops', async () => {
    const { jobs, clock } = await openPostgresBench()
    const told: unknown[] = []
    const worker = jobs.work([work.handle(untilTold(told))])
    const [first] = await jobs.enqueueMany(many(2))
    await clock.settle()
    await jobs.cancel(first!.id, 'not wanted')
    await clock.settle()
    expect(told).toEqual([new CancelledError('not wanted')])
    await clock.during(worker.stop({ grace: 0 }))
    expect(told).toEqual([new CancelledError('not wanted'), new StoppedError()])
  })

  it('S56: waits longer after each failure of the store, up to five seconds, and works on once it answers', async () => {
    const claims: number[] = []
    let away = false
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (away && verb === 'claim') claims.push(clock.now() - T)
        if (away) throw new StoreError('no answer', { retryable: true })
        return go()
      },
    })
    const errors = heard(jobs, 'error')
    const ran: number[] = []
    jobs.work([work.handle((n) => void ran.push(n))])
    await clock.settle()
    away = true
    await clock.advance('2m') // sqlq asked nine thousand times in the first second
    expect(claims.length).toBeLessThanOrEqual(35)
    const waits = claims.slice(1).map((at, i) => at - claims[i]!)
    for (const [i, longest] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(longest * 0.8)
      expect(waits[i]).toBeLessThanOrEqual(longest)
    }
    expect(errors.some(({ during }) => during === 'claiming and settling')).toBe(true)
    away = false
    await jobs.enqueue(work, 1)
    await clock.advance('5s')
    expect(ran).toEqual([1])
  })

  it('S58: gives back what a stop cuts short: its attempt not burnt, nothing noted, for another worker at once', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const told: unknown[] = []
    const worker = jobs.work([
      work.handle((n, job) => (n === 0 ? untilTold(told)(n, job) : new Promise(() => undefined))),
    ])
    const added = await jobs.enqueueMany(many(2).map(({ payload }) => work.with(payload as number, { maxAttempts: 1 })))
    await clock.settle()
    await clock.during(worker.stop({ grace: 0 }))
    for (const { id } of added)
      expect(await jobs.get(id)).toMatchObject({ state: 'pending', attempt: 0, failures: [], runAt: T })
    expect(await (await another()).leaseMany({ limit: 2 })).toHaveLength(2)
  })

  it('S60: takes nothing for a worker without tasks: there is none', async () => {
    const { jobs, clock } = await openPostgresBench()
    await jobs.enqueueMany(many(3))
    expect(() => jobs.work([])).toThrow('Expected at least one task to work')
    await clock.advance('1m')
    expect((await jobs.stats())[0]?.counts).toMatchObject({ pending: 3, running: 0 })
  })

  it('S60: leaves jobs of tasks alone that the program does not know, and lives', async () => {
    const { jobs, clock } = await openPostgresBench()
    const errors = heard(jobs, 'error')
    await jobs.enqueueMany([...many(3), task({ name: 'foreign' }).with()])
    jobs.work([work.handle((n) => n)])
    await clock.advance('1m')
    expect((await jobs.stats())[0]?.tasks).toMatchObject({
      work: { completed: 3 },
      foreign: { pending: 1, completed: 0, failed: 0 },
    })
    expect(errors).toEqual([])
  })
})
