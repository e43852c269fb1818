import { describe, expect, it, onTestFinished } from 'vitest'

import type { AsyncTransaction } from '../../src/async-transaction.ts'
import { ConflictError, type Jobs, LeaseLostError, open, task, UsageError } from '../../src/index.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { clients } from './clients.ts'
import { connect, newDatabase, newSchema } from '../servers/kit.ts'

const bill = task<{ order: number }>({ name: 'bill', maxAttempts: 1 })
const ship = task<{ order: number }>({ name: 'ship' })

describe.for(Object.entries(clients))('in a transaction of %s', ([, connectTo]) => {
  async function arrange() {
    const { url, schema } = await newSchema()
    const jobs = await openJobs(url, schema)
    const client = connectTo(url)
    onTestFinished(async () => void (await client.close()))
    return {
      jobs,
      transaction: async <T>(use: (tx: AsyncTransaction) => Promise<T>): Promise<T> =>
        await client.transaction(async (tx) => await use(tx as AsyncTransaction)),
      waiting: async () => (await jobs.list({ order: 'oldest' })).map(({ task: name, payload }) => ({ name, payload })),
    }
  }

  it('jobs are there after the commit, in order, and not before', async () => {
    const { jobs, transaction, waiting } = await arrange()
    const ids = await transaction(async (tx) => {
      const one = await jobs.enqueue(bill, { order: 1 }, { tx })
      const more = await jobs.enqueueMany([ship.with({ order: 1 }), bill.with({ order: 2 })], { tx })
      expect(await waiting()).toEqual([])
      return [one, ...more].map(({ id }) => id)
    })
    expect((await jobs.list({ order: 'oldest' })).map(({ id }) => id)).toEqual(ids)
    expect(await jobs.lease({ tasks: [ship] })).toMatchObject({ id: ids[1] })
  })

  it('jobs are gone after a rollback', async () => {
    const { jobs, transaction, waiting } = await arrange()
    const change = transaction(async (tx) => {
      await jobs.enqueue(bill, { order: 1 }, { tx })
      throw new Error('changed my mind')
    })
    await expect(change).rejects.toThrow('changed my mind')
    expect(await waiting()).toEqual([])
  })

  it('what is refused has changed nothing, and the transaction goes on', async () => {
    const { jobs, transaction, waiting } = await arrange()
    await jobs.enqueue(bill, { order: 1 }, { unique: 'order:1' })
    await transaction(async (tx) => {
      await jobs.enqueue(ship, { order: 1 }, { tx })
      const again = jobs.enqueue(bill, { order: 1 }, { tx, unique: { key: 'order:1', onConflict: 'reject' } })
      await expect(again).rejects.toThrow(ConflictError)
      expect(await jobs.enqueue(bill, { order: 9 }, { tx, unique: 'order:1' })).toMatchObject({ outcome: 'kept' })
      const replacing = { tx, unique: { key: 'order:1', onConflict: 'replace' } } as const
      expect(await jobs.enqueue(bill, { order: 2 }, replacing)).toMatchObject({ outcome: 'replaced' })
      await expect(jobs.enqueue(bill, { order: 1n as never }, { tx })).rejects.toThrow(UsageError)
      await jobs.enqueue(ship, { order: 2 }, { tx })
    })
    expect(await waiting()).toEqual([
      { name: 'bill', payload: { order: 2 } },
      { name: 'ship', payload: { order: 1 } },
      { name: 'ship', payload: { order: 2 } },
    ])
  })

  it('calls that are not awaited one by one go one after the other', async () => {
    const { jobs, transaction, waiting } = await arrange()
    const orders = Array.from({ length: 20 }, (_, order) => ({ order }))
    await transaction(async (tx) => await Promise.all(orders.map((order) => jobs.enqueue(bill, order, { tx }))))
    expect(await waiting()).toEqual(orders.map((payload) => ({ name: 'bill', payload })))
  })

  it('a job is completed together with its effects, or runs again', async () => {
    const { jobs, transaction } = await arrange()
    const { id } = await jobs.enqueue(bill, { order: 1 })
    const held = (await jobs.lease())!
    const change = transaction(async (tx) => {
      await held.complete('paid', { tx })
      throw new Error('no money')
    })
    await expect(change).rejects.toThrow('no money')
    expect(await jobs.get(id)).toMatchObject({ state: 'running' })
    await transaction(async (tx) => await held.complete('paid', { tx }))
    expect(await jobs.get(id)).toMatchObject({ state: 'completed', result: 'paid' })
  })

  it('a job that was taken back is not completed', async () => {
    const { jobs, transaction } = await arrange()
    const { id } = await jobs.enqueue(bill, { order: 1 })
    const held = (await jobs.lease())!
    await held.fail(new Error('gave up'))
    await expect(transaction(async (tx) => await held.complete('paid', { tx }))).rejects.toThrow(LeaseLostError)
    expect(await jobs.get(id)).toMatchObject({ state: 'failed' })
  })
})

it('a transaction on a database with other jobs is refused, and gets none', async () => {
  const [here, there] = [await newDatabase(), await newDatabase()]
  const [jobs, others] = [await openJobs(here), await openJobs(there)]
  const tx = await connect(there)
  await tx.query('begin')
  await expect(jobs.enqueue(bill, { order: 1 }, { tx })).rejects.toThrow(UsageError)
  await tx.query('commit')
  expect([await jobs.list(), await others.list()]).toEqual([[], []])
})

it('a transaction on a database without jobs is refused', async () => {
  const jobs = await openJobs(await newDatabase())
  const tx = await connect(await newDatabase())
  await tx.query('begin')
  await expect(jobs.enqueue(bill, { order: 1 }, { tx })).rejects.toThrow('The tables are not there')
  await tx.query('rollback')
  expect(await jobs.list()).toEqual([])
})

it('what is no transaction is refused', async () => {
  const { url, schema } = await newSchema()
  const jobs = await openJobs(url, schema)
  const client = await connect(url)
  await expect(jobs.enqueue(bill, { order: 1 }, { tx: client })).rejects.toThrow('in an open transaction')
  expect(await jobs.list()).toEqual([])
})

async function openJobs(url: string, schema = 'jobferry'): Promise<Jobs> {
  const jobs = await open(await PostgresStore.open(url, { schema }))
  onTestFinished(() => jobs.close())
  return jobs
}
