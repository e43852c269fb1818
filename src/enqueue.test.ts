import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { byHand, simulate, type Simulation, sources, T } from '../test/simulation.ts'
import { ConflictError, PayloadError, StoreError, UsageError } from './core/errors.ts'
import type { OnConflict } from './core/dedupe.ts'
import { prepare, store } from './enqueue.ts'
import { makeIds } from './core/id.ts'
import type { Batch, BatchResult } from './store.ts'
import { task } from './task.ts'

const note = task<string>({ name: 'note' })
const other = task<string>({ name: 'other', queue: 'elsewhere' })

const unique = (key: string, onConflict: OnConflict = 'keep', until: 'claimed' | 'settled' | '1h' = 'claimed') => ({
  unique: { key, onConflict, until },
})

/** The payloads that wait, the oldest job first. */
async function waiting(sim: Simulation): Promise<readonly unknown[]> {
  return (await sim.jobs.list({ state: 'pending', order: 'oldest', limit: 1_000 })).map(({ payload }) => payload)
}

describe.each(sources)('enqueue on the %s store', (source) => {
  it('stores what was asked for, and says its id', async () => {
    await using sim = await simulate(source)
    const { id, outcome } = await sim.jobs.enqueue(note, 'a')
    expect(outcome).toBe('added')
    expect(await sim.row(id)).toEqual({
      id,
      task: 'note',
      queue: 'default',
      state: 'pending',
      priority: 0,
      runAt: T,
      payload: '"a"',
      attempt: 0,
      maxAttempts: 5,
      rev: 0,
      lease: undefined,
      leaseUntil: undefined,
      createdAt: T,
      startedAt: undefined,
      finishedAt: undefined,
      forgetAt: undefined,
      unique: undefined,
      concurrencyKey: undefined,
      cancel: undefined,
      failures: [],
      result: undefined,
      parent: undefined,
      policy: undefined,
    })
    expect(sim.of('enqueued')).toEqual([{ type: 'enqueued', id, task: 'note', queue: 'default', outcome: 'added' }])
  })

  it("takes what the job asks for in place of the task's own", async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'a', {
      delay: '15m',
      priority: -7,
      queue: '',
      maxAttempts: 9,
      backoff: '3s',
      timeout: '1m',
      retention: { completed: false },
      unique: 'k',
      concurrencyKey: 'c',
    })
    expect(await sim.row(id)).toMatchObject({
      runAt: T + 900_000,
      priority: -7,
      queue: '',
      maxAttempts: 9,
      unique: { key: 'k', until: 'claimed', held: true },
      concurrencyKey: 'c',
      policy: {
        backoff: { type: 'fixed', delayMs: 3_000, maxMs: 3_000, jitter: 0 },
        timeoutMs: 60_000,
        retention: { completed: 0, failed: 7 * 86_400_000, cancelled: 86_400_000, payload: 'all' },
      },
    })
  })

  it("takes the task's policy where the job asks for nothing", async () => {
    await using sim = await simulate(source)
    const own = task<{ n: number }>({
      name: 'own',
      queue: 'q',
      priority: 3,
      maxAttempts: 2,
      unique: ({ n }) => (n === 0 ? undefined : { key: `n${n}`, until: '1h' }),
      concurrencyKey: ({ n }) => `c${n}`,
    })
    const [zero, one] = await sim.jobs.enqueueMany([own.with({ n: 0 }), own.with({ n: 1 })])
    expect(await sim.row(zero!.id)).toMatchObject({ queue: 'q', priority: 3, maxAttempts: 2, unique: undefined })
    expect(await sim.row(one!.id)).toMatchObject({
      unique: { key: 'n1', until: T + 3_600_000, held: true },
      concurrencyKey: 'c1',
    })
  })

  it('runs a job of the past before those of now', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueueMany([note.with('now'), note.with('past', { runAt: new Date(T - 1) })])
    expect((await sim.jobs.lease())?.payload).toBe('past')
  })

  it('adds many of any tasks and queues in one transaction, in order', async () => {
    await using sim = await simulate(source)
    sim.calls.length = 0
    const enqueued = await sim.jobs.enqueueMany([note.with('a'), other.with('b', { delay: '1h' }), note.with('c')])
    expect(sim.count('insert')).toBe(1)
    const rows = await Promise.all(enqueued.map(({ id }) => sim.row(id)))
    expect(rows.map(({ task: name, queue, payload }) => [name, queue, payload])).toEqual([
      ['note', 'default', '"a"'],
      ['other', 'elsewhere', '"b"'],
      ['note', 'default', '"c"'],
    ])
    expect(enqueued.map(({ id }) => id)).toEqual(enqueued.map(({ id }) => id).toSorted())
    expect(await sim.jobs.enqueueMany([])).toEqual([])
  })

  it('adds none of many when one is not as it should be', async () => {
    await using sim = await simulate(source)
    const checked = task({ name: 'checked', payload: z.string() })
    await expect(sim.jobs.enqueueMany([note.with('a'), checked.with(7 as never)])).rejects.toThrow(PayloadError)
    expect(await waiting(sim)).toEqual([])
  })

  it('shares one trip among calls of one turn, each with its own answer', async () => {
    await using sim = await simulate(source)
    sim.calls.length = 0
    const enqueued = await Promise.all(
      Array.from({ length: 100 }, (_, n) => sim.jobs.enqueue(note, `${n}`, n % 10 === 0 ? unique('k') : {})),
    )
    expect(sim.count('insert')).toBe(1)
    expect(enqueued.filter(({ outcome }) => outcome === 'added')).toHaveLength(91)
    expect(new Set(enqueued.map(({ id }) => id)).size).toBe(91)
    expect(await waiting(sim)).toHaveLength(91)
  })

  it('shares trips also while the store is busy', async () => {
    await using sim = await simulate(source)
    const answered = Promise.withResolvers<void>()
    sim.interfere(async (_, next) => {
      await answered.promise
      return await next()
    })
    sim.calls.length = 0
    const enqueued: Promise<unknown>[] = []
    for (let n = 0; n < 100; n++) {
      enqueued.push(sim.jobs.enqueue(note, `${n}`))
      await sim.clock.settle()
    }
    answered.resolve()
    await Promise.all(enqueued)
    expect(sim.count('insert')).toBe(2)
    expect(await waiting(sim)).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`))
  })

  it('fails only those whose key was refused, of the calls that share a trip', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'holder', unique('k'))
    const settled = await Promise.allSettled([
      sim.jobs.enqueue(note, 'a'),
      sim.jobs.enqueue(note, 'b', unique('k', 'reject')),
      sim.jobs.enqueue(note, 'c'),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await waiting(sim)).toEqual(['holder', 'a', 'c'])
  })

  it('fails with a retryable StoreError when the store is away, and can be tried again', async () => {
    await using sim = await simulate(source)
    sim.interfere(() => {
      throw new StoreError('away', { retryable: true })
    })
    await expect(sim.jobs.enqueue(note, 'a')).rejects.toMatchObject({ code: 'store', retryable: true })
    sim.interfere()
    await sim.jobs.enqueue(note, 'a')
    expect(await waiting(sim)).toEqual(['a'])
    expect(sim.of('enqueued')).toHaveLength(1)
  })
})

describe('enqueue refuses', () => {
  it.each([
    [{ delay: '1s', runAt: T }, 'Expected `delay` or `runAt`, got both'],
    [{ delay: -1 }, 'Expected `delay` to be a duration'],
    [{ runAt: new Date(Number.NaN) }, 'Expected `runAt` to be a Date'],
    [{ priority: 40_000 }, 'Expected `priority` to be a whole number from -32768 to 32767'],
    [{ priority: 1.5 }, 'got 1.5 (number)'],
    [{ maxAttempts: 0 }, 'Expected `maxAttempts` to be a whole number from 1 to 10000'],
    [{ queue: 'a\u0000b' }, 'Expected `queue` to be text'],
    [{ unique: '' }, 'Expected `unique` to be text of 1 to 255'],
    [
      { unique: { key: 'k', onConflict: 'ignore' } },
      "Expected `unique.onConflict` to be 'keep', 'replace' or 'reject'",
    ],
    [{ unique: { key: 'k', until: 'ever' } }, 'Expected `unique.until` to be a duration'],
    [{ concurrencyKey: '' }, 'Expected `concurrencyKey` to be text'],
    [{ backoff: () => 1 }, 'a function cannot be stored with it'],
    [{ timeout: 0 }, 'Expected `timeout` to be a duration like'],
    [{ retention: { complete: '1h' } }, 'Did you mean "completed"?'],
    [{ dely: '1s' }, 'Unknown option "dely" in the enqueue of "note". Did you mean "delay"?'],
    [null, 'to be an object, got null'],
  ])('%j', async (options, message) => {
    await using sim = await simulate()
    await expect(sim.jobs.enqueueMany([note.with('a', options as object)])).rejects.toThrow(message)
    expect(sim.count('insert')).toBe(0)
  })

  it.each([
    ['a function', () => 1],
    ['a bigint', { a: [1n] }],
    ['NaN', Number.NaN],
    ['a Map', { a: new Map() }],
    ['bytes inside', { a: new Uint8Array(1) }],
    ['2 MB', 'x'.repeat(2 ** 21)],
  ])('%s as a payload', async (_, payload) => {
    await using sim = await simulate()
    await expect(sim.jobs.enqueue(task<unknown>({ name: 'any' }), payload)).rejects.toThrow(PayloadError)
    expect(sim.count('insert')).toBe(0)
  })

  it('by rejecting, not by throwing at once, what is no task or no entry', async () => {
    await using sim = await simulate()
    await expect(sim.jobs.enqueue('note' as never)).rejects.toThrow(
      'Expected a task made by task(…), got "note" (string)',
    )
    await expect(sim.jobs.enqueueMany('note' as never)).rejects.toThrow('Expected an array of entries')
    await expect(sim.jobs.enqueueMany([undefined as never])).rejects.toThrow(UsageError)
  })

  it('a payload that the schema refuses, naming the place', async () => {
    await using sim = await simulate()
    const mail = task({ name: 'mail', payload: z.object({ to: z.array(z.object({ address: z.email() })) }) })
    await expect(sim.jobs.enqueue(mail, { to: [{ address: 'nowhere' }] })).rejects.toMatchObject({
      name: 'PayloadError',
      message: 'The payload is not one of task "mail": to.0.address: Invalid email address',
      issues: [{ path: 'to.0.address', message: 'Invalid email address' }],
    })
  })

  it('nothing that a schema with an asynchronous check allows', async () => {
    await using sim = await simulate()
    const slow = task({
      name: 'slow',
      payload: z.string().refine(async (text) => await Promise.resolve(text === 'ok')),
    })
    await expect(sim.jobs.enqueueMany([slow.with('ok'), slow.with('no')])).rejects.toThrow(PayloadError)
    await sim.jobs.enqueueMany([slow.with('ok'), note.with('x'), slow.with('ok')])
    expect(await waiting(sim)).toEqual(['ok', 'x', 'ok'])
  })

  it('a transaction on a store that has none, before anything else', async () => {
    await using sim = await simulate('memory')
    using db = new DatabaseSync(':memory:')
    expect(() => sim.jobs.enqueue(note, 'a', { tx: db })).toThrow('The memory store has no "transaction"')
    const tx = { query: () => undefined }
    await expect(sim.jobs.enqueue(note, 'a', { tx })).rejects.toThrow('The memory store has no "transaction"')
    expect(sim.count('insert')).toBe(0)
  })
})

describe.each(sources)('a unique key on the %s store', (source) => {
  describe('held by a job that waits', () => {
    it.each([
      ['keep', { outcome: 'kept', payload: 'old' }],
      ['replace', { outcome: 'replaced', payload: 'new' }],
    ] as const)('is met with %s', async (onConflict, expected) => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', { ...unique('k'), delay: '1h', priority: 1, maxAttempts: 2 })
      const enqueued = await sim.jobs.enqueue(note, 'new', { ...unique('k', onConflict), delay: '2h', priority: 3 })
      expect(enqueued).toEqual({ id, outcome: expected.outcome })
      expect(await waiting(sim)).toEqual([expected.payload])
      const replaced = onConflict === 'replace'
      expect(await sim.row(id)).toMatchObject({
        runAt: T + (replaced ? 7_200_000 : 3_600_000),
        priority: replaced ? 3 : 1,
        maxAttempts: replaced ? 5 : 2,
        createdAt: T,
        rev: replaced ? 1 : 0,
      })
      expect(sim.of('enqueued').map(({ outcome }) => outcome)).toEqual(['added', expected.outcome])
    })

    it('is met with reject by adding nothing, and naming the holder', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', unique('k'))
      const refused = sim.jobs.enqueueMany([note.with('a'), note.with('new', unique('k', 'reject')), note.with('b')])
      await expect(refused).rejects.toThrow(ConflictError)
      await expect(refused).rejects.toMatchObject({ key: 'k', id, code: 'conflict' })
      expect(await waiting(sim)).toEqual(['old'])
    })
  })

  it.each([
    ['claimed', 'keep', 'added'],
    ['claimed', 'replace', 'added'],
    ['claimed', 'reject', 'added'],
    ['settled', 'keep', 'kept'],
    ['settled', 'replace', 'kept'],
    ['1h', 'replace', 'kept'],
  ] as const)('held until %s, met with %s while its job runs, is %s', async (until, onConflict, outcome) => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'old', unique('k', 'keep', until))
    expect((await sim.jobs.lease())?.id).toBe(id)
    const enqueued = await sim.jobs.enqueue(note, 'new', unique('k', onConflict, until))
    expect(enqueued.outcome).toBe(outcome)
    expect(enqueued.id === id).toBe(outcome === 'kept')
  })

  it.each([
    ['settled', 'reject', 'ConflictError'],
    ['1h', 'reject', 'ConflictError'],
  ] as const)('held until %s, met with %s while its job runs, is a %s', async (until, onConflict, name) => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'old', unique('k', 'keep', until))
    await sim.jobs.lease()
    await expect(sim.jobs.enqueue(note, 'new', unique('k', onConflict, until))).rejects.toMatchObject({ name })
  })

  it.each([
    ['settled', 'added'],
    ['1h', 'kept'],
  ] as const)('held until %s, met after its job has completed, is %s', async (until, outcome) => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'old', unique('k', 'keep', until))
    await (await sim.jobs.lease())?.complete()
    expect((await sim.jobs.enqueue(note, 'new', unique('k', 'replace', until))).outcome).toBe(outcome)
  })

  it('held for a window is free when the window has passed, whatever became of its job', async () => {
    await using sim = await simulate(source)
    await sim.jobs.enqueue(note, 'old', unique('k', 'keep', '1h'))
    await sim.clock.advance(3_599_999)
    expect((await sim.jobs.enqueue(note, 'new', unique('k', 'keep', '1h'))).outcome).toBe('kept')
    await sim.clock.advance(1)
    expect((await sim.jobs.enqueue(note, 'new', unique('k', 'keep', '1h'))).outcome).toBe('added')
    expect(await sim.jobs.enqueue(note, 'newer', unique('k', 'reject', '1h')).catch((error: Error) => error.name)).toBe(
      'ConflictError',
    )
    expect(await waiting(sim)).toEqual(['old', 'new'])
  })

  it('is one of its queue only, and of all the tasks in it', async () => {
    await using sim = await simulate(source)
    expect((await sim.jobs.enqueue(note, 'a', unique('k'))).outcome).toBe('added')
    expect((await sim.jobs.enqueue(other, 'b', unique('k'))).outcome).toBe('added')
    expect((await sim.jobs.enqueue(other, 'c', { ...unique('k'), queue: 'default' })).outcome).toBe('kept')
  })

  it('is taken back by a job that waits again, unless another has it', async () => {
    await using sim = await simulate(source)
    const { id } = await sim.jobs.enqueue(note, 'old', unique('k'))
    await (await sim.jobs.lease())?.fail(new Error('no'))
    expect((await sim.jobs.enqueue(note, 'new', unique('k'))).id).toBe(id)
    await sim.clock.advance('10s')
    const held = await sim.jobs.lease()
    const { id: successor } = await sim.jobs.enqueue(note, 'new', unique('k'))
    await held?.fail(new Error('no'))
    expect(await sim.row(id)).toMatchObject({ state: 'pending', unique: { key: 'k', held: false } })
    expect((await sim.jobs.enqueue(note, 'newer', unique('k'))).id).toBe(successor)
  })

  describe('inside one enqueueMany', () => {
    const all = ['keep', 'replace', 'reject'] as const
    const pairs = all.flatMap((first) => all.map((second) => [first, second] as const))

    it.each(pairs)('%s then %s, none stored', async (first, second) => {
      await using sim = await simulate(source)
      const enqueued = sim.jobs.enqueueMany([note.with('a', unique('k', first)), note.with('b', unique('k', second))])
      if (second === 'reject') {
        await expect(enqueued).rejects.toThrow(ConflictError)
        expect(await waiting(sim)).toEqual([])
        return
      }
      const [one, two] = await enqueued
      expect(one?.outcome).toBe('added')
      expect(two).toEqual({ id: one?.id, outcome: second === 'keep' ? 'kept' : 'replaced' })
      expect(await waiting(sim)).toEqual([second === 'keep' ? 'a' : 'b'])
    })

    it.each(pairs)('%s then %s, one stored that waits', async (first, second) => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', unique('k'))
      const enqueued = sim.jobs.enqueueMany([
        note.with('a', unique('k', first)),
        note.with('x'),
        note.with('b', unique('k', second)),
      ])
      if (first === 'reject' || second === 'reject') {
        await expect(enqueued).rejects.toMatchObject({ name: 'ConflictError', id })
        expect(await waiting(sim)).toEqual(['old'])
        return
      }
      const outcomes = (await enqueued).map((one) => (one.id === id ? one.outcome : `own ${one.outcome}`))
      const came = { keep: 'kept', replace: 'replaced' }
      expect(outcomes).toEqual([came[first], 'own added', came[second]])
      expect(await waiting(sim)).toEqual([second === 'replace' ? 'b' : first === 'replace' ? 'a' : 'old', 'x'])
    })

    it.each(pairs)('%s then %s, one stored that runs and holds until settled', async (first, second) => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', unique('k', 'keep', 'settled'))
      await sim.jobs.lease()
      const enqueued = sim.jobs.enqueueMany([
        note.with('a', unique('k', first, 'settled')),
        note.with('b', unique('k', second, 'settled')),
      ])
      if (first === 'reject' || second === 'reject') {
        await expect(enqueued).rejects.toMatchObject({ name: 'ConflictError', id })
      } else {
        expect(await enqueued).toEqual([
          { id, outcome: 'kept' },
          { id, outcome: 'kept' },
        ])
      }
      expect(await waiting(sim)).toEqual([])
    })

    it('replaces again and again: the last one stays', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', unique('k'))
      const entries = Array.from({ length: 50 }, (_, n) => note.with(`${n}`, unique('k', 'replace')))
      expect(await sim.jobs.enqueueMany(entries)).toEqual(entries.map(() => ({ id, outcome: 'replaced' })))
      expect(await waiting(sim)).toEqual(['49'])
    })

    it('replaces many holders with few trips', async () => {
      await using sim = await simulate(source)
      const entries = (text: string) =>
        Array.from({ length: 300 }, (_, n) => note.with(`${text} ${n}`, unique(`k${n}`, 'replace')))
      const added = await sim.jobs.enqueueMany(entries('old'))
      sim.calls.length = 0
      const replaced = await sim.jobs.enqueueMany(entries('new'))
      expect(replaced).toEqual(added.map(({ id }) => ({ id, outcome: 'replaced' })))
      expect(await waiting(sim)).toEqual(Array.from({ length: 300 }, (_, n) => `new ${n}`))
      expect(sim.count('insert')).toBeLessThan(5)
    })

    it('minds each queue for itself', async () => {
      await using sim = await simulate(source)
      const outcomes = await sim.jobs.enqueueMany([
        note.with('a', unique('k', 'replace')),
        other.with('b', unique('k', 'replace')),
        note.with('c', unique('k', 'replace')),
      ])
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['added', 'added', 'replaced'])
      expect(await waiting(sim)).toEqual(['c', 'b'])
    })
  })

  describe('whose holder changes between look and write', () => {
    it('is replaced as it is by then', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', { ...unique('k'), priority: 5 })
      let edits = 3
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'insert' && edits-- > 0) {
          const before = await sim.row(id)
          await sim.store.apply([{ before, after: { ...before, priority: 6, rev: before.rev + 1 } }], T)
        }
        return answer
      })
      expect(await sim.jobs.enqueue(note, 'new', unique('k', 'replace'))).toEqual({ id, outcome: 'replaced' })
      expect(await sim.row(id)).toMatchObject({ payload: '"new"', priority: 0, state: 'pending' })
    })

    it('is kept when it was taken by then, and free when it is gone', async () => {
      for (const until of ['settled', 'claimed'] as const) {
        await using sim = await simulate(source)
        const { id } = await sim.jobs.enqueue(note, 'old', unique('k', 'keep', until))
        let first = true
        sim.interfere(async ({ verb }, next) => {
          const answer = await next()
          if (verb === 'insert' && first) {
            first = false
            const before = await sim.row(id)
            await sim.store.claim({ tasks: undefined, limit: 1, lease: 'x', until: T + 1, now: T, settle: [] })
            expect((await sim.row(id)).rev).toBe(before.rev + 1)
          }
          return answer
        })
        const enqueued = await sim.jobs.enqueue(note, 'new', unique('k', 'replace', until))
        expect(enqueued.outcome).toBe(until === 'settled' ? 'kept' : 'added')
        expect(await waiting(sim)).toEqual(until === 'settled' ? [] : ['new'])
      }
    })

    it('ends with a retryable error, and nothing added, when it never rests', async () => {
      await using sim = await simulate(source)
      const { id } = await sim.jobs.enqueue(note, 'old', unique('k'))
      sim.interfere(async ({ verb }, next) => {
        const answer = await next()
        if (verb === 'insert') {
          const before = await sim.row(id)
          await sim.store.apply([{ before, after: { ...before, rev: before.rev + 1 } }], T)
        }
        return answer
      })
      sim.calls.length = 0
      const refused = sim.jobs.enqueueMany([note.with('a'), note.with('new', unique('k', 'replace'))])
      await expect(refused).rejects.toMatchObject({ name: 'StoreError', retryable: true })
      expect(sim.count('insert')).toBeLessThan(150)
      sim.interfere()
      expect(await waiting(sim)).toEqual(['old'])
    })
  })

  it('has one holder however many ask at once', async () => {
    await using sim = await simulate(source)
    const programs = [sim.jobs, await sim.another(), await sim.another()]
    const enqueued = await Promise.all([
      ...Array.from({ length: 200 }, (_, n) => sim.jobs.enqueue(note, `${n}`, unique('k', 'replace'))),
      ...programs.map((jobs) => jobs.enqueue(note, 'other', unique('k', 'replace'))),
    ])
    expect(enqueued.filter(({ outcome }) => outcome === 'added')).toHaveLength(1)
    expect(new Set(enqueued.map(({ id }) => id)).size).toBe(1)
    expect(await waiting(sim)).toHaveLength(1)
  })

  it('lets no news be missed: what is enqueued while its job runs, runs after it', async () => {
    await using sim = await simulate(source)
    const { runs, handler } = byHand<string>()
    sim.jobs.work([note.handle(handler)], { concurrency: 1 })
    await sim.jobs.enqueue(note, 'first', unique('k'))
    await sim.clock.settle()
    await sim.jobs.enqueue(note, 'second', unique('k'))
    await sim.jobs.enqueue(note, 'third', unique('k'))
    await sim.clock.advance('1s')
    runs[0]?.end()
    await sim.clock.settle()
    runs[1]?.end()
    await sim.clock.settle()
    expect(runs.map(({ payload }) => payload)).toEqual(['first', 'second'])
  })
})

describe('a format of another queue', () => {
  it('gives ids of its own, told also where a unique key was met, by another job or one of the same call', async () => {
    const ids = makeIds(() => 0)
    const prepared = await Promise.all(
      ['a', 'a', 'b'].map(async (key) => await prepare(note.with('x', unique(key)), ids, T, undefined)),
    )
    const [first, , third] = prepared.map(({ job }) => job)
    const insert = ({ jobs }: Batch): BatchResult => {
      expect(jobs.map(({ job }) => job.id)).toEqual(prepared.map(({ job }) => job.id))
      return { ok: true, holders: [undefined, first, { ...third!, id: '3' }], ids: ['8', '8', '3'] }
    }
    expect(await store(prepared, insert)).toEqual([
      { id: '8', outcome: 'added' },
      { id: '8', outcome: 'kept' },
      { id: '3', outcome: 'kept' },
    ])
  })

  it('may hold a key for all queues: a job of another queue is not replaced', () => {
    const prepared = prepare(
      note.with('x', unique('k', 'replace')),
      makeIds(() => 0),
      T,
      undefined,
    )
    if (prepared instanceof Promise) throw new TypeError('Nothing here takes time')
    const holder = { ...prepared.job, id: '3', queue: 'elsewhere' }
    expect(() => store([prepared], () => ({ ok: false, holders: [holder] }))).toThrow(ConflictError)
  })
})
