import { describe, expect, it } from 'vitest'

import { LeaseLostError, PayloadError, task, UsageError } from '../../src/index.ts'
import { gate, heard, openBench, openHandle, openThrough, T } from './kit.ts'

const work = task<{ n: number }>({ name: 'work' })
const other = task<{ text: string }>({ name: 'other', queue: 'elsewhere' })

describe('backlite: adding jobs', () => {
  it('B19: takes a signal where a call may wait: for a job, or for its end', async () => {
    const { jobs, clock } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { delay: '1h' })
    const abort = new AbortController()
    const leasing = jobs.lease({ wait: '1h', signal: abort.signal })
    const waiting = jobs.wait(id, { signal: abort.signal })
    waiting.catch(() => undefined)
    await clock.settle()
    abort.abort(new Error('enough'))
    expect(await leasing).toBeUndefined()
    await expect(waiting).rejects.toThrow('enough')
  })

  it('B20: runs a job at the time given, to the millisecond', async () => {
    const { jobs, clock } = await openBench()
    const at = T + 123_457
    const { id } = await jobs.enqueue(work, { n: 1 }, { runAt: new Date(at) })
    expect(await jobs.get(id)).toMatchObject({ runAt: at })
    const starts: number[] = []
    jobs.work([work.handle(() => void starts.push(clock.now()))], { poll: '10m' })
    await clock.advance('5m')
    expect(starts).toEqual([at])
  })

  it('B21: runs a job so long after now', async () => {
    const { jobs } = await openBench()
    const { id } = await jobs.enqueue(work, { n: 1 }, { delay: '90s' })
    expect(await jobs.get(id)).toMatchObject({ runAt: T + 90_000 })
  })

  it('B22: adds a job as part of the transaction it is given', async () => {
    const { jobs, file } = await openBench()
    const db = openHandle(file)
    db.exec('begin')
    const { id } = jobs.enqueue(work, { n: 1 }, { tx: db, delay: '1m', priority: 4 })
    db.exec('commit')
    expect(await jobs.get(id)).toMatchObject({ runAt: T + 60_000, priority: 4 })
  })

  it('B23: stores one job with its payload, no attempts and the time, answers its id, and wakes the workers', async () => {
    const { jobs, clock } = await openBench()
    const { id, outcome } = await jobs.enqueue(work, { n: 7 })
    expect(outcome).toBe('added')
    expect(await jobs.get(id)).toMatchObject({
      id,
      task: 'work',
      queue: 'default',
      state: 'pending',
      payload: { n: 7 },
      attempt: 0,
      createdAt: T,
      runAt: T,
    })
    const started = heard(jobs, 'started')
    jobs.work([work.handle(() => 1)], { poll: '10m' })
    await clock.settle()
    const second = await jobs.enqueue(work, { n: 8 })
    await clock.settle()
    expect(started.map(({ job }) => job.id)).toEqual([id, second.id])
  })

  it('B24: stores one job for an hour from now', async () => {
    const { jobs } = await openBench()
    await jobs.enqueue(work, { n: 1 }, { delay: '1h' })
    expect(await jobs.list()).toMatchObject([{ runAt: T + 3_600_000, createdAt: T, state: 'pending' }])
  })

  it('B25: answers the ids of many in their order, and they sort in that order', async () => {
    const { jobs } = await openBench()
    const added = await jobs.enqueueMany(
      Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? work.with({ n }) : other.with({ text: `${n}` }))),
    )
    const ids = added.map(({ id }) => id)
    expect(ids.toSorted()).toEqual(ids)
    const stored = await Promise.all(ids.map((id) => jobs.get(id)))
    expect(stored.map((job) => job?.payload)).toEqual(
      Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? { n } : { text: `${n}` })),
    )
  })

  it('B26: adds nothing for a run that is over: whoever was told to stop, and went on, enqueues no more', async () => {
    const { jobs, clock } = await openBench()
    const gates = gate()
    const late = gate<unknown>()
    jobs.work([
      work.handle(async (_, job) => {
        await gates.opened
        late.open(await job.enqueue(other, { text: 'too late' }).catch((error: unknown) => error))
      }),
    ])
    await jobs.enqueue(work, { n: 1 }, { timeout: '1s', maxAttempts: 1 })
    await clock.advance('5s')
    gates.open()
    expect(await late.opened).toBeInstanceOf(LeaseLostError)
    expect(await jobs.list({ task: 'other' })).toEqual([])
  })

  it('B27: shows a job of a transaction once that has committed, and wakes the workers for it then', async () => {
    const { jobs, file, clock } = await openBench()
    const db = openHandle(file)
    jobs.work([other.handle(() => 1)], { poll: '10m' })
    await clock.settle()
    db.exec('begin')
    const { id } = jobs.enqueue(other, { text: 'x' }, { tx: db })
    expect(await jobs.get(id)).toBeUndefined()
    const completed = new Promise((resolve) => jobs.on('completed', resolve))
    db.exec('commit')
    await completed
    expect(await jobs.get(id)).toMatchObject({ state: 'completed' })
  })

  it('B28: refuses what it could not give back, says where in the payload it is, and adds nothing', async () => {
    const { jobs } = await openBench()
    const any = task<unknown>({ name: 'any' })
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    for (const [payload, where] of [
      [{ a: [1, { b: () => 1 }] }, 'payload.a[1].b'],
      [{ n: Number.NaN }, 'payload.n'],
      [{ n: 1n }, 'payload.n'],
      [{ map: new Map() }, 'payload.map'],
      [{ at: new Date('no date') }, 'payload.at'],
      [cycle, 'payload'],
      ['x'.repeat(1_100_000), 'payload'],
    ] as const) {
      await expect(jobs.enqueue(any, payload)).rejects.toThrow(PayloadError)
      await expect(jobs.enqueue(any, payload)).rejects.toThrow(where)
      await expect(jobs.enqueueMany([any.with(1), any.with(payload)])).rejects.toThrow(PayloadError)
    }
    expect(await jobs.list()).toEqual([])
  })

  it('B29: adds all of many or none, whatever goes wrong', async () => {
    const { jobs, store } = await openThrough((_, next) => next())
    store.connection.exec(`
      create temp trigger stumble before insert on jobferry_job when new.payload = '{"n":99}'
      begin select raise(abort, 'stumbled'); end`)
    await expect(jobs.enqueueMany(Array.from({ length: 100 }, (_, n) => work.with({ n })))).rejects.toThrow('stumbled')
    expect(await jobs.list()).toEqual([])
    expect(await jobs.enqueueMany(Array.from({ length: 99 }, (_, n) => work.with({ n })))).toHaveLength(99)
    expect((await jobs.stats())[0]?.counts.pending).toBe(99)
  })

  it('B30: refuses a delay and a time at once, since one of them must be a slip', async () => {
    const { jobs } = await openBench()
    await expect(jobs.enqueue(work, { n: 1 }, { delay: '1m', runAt: T })).rejects.toThrow(UsageError)
    await expect(jobs.enqueue(work, { n: 1 }, { delay: '1m', runAt: T })).rejects.toThrow('both')
    expect(await jobs.list()).toEqual([])
  })

  it('B31: takes options for each of many, the same or others', async () => {
    const { jobs } = await openBench()
    const delayed = { delay: '1h' } as const
    await jobs.enqueueMany([work.with({ n: 1 }, delayed), other.with({ text: 'x' }, delayed), work.with({ n: 2 })])
    expect((await jobs.list({ order: 'oldest' })).map(({ runAt }) => runAt - T)).toEqual([3_600_000, 3_600_000, 0])
  })
})
