import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'

import { type Jobs, task } from '../../src/index.ts'
import { addOne, aJob, run, succeed, T, take } from '../../src/testing/contract/builders.ts'
import { connect, newDatabase, newProxy, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { next, startChild } from '../sqlite/kit.ts'
import { openJobs, openStore } from './kit.ts'

const hello = task<{ n: number }>({ name: 'hello' })

/** A client of nobody's that listens to a schema, and notes what it hears. */
async function ear(url: string, schema: string): Promise<{ heard(): Promise<readonly string[]> }> {
  const client = await connect(url)
  const payloads: string[] = []
  client.on('notification', ({ payload = '' }) => payloads.push(payload))
  await client.query(`listen jobferry_${schema}`)
  return {
    // What was sent to it before the answer to its own question has come before that answer.
    heard: async () => {
      await client.query('select 1')
      return payloads.splice(0)
    },
  }
}

async function listeners(
  outside: Client,
  schema: string,
): Promise<readonly { pid: number; state: string; inTx: boolean }[]> {
  const { rows } = await outside.query(
    `select pid, state, xact_start is not null as "inTx" from pg_stat_activity where query in ($1, 'select 1') and application_name = $2`,
    [`listen "jobferry_${schema}"`, schema],
  )
  return rows
}

/** Works on a store that is told by nothing but its bell. */
function work(jobs: Jobs): void {
  jobs.work([hello.handle(() => undefined)], { poll: '10m', lease: '1h' })
}

it('finds what it missed while its listening connection was gone', async () => {
  const { url, schema } = await newSchema()
  const proxy = await newProxy(url)
  const [here, there] = [await openJobs(proxy.url, { schema }), await openJobs(url, { schema })]
  work(here)
  const first = next(here, 'completed')
  await there.enqueue(hello, { n: 0 })
  await first
  await proxy.refuse()
  await proxy.cut()
  const { id } = await there.enqueue(hello, { n: 1 })
  const missed = next(here, 'completed')
  await proxy.pass()
  expect((await missed).job.id).toBe(id)
})

it('listens again when its connection is terminated', async () => {
  const { url, schema } = await newSchema()
  const outside = await connect(url)
  const [here, there] = [await openJobs(url, { schema, applicationName: schema }), await openJobs(url, { schema })]
  work(here)
  const listening = async (but?: number): Promise<number> =>
    await until('it listens', async () => (await listeners(outside, schema)).find(({ pid }) => pid !== but)?.pid)
  const pid = await listening()
  await outside.query('select pg_terminate_backend($1)', [pid])
  await listening(pid)
  for (let n = 0; n < 3; n++) {
    const completed = next(here, 'completed')
    await there.enqueue(hello, { n })
    await completed
  }
})

it('rings another installation in the same database for nothing', async () => {
  const url = await newDatabase()
  const [one, other] = [await openStore(url, { schema: 'one' }), await openStore(url, { schema: 'other' })]
  const rings: string[] = []
  await other.listen((bell) => rings.push(bell))
  await one.listen(() => undefined)
  const [oneEar, otherEar] = [await ear(url, 'one'), await ear(url, 'other')]
  await addOne(one)
  await one.configure('main', { paused: true })
  expect(await oneEar.heard()).not.toEqual([])
  expect(await otherEar.heard()).toEqual([])
  await addOne(other)
  await until('its own was heard', () => (rings.length > 0 ? true : undefined))
  expect(rings).toEqual(['jobs'])
})

describe('a commit notifies once, in few words:', () => {
  const small = /^(?:jobs|control) [0-9a-f]{8}$/

  it('whether one job was added or a thousand, in one queue or many', async () => {
    const { url, schema } = await newSchema()
    const store = await openStore(url, { schema })
    const { heard } = await ear(url, schema)
    const batches = [
      [aJob()],
      Array.from({ length: 1_000 }, () => aJob()),
      Array.from({ length: 50 }, (_, n) =>
        aJob({ queue: `q${n % 5}`, unique: { key: `k${n}`, until: 'claimed', held: true } }),
      ),
    ]
    for (const jobs of batches) {
      await store.insert([{ jobs: jobs.map((job) => ({ job, ifHeld: 'keep' })) }], T)
      expect(await heard()).toEqual([expect.stringMatching(small)])
    }
  })

  it('of jobs enqueued in one turn, and in a transaction of the caller’s once it is committed', async () => {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema })
    await jobs.enqueue(hello, { n: 0 })
    const { heard } = await ear(url, schema)
    await Promise.all(Array.from({ length: 100 }, (_, n) => jobs.enqueue(hello, { n })))
    expect((await heard()).length).toBeLessThanOrEqual(2)
    const tx = await connect(url)
    await tx.query('begin')
    for (let n = 0; n < 10; n++) await jobs.enqueue(hello, { n }, { tx })
    expect(await heard()).toEqual([])
    await tx.query('commit')
    expect(await heard()).toHaveLength(1)
  })

  it('and not at all when there is nothing to tell', async () => {
    const { url, schema } = await newSchema()
    const store = await openStore(url, { schema })
    const ending = await run(store)
    await addOne(store)
    const { heard } = await ear(url, schema)
    await take(store, { settle: [succeed(ending)] })
    expect(await heard()).toEqual([])
  })
})

it('listens outside of any transaction, so that no notification piles up behind it', async () => {
  const { url, schema } = await newSchema()
  const outside = await connect(url)
  const store = await openStore(url, { schema, applicationName: schema }, { heartbeatMs: 20 })
  await store.listen(() => undefined)
  for (let look = 0; look < 20; look++) {
    const [listener] = await listeners(outside, schema)
    if (listener?.state !== 'active') expect(listener).toMatchObject({ state: 'idle', inTx: false })
  }
})

describe('a running job that another process cancels', () => {
  async function cancelElsewhere(options: { readonly notify: boolean; readonly lease: '3s' | '1h' }): Promise<number> {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, { schema, notify: options.notify })
    const child = await startChild()
    await child.call('openUrl', url, { schema })
    const started = next(jobs, 'started')
    let toldAt = 0
    jobs.work(
      [
        hello.handle(
          (_, { signal }) =>
            new Promise((_resolve, reject) =>
              signal.addEventListener('abort', () => {
                toldAt = performance.now()
                reject(signal.reason as Error)
              }),
            ),
        ),
      ],
      { poll: '10m', lease: options.lease },
    )
    const { id } = await jobs.enqueue(hello, { n: 1 })
    await started
    const cancelled = next(jobs, 'cancelled')
    const began = performance.now()
    expect(await child.call('cancel', id)).toBe('requested')
    await cancelled
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', cancel: 'by another process' })
    return toldAt - began
  }

  it('is told within a second', async () => {
    expect(await cancelElsewhere({ notify: true, lease: '1h' })).toBeLessThan(1_000)
  })

  it('is told within a heartbeat where nobody listens', async () => {
    expect(await cancelElsewhere({ notify: false, lease: '3s' })).toBeLessThan(1_500)
  })
})

it('ends no process for want of a listener: workers find new jobs by polling', async () => {
  const { url, schema } = await newSchema()
  const jobs = await openJobs(url, { schema, notify: false })
  const other = await openJobs(url, { schema })
  const ended = jobs.work([hello.handle(() => undefined)], { poll: '50ms' })
  onTestFinished(async () => void (await ended.stop()))
  const completed = next(jobs, 'completed')
  const { id } = await other.enqueue(hello, { n: 1 })
  expect((await completed).job.id).toBe(id)
})
