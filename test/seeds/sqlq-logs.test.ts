import { describe, expect, it } from 'vitest'

import { StoreError, task } from '../../src/index.ts'
import { heard, openPostgresBench, T } from './postgres-kit.ts'

const work = task<number>({ name: 'work' })

describe('sqlq: logs', () => {
  it('S34: keeps lines of four levels with their data, their attempt and the time they were written', async () => {
    const { jobs, clock } = await openPostgresBench()
    jobs.work([
      work.handle(async (_, { log }) => {
        log.debug('looking')
        log.info('found', { files: 3 })
        await new Promise<void>((resolve) => void clock.after(2_000, resolve))
        log.warn('slow', [1, null])
        log.error('gave up', 'text')
      }),
    ])
    const { id } = await jobs.enqueue(work, 1)
    await clock.advance('2s')
    const same = { seq: expect.any(Number), jobId: id, attempt: 1 }
    expect(await jobs.logs(id)).toEqual([
      { ...same, at: T, level: 'debug', message: 'looking', data: undefined },
      { ...same, at: T, level: 'info', message: 'found', data: { files: 3 } },
      { ...same, at: T + 2_000, level: 'warn', message: 'slow', data: [1, null] },
      { ...same, at: T + 2_000, level: 'error', message: 'gave up', data: 'text' },
    ])
  })

  it('S35: lets no job fail because its lines cannot be stored, and tells that they were not', async () => {
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (verb === 'log') throw new StoreError('the log is full', { retryable: false })
        return go()
      },
    })
    const errors = heard(jobs, 'error')
    jobs.work([work.handle((_, { log }) => log.info('lost'))])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, failures: [] })
    expect(errors).toMatchObject([{ during: `storing a log line of job ${id}`, error: { message: 'the log is full' } }])
  })

  it('S36: takes 2,500 lines without waiting, stores them in a few batches, and keeps their order', async () => {
    let batches = 0
    const { jobs, clock } = await openPostgresBench({
      around: ({ verb }, go) => {
        if (verb === 'log') batches++
        return go()
      },
    })
    jobs.work([
      work.handle((_, { log }) => {
        for (let n = 0; n < 2_500; n++) log.info(`line ${n}`)
      }),
    ])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    expect(clock.now()).toBe(T) // sqlq flushes every five seconds
    expect(batches).toBe(3)
    const lines = await jobs.logs(id, { limit: 10_000 })
    expect(lines.map(({ message }) => message)).toEqual(Array.from({ length: 2_500 }, (_, n) => `line ${n}`))
    const { seq } = lines[99]!
    expect((await jobs.logs(id, { after: seq, limit: 2 })).map(({ message }) => message)).toEqual([
      'line 100',
      'line 101',
    ])
  })

  it('S36: has stored every line before the worker has stopped', async () => {
    const { jobs, clock, another } = await openPostgresBench()
    const worker = jobs.work([work.handle((_, { log }) => log.info('the last'))])
    const { id } = await jobs.enqueue(work, 1)
    await clock.settle()
    await clock.during(worker.stop())
    expect(await (await another()).logs(id)).toMatchObject([{ message: 'the last' }])
  })

  it('S59: loses no line because of another: not of a job that is gone, nor one that cannot be stored as it is', async () => {
    const { jobs } = await openPostgresBench()
    const [gone, kept] = await jobs.enqueueMany([work.with(1), work.with(2)])
    const [first, second] = await jobs.leaseMany({ limit: 2 })
    await first?.complete()
    await jobs.delete(gone!.id)
    const circle: { self?: unknown } = {}
    circle.self = circle
    second?.log.info('before')
    first?.log.info('of a job that is gone')
    second?.log.info('nul \0 and half a pair \ud800')
    second?.log.info(undefined as never)
    second?.log.info('circle', circle)
    second?.log.info('bigint', 1n)
    second?.log.info('x'.repeat(20_000))
    second?.log.info('after')
    const lines = await jobs.logs(kept!.id)
    expect(lines.map(({ message }) => message.slice(0, 25))).toEqual([
      'before',
      'nul \ufffd and half a pair \ufffd',
      'undefined',
      'circle',
      'bigint',
      'x'.repeat(25),
      'after',
    ])
    expect(await jobs.logs(gone!.id)).toEqual([])
  })

  it('F10: tells when a line was written, not when its batch was stored', async () => {
    const { jobs, clock } = await openPostgresBench()
    const { id } = await jobs.enqueue(work, 1)
    const held = await jobs.lease()
    for (const ms of [0, 1, 1_000]) {
      await clock.advance(ms)
      held?.log.info(`after ${ms}`)
    }
    expect((await jobs.logs(id)).map(({ at }) => at - T)).toEqual([0, 1, 1_001])
  })
})
