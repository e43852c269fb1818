import { randomUUID } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import { aJob, T } from '../../src/testing/contract/builders.ts'
import { settle } from '../../src/core/lifecycle.ts'
import type { Instant, Job } from '../../src/core/job.ts'
import type { RedisWorkQueueStore } from '../../src/stores/redis-work-queue/index.ts'
import { Item, type WorkQueue } from '../../src/stores/redis-work-queue/index.ts'
import { rules } from '../../src/stores/redis-work-queue/rules.ts'
import { clients, type Step, steps, toBytes, toText } from './fixture.ts'
import { type Keys, newQueue } from './kit.ts'

/**
 * Where we do otherwise on purpose: what is left then. An id without data is dropped, not put into `processing`; an item that somebody has the
 * lease of is not taken twice; and the light clean is that of Python and Go, not that of Node, which loses the item.
 */
const otherwise: Readonly<Record<string, (step: Step) => { readonly keys: Keys; readonly returned: unknown }>> = {
  'lease-ghost': ({ keys }) => ({ keys: without(keys, ':processing'), returned: null }),
  'lease-duplicate-2': ({ before }) => ({ keys: without(before, ':queue'), returned: null }),
  'light-clean': ({ keys, client }) =>
    client !== 'node'
      ? { keys, returned: null }
      : { keys: steps.node.find(({ step }) => step === 'deep-clean')!.keys, returned: null },
}

describe.each(clients)('what the client of %s has done', (client) => {
  it('comes to the same keys and answers here, step by step', async () => {
    const queue = await newQueue()
    const workQueue = await queue.workQueue()
    for (const step of steps[client].filter((one) => one.client !== 'none' && doable(one))) {
      await queue.load(step.before)
      const returned = await redo(workQueue, step)
      const wanted = otherwise[step.step]?.(step) ?? step
      expect([step.step, returned, anyLease(await queue.keys())]).toEqual([
        step.step,
        wanted.returned,
        anyLease(wanted.keys),
      ])
    }
  })

  it('is read, each job, and worked to its end, whatever step it was left at', async () => {
    const queue = await newQueue()
    const store = await queue.store({ patience: 0, deepClean: '1m' })
    let now = T
    for (const { step, keys } of steps[client]) {
      now += 60_000 // so that the deep clean is due again
      await queue.load(keys)
      const ids = Object.keys(keys).flatMap((name) => (name.startsWith(':item:') ? [name.slice(6)] : []))
      const read = (await store.get(ids)).map((job) => [job?.id, job?.state, dataOf(job)])
      const leased = ids.filter((id) => `:lease:${id}` in keys)
      expect([step, read]).toEqual([step, ids.map((id) => [id, stateOf(id, keys), keys[`:item:${id}`]!.value])])
      const listed = new Set([...listOf(keys, ':queue'), ...listOf(keys, ':processing')])
      expect((await store.list({ limit: 99 })).map(({ id }) => id).toSorted()).toEqual(
        ids.filter((id) => listed.has(id)).toSorted(),
      )
      expect([step, (await workAll(store, now)).toSorted()]).toEqual([
        step,
        ids.filter((id) => !leased.includes(id)).toSorted(),
      ])
      const left = Object.keys(await queue.keys()).filter((name) => !name.startsWith(':processing'))
      expect(left).toEqual(leased.flatMap((id) => [`:item:${id}`, `:lease:${id}`]).toSorted())
    }
  })
})

describe('what is added', () => {
  it.each(steps.node.filter(({ commands: [first] }) => /^set/i.test(toText(first?.[0])) && first!.length === 3))(
    'is the same to the byte through a store as through the client of Node: $step',
    async ({ commands, before, keys, returned }) => {
      const queue = await newQueue()
      await queue.load(before)
      const id = toText(commands[0]![1]).split(':item:')[1]!
      const data = toBytes(commands[0]![2])
      const isJson = data.length === 0 || data[0] === 123
      const unique = { key: id, until: 'settled' as const, held: true }
      const payload = isJson ? data.toString() : new Uint8Array(data)
      const job = aJob({ id: 'never seen', queue: 'mail', payload, maxAttempts: 1, unique })
      const store = await queue.store({ task: 'mail', queue: 'mail' })
      const [result] = await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], T)
      const isDuplicate = returned === false || `:item:${id}` in before
      expect(result?.holders.map((holder) => holder?.id)).toEqual([isDuplicate ? id : undefined])
      expect(await queue.keys()).toEqual(isDuplicate ? before : keys)
    },
  )
})

/** Whether a step is more than time that passes. */
function doable({ commands }: Step): boolean {
  return commands.length > 0
}

/** Does what a step says, and answers as the clients did. */
async function redo(queue: WorkQueue, { step, commands, returned }: Step): Promise<unknown> {
  if (/^(?:light|deep)-clean/.test(step)) {
    await (step.startsWith('light') ? queue.lightClean() : queue.deepClean())
    return null
  }
  if (step === 'counts') return Object.values(await queue.counts())
  const words = new Set(commands.map(([word]) => toText(word).toUpperCase()))
  const command = commands.find(([word]) => toText(word).toUpperCase() !== 'MULTI') ?? []
  const id = toText(command[1]).split(':item:')[1] ?? ''
  if (words.has('DEL')) return await queue.complete(id)
  if (words.has('SETNX')) {
    const added = await queue.addItem(new Item(toBytes(command[2]), id))
    return added && typeof returned === 'string' ? id : added
  }
  if (words.has('SET')) {
    await queue.addUniqueItem(new Item(toBytes(command[2]), id))
    return typeof returned === 'string' ? id : null
  }
  const blocks = words.has('BRPOPLPUSH')
  const item = await queue.lease(blocks ? { timeout: '50ms' } : { block: false })
  return item === undefined ? null : { id: item.id, data: Buffer.from(item.data).toString('base64') }
}

/** Leases are there, with an end; what they are called is everybody's own affair. */
function anyLease(keys: Keys): Keys {
  return Object.fromEntries(
    Object.entries(keys).map(([name, key]) => [name, name.startsWith(':lease:') ? { ...key, value: 'any' } : key]),
  )
}

function without(keys: Keys, name: string): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([other]) => other !== name))
}

function listOf(keys: Keys, name: string): readonly string[] {
  const value = keys[name]?.value ?? []
  return typeof value === 'string' ? [value] : value
}

function stateOf(id: string, keys: Keys): string {
  return `:lease:${id}` in keys || !listOf(keys, ':queue').includes(id) ? 'running' : 'pending'
}

function dataOf(job: Job | undefined): string {
  return Buffer.from(job?.payload ?? '').toString('base64')
}

/** As a worker and its upkeep would; says what was run. */
async function workAll(store: RedisWorkQueueStore, now: Instant): Promise<readonly string[]> {
  const ids: string[] = []
  for (;;) {
    await store.prune(now)
    const { jobs: expired } = await store.expired(now, 99)
    await store.apply(
      expired.map((job) => settle(job, { kind: 'expired' }, rules, now, 0)),
      now,
    )
    const { jobs } = await store.claim({ tasks: undefined, limit: 2, lease: randomUUID(), until: now + 30_000, now })
    if (jobs.length === 0) return ids
    ids.push(...jobs.map(({ id }) => id))
    await store.apply(
      jobs.map((job) => settle(job, { kind: 'succeeded', result: undefined }, rules, now, 0)),
      now,
    )
  }
}
