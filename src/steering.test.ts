import { describe, expect, it } from 'vitest'

import { byHand, simulate, sources, T } from '../test/simulation.ts'
import { StateError, StoreError, UsageError } from './core/errors.ts'
import type { Jobs } from './jobs.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note', retention: { cancelled: '2h' } })
const day = 86_400_000

describe.each(sources)('steering on the %s store', (source) => {
  describe('cancel', () => {
    it('ends a job that waits at once, kept as its task says', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a', { unique: 'k' })
      expect(await sim.jobs.cancel(id, 'not wanted')).toBe('cancelled')
      expect(await sim.row(id)).toMatchObject({
        state: 'cancelled',
        cancel: 'not wanted',
        finishedAt: T,
        forgetAt: T + 7_200_000,
        unique: { key: 'k', held: false },
      })
      expect(await sim.jobs.lease()).toBeUndefined()
    })

    it('tells of a job that waited, in this process, and leaves one that runs to its worker', async () => {
      await using sim = await simulate(source)
      const running = await sim.jobs.enqueue(note, 'a')
      await sim.jobs.lease()
      const waiting = await sim.jobs.enqueue(note, 'b')
      for (const { id } of [waiting, running]) await sim.jobs.cancel(id, 'not wanted')
      expect(await sim.jobs.cancel(waiting.id)).toBe('finished')
      const job = { id: waiting.id, task: 'note', queue: 'default', attempt: 0, maxAttempts: 5 }
      expect(sim.of('cancelled')).toEqual([{ type: 'cancelled', job, reason: 'not wanted' }])
    })

    it('asks the worker of a job that runs, and once is enough', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      await sim.jobs.lease()
      expect(await sim.jobs.cancel(id, 'first')).toBe('requested')
      expect(await sim.jobs.cancel(id, 'second')).toBe('requested')
      expect(await sim.row(id)).toMatchObject({ state: 'running', cancel: 'first' })
    })

    it('is too late for a job that has finished, and says when there is none', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      await (await sim.jobs.lease())?.complete()
      expect(await sim.jobs.cancel(id)).toBe('finished')
      expect(await sim.jobs.cancel('nobody')).toBe('missing')
    })
  })

  describe('retry', () => {
    it.each([
      ['completed', (jobs: Jobs, id: string) => jobs.lease().then((held) => held?.complete('x').then(() => id))],
      ['failed', (jobs: Jobs, id: string) => jobs.lease().then((held) => held?.fail('no').then(() => id))],
      ['cancelled', (jobs: Jobs, id: string) => jobs.cancel(id)],
    ] as const)('runs a %s job again, with one more attempt, its history kept', async (state, finish) => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a', { maxAttempts: 1 })
      await finish(sim.jobs, id)
      expect(await sim.row(id)).toMatchObject({ state })
      await sim.clock.advance('1m')
      await sim.jobs.retry(id)
      const { attempt, failures } = await sim.row(id)
      expect(await sim.row(id)).toMatchObject({
        state: 'pending',
        runAt: T + 60_000,
        maxAttempts: attempt + 1,
        result: undefined,
        cancel: undefined,
        finishedAt: undefined,
        forgetAt: undefined,
      })
      expect(failures).toHaveLength(state === 'failed' ? 1 : 0)
      expect((await sim.jobs.lease())?.id).toBe(id)
    })

    it('runs a job now that waits for later, and wakes a worker for it', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([note.handle(handler)], { poll: '1d' })
      const { id } = await sim.jobs.enqueue(note, 'a', { delay: '5d' })
      await sim.clock.settle()
      await sim.jobs.retry(id)
      await sim.clock.settle()
      expect(runs).toHaveLength(1)
    })

    it('is refused while the job runs, when its payload is gone, and when it is gone', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a', { retention: { payload: 'none' } })
      const held = await sim.jobs.lease()
      await expect(sim.jobs.retry(id)).rejects.toThrow(
        `Job ${id} is running; only a job that waits or has finished can be retried.`,
      )
      await held?.complete()
      await expect(sim.jobs.retry(id)).rejects.toThrow('its payload was dropped by retention')
      await expect(sim.jobs.retry('nobody')).rejects.toMatchObject({
        name: 'StateError',
        id: 'nobody',
        state: undefined,
      })
    })
  })

  describe('edit', () => {
    it('changes a job that waits, and answers with it', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      const changes = { payload: { b: 1 }, delay: '1h', priority: -3, maxAttempts: 9 } as const
      const expected = { id, payload: { b: 1 }, runAt: T + 3_600_000, priority: -3, maxAttempts: 9, state: 'pending' }
      expect(await sim.jobs.edit(id, changes)).toMatchObject(expected)
      expect(await sim.jobs.get(id)).toMatchObject(expected)
      expect(await sim.jobs.edit(id, { payload: undefined, runAt: T })).toMatchObject({ payload: undefined, runAt: T })
      expect(await sim.jobs.edit(id, {})).toMatchObject({ priority: -3 })
    })

    it('wakes a worker when the job is due now', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([note.handle(handler)], { poll: '1d' })
      const { id } = await sim.jobs.enqueue(note, 'a', { delay: '5d' })
      await sim.clock.settle()
      await sim.jobs.edit(id, { delay: 0, payload: 'b' })
      await sim.clock.settle()
      expect(runs[0]?.payload).toBe('b')
    })

    it('is refused unless the job waits, and for values that are not as they should be', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      const held = await sim.jobs.lease()
      await expect(sim.jobs.edit(id, { priority: 1 })).rejects.toThrow(StateError)
      await held?.fail('no')
      await expect(sim.jobs.edit(id, { maxAttempts: 1 })).rejects.toThrow('more than the 1 attempts')
      await expect(sim.jobs.edit(id, { payload: 1n })).rejects.toThrow('payload cannot be stored')
      await expect(sim.jobs.edit(id, { prioritty: 1 } as object)).rejects.toThrow('Did you mean "priority"?')
      await expect(sim.jobs.edit(id, { delay: 1, runAt: 1 })).rejects.toThrow('got both')
      await expect(sim.jobs.edit('nobody', { priority: 1 })).rejects.toThrow('There is no job nobody.')
      await expect(sim.jobs.edit(7 as never, {})).rejects.toThrow(UsageError)
    })
  })

  describe('delete', () => {
    it('removes a job and says whether there was one', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a', { unique: 'k' })
      expect(await sim.jobs.delete(id)).toBe(true)
      expect(await sim.jobs.delete(id)).toBe(false)
      expect(await sim.jobs.get(id)).toBeUndefined()
      expect((await sim.jobs.enqueue(note, 'b', { unique: 'k' })).outcome).toBe('added')
    })

    it('is refused while the job runs', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      await sim.jobs.lease()
      await expect(sim.jobs.delete(id)).rejects.toThrow(`Job ${id} is running; cancel it first, or wait for its end.`)
    })
  })

  describe('prune', () => {
    it('forgets what is due to be forgotten', async () => {
      await using sim = await simulate(source)
      const ids = await sim.jobs.enqueueMany(Array.from({ length: 1_100 }, (_, n) => note.with(`${n}`)))
      for (const { id } of ids.slice(0, 1_050)) await sim.jobs.cancel(id)
      expect(await sim.jobs.prune()).toBe(0)
      await sim.clock.advance('2h')
      expect(await sim.jobs.prune()).toBe(1_050)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ pending: 50, cancelled: 0 })
    })

    it('forgets before their time those that match', async () => {
      await using sim = await simulate(source)
      const other = task<string>({ name: 'other', queue: 'q' })
      const ids = await sim.jobs.enqueueMany([
        note.with('a'),
        note.with('b'),
        other.with('c'),
        other.with('d'),
        note.with('e'),
      ])
      for (const { id } of ids.slice(0, 3)) await sim.jobs.cancel(id)
      await (await sim.jobs.lease({ tasks: [other] }))?.complete()
      await sim.clock.advance('1h')
      expect(await sim.jobs.prune({ olderThan: '61m' })).toBe(0)
      expect(await sim.jobs.prune({ state: 'completed', task: 'note' })).toBe(0)
      expect(await sim.jobs.prune({ queue: 'q', state: 'cancelled' })).toBe(1)
      expect(await sim.jobs.prune({ olderThan: '1h', task: 'note' })).toBe(2)
      expect(await sim.jobs.prune({})).toBe(1)
      expect((await sim.jobs.list()).map(({ payload }) => payload)).toEqual(['e'])
      await expect(sim.jobs.prune({ state: 'pending' as 'failed' })).rejects.toThrow('Expected `state`')
      await expect(sim.jobs.prune({ older: 1 } as object)).rejects.toThrow('Unknown option "older"')
    })

    it('goes through many pages of those that match, skipping what is too young', async () => {
      await using sim = await simulate(source)
      const old = await sim.jobs.enqueueMany(Array.from({ length: 700 }, (_, n) => note.with(`${n}`)))
      for (const { id } of old) await sim.jobs.cancel(id)
      await sim.clock.advance('1h')
      const young = await sim.jobs.enqueueMany(Array.from({ length: 700 }, (_, n) => note.with(`${n}`)))
      for (const { id } of young) await sim.jobs.cancel(id)
      expect(await sim.jobs.prune({ olderThan: '30m' })).toBe(700)
      expect((await sim.jobs.stats())[0]?.counts).toMatchObject({ cancelled: 700 })
    })
  })

  describe('a job that others change in between', () => {
    it('is decided on again, as it is by then', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      let first = true
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'get' && first) {
          first = false
          await sim.store.claim({ tasks: undefined, limit: 1, lease: 'x', until: T + day, now: T, settle: [] })
        }
        return answer
      })
      expect(await sim.jobs.cancel(id)).toBe('requested')
      expect(await sim.row(id)).toMatchObject({ state: 'running', lease: 'x', cancel: 'cancelled' })
    })

    it('ends in a retryable error when it never rests', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'a')
      sim.interfere(async ({ verb }, next) => {
        if (verb === 'apply') {
          const before = await sim.row(id)
          await sim.store.apply([{ before, after: { ...before, rev: before.rev + 1 } }], T)
        }
        return await next()
      })
      const cancelled = sim.jobs.cancel(id)
      await expect(cancelled).rejects.toThrow(StoreError)
      await expect(cancelled).rejects.toMatchObject({ retryable: true })
      expect(sim.count('apply')).toBeLessThan(100)
    })
  })

  describe('queues', () => {
    it('are paused and resumed for every worker', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      sim.jobs.work([note.handle(handler)], { poll: '1d' })
      const other = await sim.another()
      other.work([note.handle(handler)], { poll: '1d' })
      await sim.jobs.pause('default')
      await sim.jobs.enqueue(note, 'a')
      await sim.clock.advance('1h')
      expect(runs).toEqual([])
      expect(await sim.jobs.stats()).toMatchObject([{ queue: 'default', paused: true }])
      await other.resume('default')
      await sim.clock.settle()
      expect(runs).toHaveLength(1)
    })

    it('have a concurrency of their own over all workers, and a priority', async () => {
      await using sim = await simulate(source)
      const { runs, handler } = byHand<string>()
      await sim.jobs.configure('narrow', { concurrency: 2 })
      await sim.jobs.configure('first', { priority: -1 })
      await sim.jobs.enqueueMany([
        ...Array.from({ length: 5 }, (_, n) => note.with(`narrow ${n}`, { queue: 'narrow' })),
        note.with('first', { queue: 'first' }),
      ])
      const work = note.handle(handler)
      sim.jobs.work([work], { concurrency: 3, poll: '1d' })
      const other = await sim.another()
      other.work([work], { concurrency: 3, poll: '1d' })
      await sim.clock.advance('1s')
      expect(runs.map(({ payload }) => payload)).toEqual(['first', 'narrow 0', 'narrow 1'])
      runs[1]?.end()
      await sim.clock.settle()
      expect(runs.map(({ payload }) => payload)).toEqual(['first', 'narrow 0', 'narrow 1', 'narrow 2'])
      await sim.jobs.configure('narrow', { concurrency: null })
      await sim.clock.settle()
      expect(runs).toHaveLength(6)
    })

    it('refuse settings that are not as they should be', async () => {
      await using sim = await simulate(source)
      await expect(sim.jobs.configure('q', { concurrency: -1 })).rejects.toThrow('Expected `concurrency`')
      await expect(sim.jobs.configure('q', { priority: 0.5 })).rejects.toThrow('Expected `priority`')
      await expect(sim.jobs.configure('q', { pause: true } as object)).rejects.toThrow('Unknown option "pause"')
      await expect(sim.jobs.pause('a\n')).rejects.toThrow('Expected `queue`')
    })
  })

  describe('list', () => {
    it('narrows by every filter, in pages, either way round', async () => {
      await using sim = await simulate(source)
      const other = task<number>({ name: 'other', queue: 'q' })
      for (let n = 0; n < 5; n++) {
        await sim.jobs.enqueueMany([note.with(`${n}`, { unique: `k${n}` }), other.with(n)])
        await sim.clock.advance('1s')
      }
      const payloads = async (filter: object): Promise<unknown[]> =>
        (await sim.jobs.list(filter)).map(({ payload }) => payload)
      expect(await payloads({ task: 'other' })).toEqual([4, 3, 2, 1, 0])
      expect(await payloads({ queue: 'q', order: 'oldest', limit: 2 })).toEqual([0, 1])
      expect(await payloads({ createdFrom: T + 1_000, createdUntil: T + 3_000, task: 'note' })).toEqual(['2', '1'])
      expect(await payloads({ uniqueKey: 'k3' })).toEqual(['3'])
      expect(await payloads({ state: 'running' })).toEqual([])
      const all: unknown[] = []
      for (let after: string | undefined; ;) {
        const page = await sim.jobs.list({ limit: 3, ...(after === undefined ? {} : { after }) })
        all.push(...page.map(({ payload }) => payload))
        after = page.at(-1)?.id
        if (page.length < 3) break
      }
      expect(all).toEqual([4, '4', 3, '3', 2, '2', 1, '1', 0, '0'])
      await expect(sim.jobs.list({ limit: 1_001 })).rejects.toThrow('Expected `limit`')
      await expect(sim.jobs.list({ stat: 'failed' } as object)).rejects.toThrow('Did you mean "state"?')
    })
  })
})
