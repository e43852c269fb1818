import { describe, expect, it, onTestFinished } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import type { PostgresStore } from '../../src/stores/postgres/index.ts'
import type { StatementName } from '../../src/stores/postgres/statements.ts'
import { aClaim, addOne, aJob, ends, held, ids, leaseMs, run, succeed, T } from '../../src/testing/contract/builders.ts'
import { newProxy, newSchema } from '../servers/kit.ts'
import type { TcpProxy } from '../servers/proxy.ts'
import { next } from '../sqlite/kit.ts'
import { openJobs, openStore, rejection } from './kit.ts'
import { task } from '../../src/index.ts'

interface Place {
  /** Behind a network that loses the answer to the next statement of a name, which is carried out. */
  readonly store: PostgresStore
  /** On a network that is sound. */
  readonly outside: PostgresStore
  readonly proxy: TcpProxy
  lose(statement: StatementName, what?: 'the server too'): Promise<void>
}

async function arrange(): Promise<Place> {
  const { url, schema } = await newSchema()
  const outside = await openStore(url, { schema })
  const proxy = await newProxy(url)
  const store = await openStore(proxy.url, { schema })
  await addOne(store, { id: 'first', runAt: T + 1e9 }) // the lanes are known, and the statements met
  let left = 0
  onTestFinished(() => expect(left).toBe(0)) // every answer that was to be lost was lost
  const lose = async (statement: StatementName, what?: 'the server too'): Promise<void> => {
    left++
    await proxy.loseReply((chunk) => {
      const found = chunk.includes(`${schema}.${statement}\0`)
      if (found) left--
      if (found && what !== undefined) void proxy.refuse() // nothing can be looked up either
      return found
    })
  }
  return { store, outside, proxy, lose }
}

function added(...jobs: readonly Job[]) {
  return [{ jobs: jobs.map((job) => ({ job, ifHeld: 'keep' as const })) }]
}

async function waiting(store: PostgresStore): Promise<readonly string[]> {
  return ids(await store.list({ state: 'pending', order: 'oldest', limit: 1_000 })).filter((id) => id !== 'first')
}

describe('when only the answer is lost', () => {
  it('an enqueue has added its job, once', async () => {
    const { store, outside, proxy, lose } = await arrange()
    const job = aJob()
    await lose('add')
    expect(await store.insert(added(job), T)).toEqual([{ ok: true, holders: [] }])
    expect(await outside.get([job.id])).toEqual([job])
    expect(proxy.accepted).toBeGreaterThan(1) // it was lost indeed
  })

  it('an enqueue of many has added each, once', async () => {
    const { store, outside, lose } = await arrange()
    const jobs = Array.from({ length: 500 }, () => aJob())
    await lose('add')
    await store.insert(added(...jobs), T)
    expect(await waiting(outside)).toEqual(ids(jobs))
  })

  it('enqueues with unique keys tell who was added, who was kept, and whose batch was refused', async () => {
    const { store, outside, lose } = await arrange()
    const holder = await addOne(outside, { unique: held('taken') })
    const jobs = [aJob({ unique: held('free') }), aJob({ unique: held('taken') }), aJob({ unique: held('taken') })]
    await lose('insertBatches')
    const results = await store.insert(
      jobs.map((job, i) => ({ jobs: [{ job, ifHeld: i === 2 ? 'refuse' : 'keep' }] })),
      T,
    )
    expect(results.map(({ ok, holders }) => ({ ok, holder: holders[0]?.id }))).toEqual([
      { ok: true, holder: undefined },
      { ok: true, holder: holder.id },
      { ok: false, holder: holder.id },
    ])
    expect(await waiting(outside)).toEqual([holder.id, jobs[0]!.id])
  })

  it('one batch of which some were kept tells by whom', async () => {
    const { store, outside, lose } = await arrange()
    const holder = await addOne(outside, { unique: held('taken') })
    const jobs = [aJob({ unique: held('taken') }), aJob(), aJob({ unique: held('free') })]
    await lose('insertBatches')
    const [result] = await store.insert(added(...jobs), T)
    expect(jobs.map((_, i) => result?.holders[i]?.id)).toEqual([holder.id, undefined, undefined])
    expect(await waiting(outside)).toEqual(ids([holder, jobs[1]!, jobs[2]!]))
  })

  it('a claim hands out what it has taken, and nothing else', async () => {
    const { store, outside, lose } = await arrange()
    const jobs = [await addOne(outside), await addOne(outside), await addOne(outside)]
    const request = aClaim({ limit: 2 })
    await lose('exchange')
    const claimed = await store.claim(request)
    expect(claimed.jobs).toEqual(await outside.get(ids(jobs.slice(0, 2))))
    expect(claimed.jobs.map(({ state, lease }) => ({ state, lease }))).toEqual(
      Array.from({ length: 2 }, () => ({ state: 'running', lease: request.lease })),
    )
    expect(await waiting(outside)).toEqual([jobs[2]!.id])
  })

  it('a settlement is known to be stored: of jobs that are kept, removed, and tried again', async () => {
    const { store, outside, lose } = await arrange()
    const [kept, gone, failing] = [await run(outside), await run(outside), await run(outside)]
    const writes = [
      succeed(kept),
      { before: gone, after: undefined },
      ends(failing, { kind: 'failed', error: 'smoke' }),
    ]
    await lose('exchange')
    expect(await store.apply(writes, T)).toEqual([{ ok: true }, { ok: true }, { ok: true }])
    expect(await outside.get(ids([kept, gone, failing]))).toEqual(writes.map(({ after }) => after))
  })

  it('an end and the next claim, in one trip, are both known', async () => {
    const { store, outside, lose } = await arrange()
    const ending = await run(outside)
    const waits = await addOne(outside)
    await lose('exchange')
    const claimed = await store.claim(aClaim({ settle: [succeed(ending)] }))
    expect(claimed.settled).toEqual([{ ok: true }])
    expect(ids(claimed.jobs)).toEqual([waits.id])
    expect(await outside.get([ending.id])).toMatchObject([{ state: 'completed', attempt: 1 }])
  })

  it('a refused end stays refused', async () => {
    const { store, outside, lose } = await arrange()
    const [stale, good] = [await run(outside), await run(outside)]
    await outside.apply([succeed(stale)], T)
    await lose('exchange')
    const [current] = await outside.get([stale.id])
    expect(await store.apply([ends(stale, { kind: 'released' }), succeed(good)], T)).toEqual([
      { ok: false, current },
      { ok: true },
    ])
  })

  it('a renewal holds, and tells the revision that is stored', async () => {
    const { store, outside, lose } = await arrange()
    const job = await run(outside)
    await lose('renew')
    const [renewed] = await store.renew([{ id: job.id, lease: job.lease! }], T + 2 * leaseMs, T)
    const [current] = await outside.get([job.id])
    expect(renewed).toEqual({ rev: current!.rev, cancel: undefined })
    expect(current!.leaseUntil).toBe(T + 2 * leaseMs)
  })

  it('a setting is kept, and log lines are there once', async () => {
    const { store, outside, lose } = await arrange()
    await lose('configure')
    await store.configure('main', { concurrency: 3 })
    expect(await outside.queues()).toMatchObject([{ queue: 'main', concurrency: 3, paused: false }])
    const job = await run(outside)
    const line = { jobId: job.id, attempt: 1, at: T, level: 'info', message: 'sent', data: undefined } as const
    await store.log([line])
    await lose('log')
    await store.log([
      { ...line, message: 'again', data: '1' },
      { ...line, message: 'and again' },
    ])
    expect((await outside.logs(job.id, 10)).map(({ message }) => message)).toEqual(['sent', 'again', 'and again'])
  })
})

it('what never arrives is told as a failure that may be tried again, and nothing of it is done', async () => {
  const { store, outside, proxy } = await arrange()
  const [job, runs] = [aJob(), await run(outside)]
  const calls = [
    () => store.insert(added(job), T),
    () => store.insert(added({ ...job, unique: held('key') }), T),
    () => store.claim(aClaim({ settle: [succeed(runs)] })),
    () => store.apply([succeed(runs)], T),
    () => store.renew([{ id: runs.id, lease: runs.lease! }], T + 9e5, T),
    () => store.configure('main', { paused: true }),
  ]
  for (const call of calls) {
    await proxy.cutAfter(20)
    expect(await rejection(call())).toMatchObject({ name: 'StoreError', retryable: true })
    await proxy.pass()
  }
  expect(await outside.get([job.id, runs.id])).toEqual([undefined, runs])
  expect(await outside.queues()).toMatchObject([{ paused: false }])
  expect((await store.insert(added(job), T))[0]).toMatchObject({ ok: true })
  expect(await store.apply([succeed(runs)], T)).toEqual([{ ok: true }])
})

it('a connection that was cut while nobody used it is not noticed', async () => {
  const { store, outside, proxy } = await arrange()
  const [one, other] = [aJob(), await run(outside)]
  await proxy.cut()
  await store.insert(added(one), T)
  await proxy.cut({ reset: false })
  expect(await store.apply([succeed(other)], T)).toEqual([{ ok: true }])
  await proxy.cut()
  expect(ids((await store.claim(aClaim())).jobs)).toEqual([one.id])
})

it('jobs of a claim whose answer was lost together with the server are handed out by the next, not left to the lease', async () => {
  const { store, outside, proxy, lose } = await arrange()
  const jobs = [await addOne(outside), await addOne(outside), await addOne(outside)]
  await lose('exchange', 'the server too')
  expect(await rejection(store.claim(aClaim({ limit: 2 })))).toMatchObject({ name: 'StoreError', retryable: true })
  expect(await waiting(outside)).toEqual([jobs[2]!.id])
  await proxy.pass()
  const foreign = await store.claim(aClaim({ tasks: new Map([['another', 9]]) }))
  expect(foreign.jobs).toEqual([])
  const one = await store.claim(aClaim({ now: T + 1_000, limit: 1 }))
  const rest = await store.claim(aClaim({ now: T + 2_000 }))
  expect(ids([...one.jobs, ...rest.jobs]).toSorted()).toEqual(ids(jobs))
  expect([...one.jobs, ...rest.jobs]).toEqual(await outside.get(ids([...one.jobs, ...rest.jobs])))
  expect(one.jobs[0]).toMatchObject({ attempt: 1, leaseUntil: T + 1_000 + leaseMs })
})

it('an end whose answer was lost together with the server is told as completed, not as lost', async () => {
  const { url, schema } = await newSchema()
  const proxy = await newProxy(url)
  const jobs = await openJobs(proxy.url, { schema })
  const hello = task<number>({ name: 'hello' })
  const told: string[] = []
  jobs.on('lost', () => told.push('lost'))
  jobs.on('completed', () => told.push('completed'))
  const [completed, trouble] = [next(jobs, 'completed'), next(jobs, 'error')]
  jobs.work([
    hello.handle(async () => {
      await proxy.loseReply((chunk) => {
        if (!chunk.includes(`${schema}.exchange\0`)) return false
        void proxy.refuse()
        return true
      })
    }),
  ])
  await jobs.enqueue(hello, 1)
  await trouble
  await proxy.pass()
  await completed
  expect(told).toEqual(['completed'])
})
