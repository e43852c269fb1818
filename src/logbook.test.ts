import { describe, expect, it } from 'vitest'

import { away, byHand, simulate, sources, T } from '../test/simulation.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note', backoff: '1s' })

describe.each(sources)('the log of a job on the %s store', (source) => {
  it('keeps lines with their level, time, attempt and data, in order, a NUL as the mark of what cannot be shown', async () => {
    await using sim = await simulate(source)
    const talk = note.handle(async (_, { log, attempt }) => {
      log.debug('one')
      log.info('two', { a: [1, null], at: new Date(T) })
      await Promise.resolve()
      log.warn('three\0', 'text')
      log.error('four', new Uint8Array(3))
      if (attempt === 1) throw new Error('no')
    })
    sim.jobs.work([talk])
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.advance('2s')
    const lines = await sim.jobs.logs(id)
    expect(lines.map(({ seq: _seq, jobId: _jobId, ...line }) => line)).toEqual(
      [1, 2].flatMap((attempt) => {
        const at = T + (attempt - 1) * 1_000
        return [
          { attempt, at, level: 'debug', message: 'one', data: undefined },
          { attempt, at, level: 'info', message: 'two', data: { a: [1, null], at: '2026-01-01T00:00:00.000Z' } },
          { attempt, at, level: 'warn', message: 'three\ufffd', data: 'text' },
          { attempt, at, level: 'error', message: 'four', data: '3 bytes' },
        ]
      }),
    )
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map(({ seq }) => seq).toSorted((a, b) => a - b))
  })

  it('stores lines of one turn together', async () => {
    await using sim = await simulate(source)
    const talk = note.handle((_, { log }) => {
      for (let n = 0; n < 100; n++) log.info(`line ${n}`)
    })
    sim.jobs.work([talk])
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.settle()
    expect(sim.count('log')).toBe(1)
    expect(await sim.jobs.logs(id)).toHaveLength(100)
  })

  it('is read in pages', async () => {
    await using sim = await simulate(source)
    const talk = note.handle((_, { log }) => {
      for (let n = 0; n < 25; n++) log.info(`${n}`)
    })
    sim.jobs.work([talk])
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.settle()
    const seen: string[] = []
    for (let after = 0; ;) {
      const page = await sim.jobs.logs(id, { limit: 10, after })
      seen.push(...page.map(({ message }) => message))
      const last = page.at(-1)
      if (last === undefined) break
      after = last.seq
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => `${n}`))
  })

  it('shows lines that were written just before it was asked', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([note.handle(handler)])
    const { id } = await sim.jobs.enqueue(note, 'x')
    await sim.clock.settle()
    runs[0]?.job.log.info('just now')
    expect(await sim.jobs.logs(id)).toHaveLength(1)
  })

  it('drops lines of a run that has ended', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([note.handle(handler)])
    const { id } = await sim.jobs.enqueue(note, 'x')
    await sim.clock.settle()
    runs[0]?.end()
    await sim.clock.settle()
    runs[0]?.job.log.info('from beyond')
    expect(await sim.jobs.logs(id)).toEqual([])
  })

  it('cuts long messages, and says what it could not store', async () => {
    await using sim = await simulate(source)
    const circular: { self?: unknown } = {}
    circular.self = circular
    const talk = note.handle((_, { log }) => {
      log.info('x'.repeat(10_000))
      log.info('bigint', 1n)
      log.info('cycle', circular)
      log.info(7 as never)
    })
    sim.jobs.work([talk])
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.settle()
    const [long, bigint, cycle, number] = await sim.jobs.logs(id)
    expect(long?.message).toHaveLength(8_000)
    expect(String(bigint?.data)).toContain('cannot be stored as JSON')
    expect(String(cycle?.data)).toContain('contains itself')
    expect(number?.message).toBe('7')
  })

  it('is gone with its job', async () => {
    await using sim = await simulate(source)
    const talk = note.handle((_, { log }) => log.info('here'))
    sim.jobs.work([talk])
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.settle()
    expect(await sim.jobs.delete(id)).toBe(true)
    expect(await sim.jobs.logs(id)).toEqual([])
  })

  it('that cannot be stored is told of, and harms no run', async () => {
    await using sim = await simulate(source)
    const talk = note.handle((_, { log }) => log.info('lost'))
    sim.jobs.work([talk])
    sim.interfere(({ verb }, next) => (verb === 'log' ? away() : next()))
    const { id } = await sim.jobs.enqueue(talk, 'x')
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed' })
    expect(sim.of('error').map(({ during }) => during)).toEqual([`storing a log line of job ${id}`])
  })

  it('refuses a misspelt option and a bad limit', async () => {
    await using sim = await simulate(source)
    await expect(sim.jobs.logs('x', { limt: 1 } as object)).rejects.toThrow('Did you mean "limit"?')
    await expect(sim.jobs.logs('x', { limit: 0 })).rejects.toThrow('Expected `limit`')
  })
})
