import { describe, expect, it } from 'vitest'

import { snooze, StoreError, task, UnsupportedError } from '../index.ts'
import { MemoryStore } from '../stores/memory/index.ts'
import { simulate, T } from '../../test/simulation.ts'

const mail = task<'ok' | 'again' | 'bad' | 'later' | 'long'>({ name: 'mail', maxAttempts: 2, backoff: '1m' })
const other = task({ name: 'other' }).handle(() => undefined)

function mailer(release: Promise<unknown> = Promise.resolve()): ReturnType<typeof mail.handle> {
  return mail.handle(async (how, job) => {
    if (how === 'long') await release
    if (how === 'later') return snooze('1h')
    if (how === 'bad' || (how === 'again' && job.attempt === 1)) throw new Error(how)
    return undefined
  })
}

const broken = (): never => {
  throw new StoreError('no', { retryable: true })
}

describe('a beacon', () => {
  it('tells at the start, every five seconds, and takes leave at the stop', async () => {
    await using sim = await simulate()
    const worker = sim.jobs.work([mailer(), other], { queues: ['default', ''], concurrency: 7 })
    await sim.clock.settle()
    const [first] = await sim.jobs.workers()
    expect(first).toEqual({
      id: expect.stringMatching(/^\w{21}$/),
      host: expect.any(String),
      pid: process.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      startedAt: T,
      state: 'working',
      queues: ['default', ''],
      tasks: ['mail', 'other'],
      concurrency: 7,
      running: 0,
      runs: [],
      tallies: {},
      toldAt: T,
      until: T + 15_000,
    })
    await sim.clock.advance('12s')
    expect(await sim.jobs.workers()).toMatchObject([{ id: first?.id, toldAt: T + 10_000, until: T + 25_000 }])
    await worker.stop()
    expect(await sim.jobs.workers()).toEqual([])
    const told = sim.count('present')
    await sim.clock.advance('1m')
    expect(sim.count('present')).toBe(told)
    worker.start()
    await sim.clock.settle()
    expect(await sim.jobs.workers()).toMatchObject([{ id: first?.id, startedAt: T }])
  })

  it('tells what runs, the longest first, and what came of the runs so far', async () => {
    await using sim = await simulate()
    const { promise, resolve } = Promise.withResolvers<void>()
    const { id } = await sim.jobs.enqueue(mail, 'long', { queue: 'slow' })
    await sim.jobs.enqueueMany([mail.with('ok'), mail.with('again'), mail.with('later'), mail.with('long')])
    await sim.clock.advance('250ms')
    const worker = sim.jobs.work([mailer(promise)])
    await sim.clock.advance('5s')
    const [seen] = await sim.jobs.workers()
    expect(seen?.running).toBe(2)
    expect(seen?.runs[0]).toEqual({ id, task: 'mail', queue: 'slow', attempt: 1, since: T + 250 })
    const none = { completed: 0, retrying: 0, failed: 0, snoozed: 0, cancelled: 0, released: 0, lost: 0 }
    expect(seen?.tallies).toEqual({
      mail: {
        ends: { ...none, completed: 1, retrying: 1, snoozed: 1 },
        ran: { count: 3, sumMs: 0, counts: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
        waited: { count: 5, sumMs: 1_250, counts: [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0] },
      },
    })
    const stopping = worker.stop()
    await sim.clock.advance('5s')
    expect(await sim.jobs.workers()).toMatchObject([{ state: 'stopping', running: 2 }])
    resolve()
    await sim.clock.settle()
    await stopping
  })

  it('names two hundred runs at most', async () => {
    await using sim = await simulate()
    const { promise, resolve } = Promise.withResolvers<void>()
    await sim.jobs.enqueueMany(Array.from({ length: 250 }, () => mail.with('long')))
    sim.jobs.work([mailer(promise)], { concurrency: 300 })
    await sim.clock.advance('5s')
    const [seen] = await sim.jobs.workers()
    expect([seen?.running, seen?.runs.length]).toEqual([250, 200])
    resolve()
    await sim.clock.settle()
  })

  it('that cannot tell says so, half as often, and the work goes on; when it can again, it does', async () => {
    await using sim = await simulate()
    sim.interfere(({ verb }, next) => (verb === 'present' ? broken() : next()))
    sim.jobs.work([mailer()])
    await sim.jobs.enqueue(mail, 'ok')
    await sim.clock.advance('1m')
    expect(sim.of('completed')).toHaveLength(1)
    const at = sim.calls.filter(({ verb }) => verb === 'present').map((call) => call.at)
    expect(at).toEqual([0, 10, 20, 30, 40, 50, 60].map((s) => s * 1_000))
    expect(sim.of('error')).toHaveLength(at.length)
    expect(sim.of('error')[0]?.during).toBe('telling that the worker is alive; it works on')
    sim.interfere()
    await sim.clock.advance('15s')
    expect(await sim.jobs.workers()).toMatchObject([{ toldAt: T + 75_000 }])
  })

  it('that hangs does not tell a second time beside it, and holds up no stop for longer than the last exchange', async () => {
    await using sim = await simulate()
    sim.interfere(({ verb }, next) => (verb === 'present' ? new Promise(() => undefined) : next()))
    const worker = sim.jobs.work([mailer()])
    await sim.clock.advance('1m')
    expect(sim.count('present')).toBe(1)
    const stopping = worker.stop()
    await sim.clock.advance('5s')
    expect(await stopping).toBe(true)
  })

  it('is not lit where the worker is told not to, nor where the store has none', async () => {
    await using sim = await simulate()
    sim.jobs.work([mailer()], { presence: false })
    await sim.clock.advance('1m')
    expect(sim.count('present')).toBe(0)

    const store = new MemoryStore()
    const lacking = Object.defineProperty(store, 'capabilities', { value: new Set(['inspect']) })
    await using without = await simulate('memory', lacking)
    without.jobs.work([mailer()])
    await without.clock.advance('1m')
    expect(without.count('present')).toBe(0)
    await expect(without.jobs.workers()).rejects.toThrow(UnsupportedError)
  })

  it('tells as often as it is asked to', async () => {
    await using sim = await simulate()
    sim.jobs.work([mailer()], { presence: '1s' })
    await sim.clock.advance('1500ms')
    expect(await sim.jobs.workers()).toMatchObject([{ toldAt: T + 1_000, until: T + 4_000 }])
    expect(() => sim.jobs.work([mailer()], { presence: '50ms' })).toThrow('presence')
  })
})
