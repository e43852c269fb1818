import { describe, expect, it } from 'vitest'

import { simulate, type Simulation, sources, T } from '../test/simulation.ts'
import { PayloadError, StoreError, UnrecoverableError } from './core/errors.ts'
import { RetryError } from './core/steer.ts'
import type { HeldJob } from './held-job.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note', maxAttempts: 3, backoff: '10s', retention: { cancelled: '2d' } })

async function take(sim: Simulation, payload = 'a'): Promise<HeldJob> {
  await sim.jobs.enqueue(note, payload)
  const held = await sim.jobs.lease()
  if (held === undefined) throw new Error('Nothing was due')
  return held
}

const ways: readonly (readonly [string, (held: HeldJob) => Promise<boolean>, object])[] = [
  ['complete', (held) => held.complete({ n: 1 }), { state: 'completed', result: '{"n":1}', attempt: 1, finishedAt: T }],
  [
    'fail',
    (held) => held.fail(new Error('no')),
    { state: 'pending', attempt: 1, runAt: T + 10_000, failures: [{ attempt: 1, at: T, message: 'no' }] },
  ],
  ['fail for good', (held) => held.fail(new UnrecoverableError('no')), { state: 'failed', attempt: 1 }],
  [
    'fail as told',
    (held) => held.fail(new RetryError('no', { delay: '3s', remaining: 7 })),
    { state: 'pending', attempt: 1, maxAttempts: 8, runAt: T + 3_000 },
  ],
  ['snooze', (held) => held.snooze('5m'), { state: 'pending', attempt: 0, runAt: T + 300_000, failures: [] }],
  ['release', (held) => held.release(), { state: 'pending', attempt: 0, runAt: T, failures: [] }],
  [
    'cancel',
    (held) => held.cancel('not wanted'),
    { state: 'cancelled', cancel: 'not wanted', forgetAt: T + 2 * 86_400_000 },
  ],
]

describe.each(sources)('a job held by hand on the %s store', (source) => {
  it('shares its trip to the store with what ends in the same turn, each with an answer of its own', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueueMany(Array.from({ length: 20 }, () => note.with('a')))
    const held = await sim.jobs.leaseMany({ limit: 20 })
    const before = sim.count('apply')
    const answers = await Promise.all([...held.map((job) => job.complete()), ...held.map((job) => job.complete())])
    expect(answers).toEqual([...held.map(() => true), ...held.map(() => false)])
    expect(sim.count('apply') - before).toBe(1)
    await expect(sim.jobs.stats()).resolves.toMatchObject([{ counts: { completed: 20, pending: 0, running: 0 } }])
  })

  it.each(ways)('can %s, once', async (_, end, row) => {
    await using sim = await simulate(source)
    const held = await take(sim)
    expect(await end(held)).toBe(true)
    expect(await sim.row(held.id)).toMatchObject({ lease: undefined, leaseUntil: undefined, ...row })
    for (const [, again] of ways) expect(await again(held)).toBe(false)
    expect(await held.extend('1m')).toBe(false)
    expect(await sim.row(held.id)).toMatchObject(row)
  })

  it('throws what went wrong where it cannot be told whether its lease was extended', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    const trouble = new StoreError('One file is locked', { retryable: true })
    sim.interfere(({ verb }, next) => (verb === 'renew' ? [{ error: trouble }] : next()))
    await expect(held.extend('1m')).rejects.toBe(trouble)
    sim.interfere()
    expect(await held.extend('1m')).toBe(true)
  })

  it.each(ways)('cannot %s what somebody else has by now', async (_, end) => {
    await using sim = await simulate(source)
    const late = await take(sim)
    sim.jobs.work([task({ name: 'nothing', handler: () => undefined })])
    await sim.clock.advance('45s')
    const now = await sim.jobs.lease()
    expect(now?.id).toBe(late.id)
    const before = await sim.row(late.id)
    expect(await end(late)).toBe(false)
    expect(await late.extend('1h')).toBe(false)
    expect(await sim.row(late.id)).toEqual(before)
    expect(await now?.complete()).toBe(true)
  })

  it('is completed by exactly one of many calls at once', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => held.complete(n)))
    expect(answers.filter(Boolean)).toHaveLength(1)
    expect((await sim.row(held.id)).rev).toBe(2)
  })

  it('counts late, as long as nobody has taken it', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    await sim.clock.advance('10m')
    expect(await held.extend('1m')).toBe(false)
    expect(await held.complete('late')).toBe(true)
    expect(await sim.row(held.id)).toMatchObject({ state: 'completed', result: '"late"' })
  })

  it('is held longer with extend, from now on', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    sim.jobs.work([task({ name: 'nothing', handler: () => undefined })])
    for (let n = 0; n < 5; n++) {
      await sim.clock.advance('29s')
      expect(await held.extend('30s')).toBe(true)
      expect(held.leaseUntil).toBe(sim.clock.now() + 30_000)
    }
    expect(await held.complete()).toBe(true)
    expect(await sim.row(held.id)).toMatchObject({ attempt: 1, failures: [] })
  })

  it('is taken back when it is not extended, with its attempt counted', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    sim.jobs.work([task({ name: 'nothing', handler: () => undefined })])
    await sim.clock.advance('30s')
    expect(await sim.row(held.id)).toMatchObject({ state: 'pending', attempt: 1, runAt: T + 40_000 })
    expect(await held.extend('30s')).toBe(false)
  })

  it('hears with extend that it is to be cancelled, and ends cancelled unless it succeeds', async () => {
    await using sim = await simulate(source)
    const [one, two] = [await take(sim), await take(sim, 'b')]
    for (const held of [one, two]) expect(await sim.jobs.cancel(held.id, 'not wanted')).toBe('requested')
    expect(one.cancelRequested).toBeUndefined()
    await one.extend('1m')
    expect(one.cancelRequested).toBe('not wanted')
    expect(await one.fail(new Error('stopped'))).toBe(true)
    expect(await two.complete('done')).toBe(true)
    expect(await sim.row(one.id)).toMatchObject({ state: 'cancelled', cancel: 'not wanted' })
    expect(await sim.row(two.id)).toMatchObject({ state: 'completed' })
  })

  it('shows the errors so far, and runs out of attempts like any other', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const seen: unknown[] = []
    for (let attempt = 1; attempt <= 3; attempt++) {
      const held = await sim.jobs.lease()
      seen.push([held?.attempt, held?.errors.map(({ message }) => message)])
      expect(await held?.fail(`no ${attempt}`)).toBe(true)
      await sim.clock.advance('10s')
    }
    expect(seen).toEqual([
      [1, []],
      [2, ['no 1']],
      [3, ['no 1', 'no 2']],
    ])
    expect(await sim.row(id)).toMatchObject({ state: 'failed', attempt: 3 })
    expect(await sim.jobs.lease()).toBeUndefined()
  })

  it('is released at the end of a block, unless it was ended', async () => {
    await using sim = await simulate(source)
    {
      await using held = await take(sim)
      expect(held.attempt).toBe(1)
    }
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 1, running: 0 })
    {
      await using held = await sim.jobs.lease()
      await held?.complete()
    }
    expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 0, completed: 1 })
  })

  it('refuses a result that is not JSON, and stays held', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    await expect(held.complete(1n)).rejects.toThrow(PayloadError)
    await expect(held.snooze('soon' as '1s')).rejects.toThrow('Expected `delay`')
    await expect(held.extend(0)).rejects.toThrow('Expected `by`')
    expect(await held.complete()).toBe(true)
  })

  it('has a log, until it is ended', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    held.log.info('on it', { n: 1 })
    await held.complete()
    held.log.info('too late')
    expect(await sim.jobs.logs(held.id)).toMatchObject([
      { message: 'on it', data: { n: 1 }, attempt: 1, level: 'info' },
    ])
  })

  it('fails with the error when the store does, and can be ended then', async () => {
    await using sim = await simulate(source)
    const held = await take(sim)
    sim.interfere(() => {
      throw new Error('away')
    })
    await expect(held.complete()).rejects.toThrow('away')
    sim.interfere()
    expect(await held.complete()).toBe(true)
  })
})
