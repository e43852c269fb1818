import { describe, expect, it, onTestFinished } from 'vitest'

import { StoreError, UsageError } from './core/errors.ts'
import type { Write } from './core/lifecycle.ts'
import { type Jobs, open, task } from './index.ts'
import { MemoryStore } from './stores/memory/index.ts'
import type { Awaitable, Batch, BatchResult, Store, WriteResult } from './store.ts'

const mail = task<string>({ name: 'mail', queue: 'post', maxAttempts: 4 })
const source = 'elsewhere'

/** Jobs on a store in memory that may be watched, and broken in the middle of a call. */
async function opened(store: Store<unknown> = new MemoryStore()): Promise<Jobs> {
  const jobs = await open(store, { logger: false })
  onTestFinished(() => jobs.close())
  return jobs
}

/** A store that does something before a call, or after it. */
class Broken extends MemoryStore {
  before: Partial<Record<'insert' | 'apply', () => Awaitable<void>>> = {}
  after: Partial<Record<'insert' | 'apply', () => Awaitable<void>>> = {}

  override insert(batches: readonly Batch[], now: number): never {
    return this.#around('insert', () => super.insert(batches, now)) as never
  }

  override apply(writes: readonly Write[]): never {
    return this.#around('apply', () => super.apply(writes)) as never
  }

  async #around<T extends Awaitable<readonly (BatchResult | WriteResult)[]>>(name: 'insert' | 'apply', act: () => T) {
    await this.before[name]?.()
    const result = await act()
    await this.after[name]?.()
    return result
  }
}

function dies(): never {
  throw new StoreError('Here the process died', { retryable: false })
}

it('moves what waits, due or not, and nothing else', async () => {
  const [from, to] = [await opened(), await opened()]
  await from.enqueue(mail, 'done')
  await from.lease().then((held) => held?.complete())
  await from.enqueue(mail, 'due', { priority: -3 })
  await from.enqueue(mail, 'taken', { priority: -4 })
  await from.enqueue(mail, 'later', { runAt: 4e12 })
  await from.enqueue(mail, 'again')
  await from.lease({ tasks: ['mail'] }) // the first by priority: 'taken'
  expect(await to.adopt(from, { source })).toEqual({ moved: 3, left: 0 })
  const there = await to.list({ order: 'oldest' })
  expect(
    there.map((job) => [
      job.payload,
      job.queue,
      job.task,
      job.state,
      job.priority,
      job.maxAttempts,
      job.parent,
      job.result,
    ]),
  ).toEqual([
    ['due', 'post', 'mail', 'pending', -3, 4, undefined, undefined],
    ['later', 'post', 'mail', 'pending', 0, 4, undefined, undefined],
    ['again', 'post', 'mail', 'pending', 0, 4, undefined, undefined],
  ])
  expect(there[1]?.runAt).toBe(4e12)
  expect((await from.list({ state: 'running' })).map(({ payload }) => payload)).toEqual(['taken'])
  expect(await from.list({ state: 'pending' })).toEqual([])
})

it('moves thousands, page by page, telling how far it is', async () => {
  const [from, to] = [await opened(), await opened()]
  await from.enqueueMany(Array.from({ length: 1_203 }, (_, n) => mail.with(String(n))))
  const told: number[] = []
  await to.adopt(from, { source, onMoved: (count) => told.push(count) })
  expect(told).toEqual([0, 500, 500, 203])
  expect((await to.stats())[0]?.counts).toMatchObject({ pending: 1_203, cancelled: 0 })
  expect((await from.stats())[0]?.counts.pending).toBe(0)
})

it('takes only what was asked for', async () => {
  const [from, to] = [await opened(), await opened()]
  const other = task({ name: 'other', queue: 'post' })
  await from.enqueueMany([mail.with('a'), other.with(), mail.with('b', { queue: 'night' })])
  expect(await to.adopt(from, { source, queue: 'post', task: 'mail' })).toEqual({ moved: 1, left: 0 })
  expect((await to.list()).map(({ payload }) => payload)).toEqual(['a'])
})

it('leaves a job to whoever takes it over there in the middle of the move', async () => {
  const store = new Broken()
  const [from, to] = [await opened(), await opened(store)]
  await from.enqueueMany([mail.with('a'), mail.with('b')])
  store.after.insert = async () => {
    delete store.after.insert
    await from.lease()
  }
  expect(await to.adopt(from, { source })).toEqual({ moved: 1, left: 1 })
  expect((await to.list()).map(({ payload, state }) => [payload, state])).toEqual([['b', 'pending']])
})

it('lets no worker here see a job before it is gone over there', async () => {
  const store = new Broken()
  const [from, to] = [await opened(), await opened(store)]
  await from.enqueue(mail, 'a')
  const seen: unknown[] = []
  store.after.insert = async () => void seen.push(await to.lease())
  await to.adopt(from, { source })
  expect(seen).toEqual([undefined])
  expect(await to.lease()).toBeDefined()
})

it('keeps unique keys: a copy takes its key as it goes over, unless it is held here', async () => {
  const [from, to] = [await opened(), await opened()]
  const unique = { key: 'k', until: 'settled' } as const
  await from.enqueue(mail, 'theirs', { unique })
  await to.adopt(from, { source })
  expect((await to.enqueue(mail, 'second', { unique })).outcome).toBe('kept')
  await from.enqueue(mail, 'more', { unique })
  expect(await to.adopt(from, { source })).toEqual({ moved: 1, left: 0 })
  expect((await to.list()).map(({ payload }) => payload)).toEqual(['more', 'theirs'])
})

describe('broken off, it is finished by calling again', () => {
  it.for([
    ['before anything is laid down', 'to', 'before', 'insert'],
    ['after a copy is laid down', 'to', 'after', 'insert'],
    ['before the job is removed', 'from', 'before', 'apply'],
    ['after the job is removed', 'from', 'after', 'apply'],
    ['after the copy is let go', 'to', 'after', 'apply'],
  ] as const)('%s', async ([, where, when, call]) => {
    const stores = { from: new Broken(), to: new Broken() }
    const [from, to] = [await opened(stores.from), await opened(stores.to)]
    await from.enqueueMany([mail.with('a'), mail.with('b', { delay: '1h' })])
    let calls = 0
    // Of the target's two, the second lets go.
    stores[where][when][call] = () => void (++calls === (call === 'apply' && where === 'to' ? 2 : 1) && dies())
    await expect(to.adopt(from, { source })).rejects.toThrow('Here the process died')
    stores[where][when] = {}
    const total = async (jobs: Jobs): Promise<readonly unknown[]> =>
      (await jobs.list({ state: 'pending' })).map(({ payload }) => payload)
    await to.adopt(from, { source })
    expect(await total(from)).toEqual([])
    expect((await total(to)).toSorted()).toEqual(['a', 'b'])
    expect((await to.stats())[0]?.counts.cancelled).toBe(0)
  })

  it('and what was done over there in the meantime is not taken, as far as it shows', async () => {
    const store = new Broken()
    const [from, to] = [await opened(), await opened(store)]
    await from.enqueue(mail, 'a')
    store.after.insert = dies
    await expect(to.adopt(from, { source })).rejects.toThrow('died')
    store.after = {}
    await from.lease()
    expect(await to.adopt(from, { source })).toEqual({ moved: 0, left: 0 })
    expect(await to.list()).toEqual([])
  })
})

it.for([
  ['a target that is a guest', 'Expected a store of jobferry'],
  ['itself', 'Expected the jobs of another store'],
  ['no source', 'Expected `source`'],
  ['an unknown option', 'Did you mean'],
] as const)('refuses %s before it touches anything', async ([what, message]) => {
  const from = await opened()
  await from.enqueue(mail, 'a')
  const guest = Object.assign(new MemoryStore(), { rules: {} }) as unknown as Store<unknown>
  const to = await opened(what === 'a target that is a guest' ? guest : new MemoryStore())
  const options = { source: what === 'no source' ? '' : source, ...(what === 'an unknown option' ? { sorce: 1 } : {}) }
  await expect(to.adopt(what === 'itself' ? to : from, options)).rejects.toThrow(message)
  await expect(to.adopt(what === 'itself' ? to : from, options)).rejects.toBeInstanceOf(UsageError)
  expect((await from.stats())[0]?.counts.pending).toBe(1)
})
