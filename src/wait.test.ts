import { describe, expect, it } from 'vitest'

import { away, byHand, simulate, sources, T } from '../test/simulation.ts'
import { TimeoutError, UsageError } from './core/errors.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note' })

/** What a promise came to, so far. */
function watch(promise: Promise<unknown>): { readonly came: unknown[] } {
  const came: unknown[] = []
  promise.then(
    (value) => came.push(value),
    (error: unknown) => came.push(error),
  )
  return { came }
}

describe.each(sources)('wait on the %s store', (source) => {
  it('resolves to the job the moment it has finished', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([note.handle(handler)])
    const { id } = await sim.jobs.enqueue(note, 'a')
    const { came } = watch(sim.jobs.wait(id))
    await sim.clock.advance('10m')
    expect(came).toEqual([])
    runs[0]?.end({ n: 1 })
    await sim.clock.settle()
    expect(came).toMatchObject([{ id, state: 'completed', result: { n: 1 }, payload: 'a', payloadKept: true }])
  })

  it('resolves at once for a job that has finished before, and for one that is gone', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    await sim.jobs.cancel(id)
    expect(await sim.jobs.wait(id)).toMatchObject({ state: 'cancelled' })
    await sim.jobs.delete(id)
    expect(await sim.jobs.wait(id)).toBeUndefined()
  })

  it('waits through failed attempts, until the last', async () => {
    await using sim = await simulate(source)
    const bad = task({ name: 'bad', maxAttempts: 3, backoff: '1m', handler: () => Promise.reject(new Error('no')) })
    sim.jobs.work([bad])
    const { id } = await sim.jobs.enqueue(bad)
    const { came } = watch(sim.jobs.wait(id))
    await sim.clock.advance('90s')
    expect(came).toEqual([])
    await sim.clock.advance('30s')
    expect(came).toMatchObject([{ state: 'failed', attempt: 3 }])
  })

  it('sees what another program does, at the latest after a second', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const held = await sim.jobs.lease()
    const other = await sim.another()
    const { came } = watch(other.wait(id))
    await sim.clock.settle()
    await held?.complete()
    await sim.clock.advance('1s')
    expect(came).toMatchObject([{ state: 'completed' }])
  })

  it('hears what happens while it looks', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const answered = Promise.withResolvers<void>()
    sim.interfere(async ({ verb }, next) => {
      const answer = await next()
      if (verb === 'get') await answered.promise
      return answer
    })
    const { came } = watch(sim.jobs.wait(id))
    await sim.clock.settle()
    sim.jobs.work([note.handle(() => 'done')])
    await sim.clock.settle()
    answered.resolve()
    await sim.clock.settle()
    expect(came).toMatchObject([{ state: 'completed' }])
  })

  it('ends with a TimeoutError when the time is over, and leaves nothing behind', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const { came } = watch(sim.jobs.wait(id, { timeout: '2500ms' }))
    await sim.clock.advance(2_499)
    expect(came).toEqual([])
    await sim.clock.advance(1)
    expect(came[0]).toBeInstanceOf(TimeoutError)
    expect(came[0]).toMatchObject({ message: `Job ${id} had not finished after 2500 ms.` })
    expect(sim.clock.waiting).toBe(0)
  })

  it.each([
    ['while it waits', '10s'],
    ['before', undefined],
  ] as const)("ends with the signal's reason when it was aborted %s", async (_, after) => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const controller = new AbortController()
    const reason = new Error('enough')
    if (after === undefined) controller.abort(reason)
    const { came } = watch(sim.jobs.wait(id, { signal: controller.signal }))
    if (after !== undefined) await sim.clock.advance(after)
    controller.abort(reason)
    await sim.clock.settle()
    expect(came).toEqual([reason])
    expect(sim.clock.waiting).toBe(0)
  })

  it('ends with the error when the store fails', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    const { came } = watch(sim.jobs.wait(id))
    await sim.clock.settle()
    sim.interfere(({ verb }, next) => (verb === 'get' ? away() : next()))
    await sim.clock.advance('1s')
    expect(came).toMatchObject([{ name: 'StoreError' }])
    expect(sim.clock.waiting).toBe(0)
  })

  it('asks the store once a second at most while nothing happens', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a')
    void sim.jobs.wait(id).catch(() => undefined)
    await sim.clock.advance('60s')
    expect(sim.count('get')).toBeLessThanOrEqual(61)
    await sim.jobs.cancel(id)
    await sim.clock.advance('1s')
  })

  it('lets many wait for one job', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a', { delay: '1m' })
    const waits = Array.from({ length: 20 }, () => sim.jobs.wait(id))
    sim.jobs.work([note.handle(() => 'done')])
    await sim.clock.advance('1m')
    expect(await Promise.all(waits)).toHaveLength(20)
    expect(sim.clock.now()).toBe(T + 60_000)
  })

  it('refuses a misspelt option, a bad timeout and what is no id', async () => {
    await using sim = await simulate(source)
    await expect(sim.jobs.wait('x', { timout: 1 } as object)).rejects.toThrow('Did you mean "timeout"?')
    await expect(sim.jobs.wait('x', { timeout: -1 })).rejects.toThrow('Expected `timeout`')
    await expect(sim.jobs.wait(7 as never)).rejects.toThrow(UsageError)
  })
})
