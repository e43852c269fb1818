import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { describe, expect, it, onTestFinished } from 'vitest'

import {
  type AsyncTransaction,
  LeaseLostError,
  PayloadError,
  StoreError,
  type StoreTransaction,
  task,
  UnsupportedError,
  UsageError,
} from '../src/index.ts'
import type { OwnTransaction } from '../src/store.ts'
import type { StandardSchema } from '../src/standard-schema.ts'
import { contract, hold } from '../src/testing/contract/index.ts'
import { type AroundCommit, connectionStore } from './connection-store.ts'
import { byHand, simulate, type Simulation, T } from './simulation.ts'

const pay = task<number>({ name: 'pay', backoff: '1s', maxAttempts: 3 })
const thank = task<string>({ name: 'thank' })

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jobferry-connection-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'jobs.db')
}

interface Bank extends AsyncDisposable {
  readonly sim: Simulation
  /** What has been paid, as others see it. */
  paid(): readonly unknown[]
  /** From now on commits go through this. */
  around(commit: AroundCommit | undefined): void
  begin(): Promise<OwnTransaction<AsyncTransaction>>
}

async function openBank(): Promise<Bank> {
  const file = newFile()
  let around: AroundCommit | undefined
  const store = connectionStore(file, () => around)
  const sim = await simulate('memory', store)
  const db = new DatabaseSync(file)
  db.exec('create table payment (n integer)')
  return {
    sim,
    paid: () =>
      db
        .prepare('select n from payment order by n')
        .all()
        .map(({ n }) => n),
    around: (commit) => void (around = commit),
    begin: async () => await store.begin!(),
    [Symbol.asyncDispose]: async () => {
      db.close()
      await sim[Symbol.asyncDispose]()
    },
  }
}

async function record(tx: StoreTransaction, n: number): Promise<void> {
  await tx.query('insert into payment values (?)', [n])
}

describe('a store that begins transactions', () => {
  for (const one of contract.filter(({ needs }) => needs?.includes('connection') === true))
    it(one.promise, async () => {
      const file = newFile()
      await hold(one, () => ({ store: connectionStore(file), another: () => connectionStore(file) }))
    })
})

describe('job.transaction', () => {
  it('keeps the effects, the end and the result with one commit, whatever the handler returns after it', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { id } = await sim.jobs.enqueue(pay, 7)
    sim.jobs.work([
      pay.handle(async (n, job) => {
        const result = await job.transaction(async (tx) => {
          await record(tx, n)
          expect(bank.paid()).toEqual([])
          return { paid: n }
        })
        expect(result).toEqual({ paid: 7 })
        expect(await sim.jobs.get(id)).toMatchObject({ state: 'completed', result: { paid: 7 } })
        return 'something else'
      }),
    ])
    await sim.clock.settle()
    expect(await sim.jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, result: { paid: 7 }, failures: [] })
    expect(bank.paid()).toEqual([7])
    expect([sim.of('completed').length, sim.of('lost').length]).toEqual([1, 0])
  })

  it('rolls back and throws the same when its function throws, and the attempt counts as failed', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle((n, job) =>
        job.transaction(async (tx) => {
          await record(tx, n * 10 + job.attempt)
          if (job.attempt === 1) throw new Error('card refused')
        }),
      ),
    ])
    await sim.clock.advance('1m')
    expect(bank.paid()).toEqual([12])
    expect(await sim.row(id)).toMatchObject({
      state: 'completed',
      attempt: 2,
      failures: [{ message: 'card refused' }],
    })
  })

  it('leaves a handler in peace that goes on after it, for longer than the lease', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { runs, handler } = byHand<number>()
    await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (n, job) => {
        await job.transaction((tx) => record(tx, n))
        await handler(n, job)
      }),
    ])
    await sim.clock.advance('5m')
    expect(runs[0]!.job.signal.aborted).toBe(false)
    runs[0]!.end()
    await sim.clock.settle()
    expect([sim.of('completed').length, sim.of('lost').length]).toEqual([1, 0])
  })

  it('lets a handler go on that has caught what was thrown: its own end then counts', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (n, job) => {
        const failing = job.transaction(async (tx) => {
          await record(tx, n)
          throw new Error('card refused')
        })
        return await failing.catch(() => 'not paid')
      }),
    ])
    await sim.clock.settle()
    expect(bank.paid()).toEqual([])
    expect(await sim.jobs.get(id)).toMatchObject({ state: 'completed', attempt: 1, result: 'not paid' })
  })

  it('goes on over renewals and a cancellation: a success beats it', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const gate = Promise.withResolvers<void>()
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle((n, job) =>
        job.transaction(async (tx) => {
          await gate.promise
          await record(tx, n)
        }),
      ),
    ])
    await sim.clock.advance('2m')
    await sim.jobs.cancel(id)
    await sim.clock.settle()
    gate.resolve()
    await sim.clock.settle()
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(bank.paid()).toEqual([1])
    expect(sim.of('lost')).toEqual([])
  })

  it.each(['which knows it', 'which does not know it yet'])(
    'commits nothing of a run whose lease is lost, %s',
    async (how) => {
      await using bank = await openBank()
      const { sim } = bank
      const gate = Promise.withResolvers<void>()
      const thrown: unknown[] = []
      await sim.jobs.enqueue(pay, 1)
      const handler = pay.handle(async (n, job) => {
        const inside = job.transaction(async (tx) => {
          if (job.attempt === 1) await gate.promise
          await record(tx, n * 10 + job.attempt)
        })
        await inside.catch((error: unknown) => thrown.push(error))
      })
      sim.interfere(({ verb }, next) => (verb === 'renew' ? Promise.withResolvers().promise : next()))
      sim.jobs.work([handler], { concurrency: 2, lease: how === 'which knows it' ? '30s' : '52w' })
      await sim.clock.settle()
      if (how === 'which does not know it yet') sim.clock.set(T + 52 * 7 * 86_400_000 + 1)
      await sim.clock.advance('1m')
      expect(bank.paid()).toEqual([12])
      gate.resolve()
      await sim.clock.settle()
      expect(bank.paid()).toEqual([12])
      expect(thrown).toEqual([expect.any(LeaseLostError)])
      expect([sim.of('completed').length, sim.of('lost').length]).toEqual([1, 1])
    },
  )

  it('commits nothing of a run that was given up after its timeout', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const gate = Promise.withResolvers<void>()
    const thrown: unknown[] = []
    const { id } = await sim.jobs.enqueue(pay, 1, { timeout: '1s', maxAttempts: 1 })
    sim.jobs.work([
      pay.handle(async (n, job) => {
        const inside = job.transaction(async (tx) => {
          await gate.promise
          await record(tx, n)
        })
        await inside.catch((error: unknown) => thrown.push(error))
      }),
    ])
    await sim.clock.advance('10s')
    gate.resolve()
    await sim.clock.settle()
    expect(thrown).toEqual([new LeaseLostError(id)])
    expect(bank.paid()).toEqual([])
    expect(await sim.row(id)).toMatchObject({ state: 'failed', failures: [{ name: 'TimeoutError' }] })
  })

  it('enqueues what follows in the same transaction, with the job as its parent, even when that is not awaited', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle((n, job) =>
        job.transaction(async (tx) => {
          await record(tx, n)
          await job.enqueue(thank, 'first', { tx })
          void job.enqueue(thank, 'second', { tx })
          void sim.jobs.enqueue(thank, 'third', { tx })
          if (job.attempt === 1) throw new Error('no')
        }),
      ),
    ])
    await sim.clock.advance('1m')
    const waiting = await sim.jobs.list({ task: 'thank', order: 'oldest' })
    expect(waiting.map(({ payload, parent }) => [payload, parent])).toEqual([
      ['first', id],
      ['second', id],
      ['third', undefined],
    ])
    expect(bank.paid()).toEqual([1])
  })

  it('lets nothing more into the transaction once its function has ended', async () => {
    await using bank = await openBank()
    const { sim } = bank
    await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (_, job) => {
        const tx = await job.transaction((own) => own).catch(() => undefined)
        expect(tx).toBeUndefined() // a handle is no result
      }),
      thank.handle(async (_, job) => {
        const handles: AsyncTransaction[] = []
        await job.transaction((own) => void handles.push(own))
        await expect(sim.jobs.enqueue(pay, 2, { tx: handles[0]! })).rejects.toThrow('The transaction has ended')
      }),
    ])
    await sim.jobs.enqueue(thank, 'a')
    await sim.clock.settle()
    expect(sim.of('completed')).toHaveLength(2)
    expect(await sim.jobs.list({ state: 'pending' })).toEqual([])
  })

  it('is refused a second time, and so is completing beside it', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const thrown: unknown[] = []
    const note = (error: unknown): void => void thrown.push(error)
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (_, job) => {
        await job.transaction(async (tx) => {
          await Promise.resolve()
            .then(() => job.complete('by hand', { tx }))
            .catch(note)
          await job.transaction(() => 'nested').catch(note)
          return 'once'
        })
        await job.transaction(() => 'again').catch(note)
      }),
    ])
    await sim.clock.settle()
    expect(thrown).toEqual([expect.any(UsageError), expect.any(UsageError), expect.any(UsageError)])
    expect(await sim.jobs.get(id)).toMatchObject({ state: 'completed', result: 'once' })
    expect(sim.count('begin')).toBe(1)
  })

  it('may be called again when the store could not even begin', async () => {
    await using bank = await openBank()
    const { sim } = bank
    let failed = false
    sim.interfere(({ verb }, next) => {
      if (verb !== 'begin' || failed) return next()
      failed = true
      throw new StoreError('No connection is free', { retryable: true })
    })
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (_, job) => {
        await expect(job.transaction(() => 1)).rejects.toThrow('No connection is free')
        return await job.transaction(() => 2)
      }),
    ])
    await sim.clock.settle()
    expect(await sim.jobs.get(id)).toMatchObject({ state: 'completed', result: 2 })
  })

  it('rolls back what has a result that cannot be kept', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const thrown: unknown[] = []
    await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([
      pay.handle(async (n, job) => {
        const inside = job.transaction(async (tx) => {
          await record(tx, n)
          return { paid: 1n }
        })
        await inside.catch((error: unknown) => thrown.push(error))
      }),
    ])
    await sim.clock.settle()
    expect(thrown).toEqual([expect.any(PayloadError)])
    expect(bank.paid()).toEqual([])
  })

  it('is refused before anything is begun by a store that has none', async () => {
    await using sim = await simulate('sqlite')
    const { id } = await sim.jobs.enqueue(pay, 1, { maxAttempts: 1 })
    let called = false
    sim.jobs.work([pay.handle((_, job) => job.transaction(() => (called = true)))])
    await sim.clock.settle()
    expect((await sim.row(id)).failures).toMatchObject([
      { name: 'UnsupportedError', message: new UnsupportedError('connection', 'sqlite').message },
    ])
    expect(called).toBe(false)
  })
})

describe('job.transaction, when nobody knows whether its commit took place', () => {
  const lost = new StoreError('The connection was lost during the commit', { retryable: false })

  it('counts as completed, once, where it did', async () => {
    await using bank = await openBank()
    const { sim } = bank
    bank.around((commit) => {
      commit()
      return Promise.reject(lost)
    })
    const { id } = await sim.jobs.enqueue(pay, 1)
    sim.jobs.work([pay.handle((n, job) => job.transaction((tx) => record(tx, n)))])
    await sim.clock.advance('10m')
    expect(bank.paid()).toEqual([1])
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1, failures: [] })
    expect([sim.of('completed').length, sim.of('retrying').length, sim.of('lost').length]).toEqual([1, 0, 0])
  })

  it.each(['throws on', 'returns all the same'])(
    'counts as failed where it did not, if the handler %s',
    async (how) => {
      await using bank = await openBank()
      const { sim } = bank
      let commits = 0
      bank.around(async (commit) => {
        if (++commits === 1) throw lost
        commit()
      })
      const { id } = await sim.jobs.enqueue(pay, 1)
      sim.jobs.work([
        pay.handle(async (n, job) => {
          const inside = job.transaction((tx) => record(tx, n))
          if (how === 'throws on') await inside
          else await inside.catch(() => undefined)
        }),
      ])
      await sim.clock.advance('10m')
      expect(bank.paid()).toEqual([1])
      expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 2, failures: [{ attempt: 1 }] })
      expect([sim.of('completed').length, sim.of('retrying').length, sim.of('lost').length]).toEqual([1, 1, 0])
    },
  )

  it('is not told as completed where it did not, and another run has completed the job', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const gate = Promise.withResolvers<void>()
    let commits = 0
    bank.around(async (commit) => {
      if (++commits === 1) throw lost
      commit()
    })
    await sim.jobs.enqueue(pay, 1)
    sim.jobs.work(
      [
        pay.handle(async (n, job) => {
          await job.transaction((tx) => record(tx, n)).catch(() => undefined)
          if (job.attempt === 1) await gate.promise
        }),
      ],
      { concurrency: 2 },
    )
    await sim.clock.settle()
    sim.clock.set(T + 60_000)
    await sim.clock.advance('20s')
    gate.resolve()
    await sim.clock.settle()
    expect(bank.paid()).toEqual([1])
    expect([sim.of('completed').length, sim.of('lost').length]).toEqual([1, 1])
  })
})

describe('in the transaction of an asynchronous caller', () => {
  it('adds jobs with its commit, or not at all', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const kept = await bank.begin()
    const one = await sim.jobs.enqueue(pay, 1, { tx: kept.tx, delay: '1h' })
    const many = await sim.jobs.enqueueMany([pay.with(2), thank.with('a')], { tx: kept.tx })
    expect(await sim.jobs.list()).toEqual([])
    await kept.commit()
    const left = await bank.begin()
    await sim.jobs.enqueue(pay, 3, { tx: left.tx })
    await left.rollback()
    expect(many.map(({ outcome }) => outcome)).toEqual(['added', 'added'])
    expect((await sim.jobs.list({ order: 'oldest' })).map(({ id, payload }) => [id, payload])).toEqual([
      [one.id, 1],
      [many[0]!.id, 2],
      [many[1]!.id, 'a'],
    ])
    expect(sim.of('enqueued')).toEqual([])
  })

  it('asks one thing after the other, in the order of the calls, however they are awaited', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { tx, commit } = await bank.begin()
    const slow = task({ name: 'slow', payload: slowly<number>() })
    await Promise.all([
      sim.jobs.enqueue(slow, 1, { tx }),
      sim.jobs.enqueueMany([pay.with(2), pay.with(3)], { tx }),
      sim.jobs.enqueue(pay, 4, { tx }),
    ])
    await commit()
    expect((await sim.jobs.list({ order: 'oldest' })).map(({ payload }) => payload)).toEqual([1, 2, 3, 4])
  })

  it('takes unique keys as always: kept, replaced, rejected', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { id } = await sim.jobs.enqueue(pay, 1, { unique: 'a' })
    const { tx, commit } = await bank.begin()
    expect(await sim.jobs.enqueue(pay, 2, { tx, unique: 'a' })).toEqual({ id, outcome: 'kept' })
    expect(await sim.jobs.enqueue(pay, 3, { tx, unique: { key: 'a', onConflict: 'replace' } })).toEqual({
      id,
      outcome: 'replaced',
    })
    const rejected = sim.jobs.enqueue(pay, 4, { tx, unique: { key: 'a', onConflict: 'reject' } })
    await expect(rejected).rejects.toThrow('is held by job')
    await commit()
    expect((await sim.jobs.list()).map(({ payload }) => payload)).toEqual([3])
  })

  it('rejects, and never throws, what is wrong, and goes on after it', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { tx, commit } = await bank.begin()
    const wrong = sim.jobs.enqueue(pay, 1, { tx, delay: 'soon' as never })
    const right = sim.jobs.enqueue(pay, 2, { tx })
    await expect(wrong).rejects.toThrow(UsageError)
    await right
    await commit()
    expect((await sim.jobs.list()).map(({ payload }) => payload)).toEqual([2])
  })

  it('completes a run and a job taken by hand', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { runs, handler } = byHand<number>()
    const first = await sim.jobs.enqueue(pay, 1)
    const worker = sim.jobs.work([pay.handle(handler)])
    await sim.clock.settle()
    const own = await bank.begin()
    await runs[0]!.job.complete('in a handler', { tx: own.tx })
    await own.commit()
    runs[0]!.end()
    await sim.clock.during(worker.stop())
    const second = await sim.jobs.enqueue(pay, 2)
    const held = await sim.jobs.lease()
    const another = await bank.begin()
    expect(await held!.complete('by hand', { tx: another.tx })).toBeUndefined()
    await another.commit()
    expect(await sim.jobs.get(first.id)).toMatchObject({ state: 'completed', result: 'in a handler' })
    expect(await sim.jobs.get(second.id)).toMatchObject({ state: 'completed', result: 'by hand' })
    expect(sim.of('completed')).toHaveLength(1)
  })

  it('asks for no renewal of a run it has completed: that would wait for its commit, and all others with it', async () => {
    await using bank = await openBank()
    const { sim } = bank
    const { runs, handler } = byHand<number>()
    const [first, second] = await sim.jobs.enqueueMany([pay.with(1), pay.with(2)])
    sim.jobs.work([pay.handle(handler)], { presence: false }) // a file: any write waits for the transaction
    await sim.clock.settle()
    const own = await bank.begin()
    await runs[0]!.job.complete(undefined, { tx: own.tx })
    const asked = new Set<string>()
    sim.interfere(({ verb, args }, next) => {
      if (verb !== 'renew') return next()
      const renewals = args[0] as readonly { id: string }[]
      for (const { id } of renewals) asked.add(id)
      return renewals.map(() => ({ rev: 2, cancel: undefined }))
    })
    await sim.clock.advance('25s')
    expect([...asked]).toEqual([second!.id])
    expect(runs.map(({ job }) => job.signal.aborted)).toEqual([false, false])
    await own.commit()
    sim.interfere()
    for (const one of runs) one.end()
    await sim.clock.settle()
    expect(sim.of('completed').map(({ job }) => job.id)).toEqual(expect.arrayContaining([first!.id, second!.id]))
  })

  it('throws LeaseLostError for a job that somebody else has', async () => {
    await using bank = await openBank()
    const { sim } = bank
    await sim.jobs.enqueue(pay, 1)
    const held = await sim.jobs.lease()
    await held!.release()
    const other = await sim.jobs.lease()
    const { tx, rollback } = await bank.begin()
    await expect(held!.complete(1, { tx })).rejects.toThrow(LeaseLostError)
    await rollback()
    expect(await other!.complete()).toBe(true)
  })

  it('tells a SQLite store’s user which handles it takes', async () => {
    await using sim = await simulate('sqlite', undefined)
    await expect(sim.jobs.enqueue(pay, 1, { tx: { query: () => undefined } })).rejects.toThrow('"transaction"')
  })
})

/** A validator that needs time. */
function slowly<Payload>(): StandardSchema<Payload, Payload> {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => Promise.resolve({ value: value as Payload }),
    },
  }
}
