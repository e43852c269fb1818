import { expect, it } from 'vitest'

import { MemoryStore } from '../stores/memory/index.ts'
import { aJob, T } from './contract/index.ts'
import { type StoreCall, throughStore } from './through-store.ts'

it('passes every call on, and shows it', () => {
  const inner = new MemoryStore()
  const calls: StoreCall[] = []
  const store = throughStore(inner, (call, next) => {
    calls.push(call)
    return next()
  })
  const job = aJob()
  expect(store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], T)).toEqual([{ ok: true, holders: [undefined] }])
  expect(store.get([job.id])).toEqual([job])
  expect(inner.get([job.id])).toEqual([job])
  expect(calls.map(({ verb }) => verb)).toEqual(['insert', 'get'])
  expect(calls[1]?.args).toEqual([[job.id]])
})

it('answers in the place of the store, or fails', () => {
  const store = throughStore(new MemoryStore(), ({ verb }, next) => {
    if (verb === 'get') return []
    if (verb === 'close') throw new Error('stuck')
    return next()
  })
  expect(store.get(['x'])).toEqual([])
  expect(() => store.close()).toThrow('stuck')
  expect(store.queues()).toEqual([])
})

it('has the name and the capabilities of the store', () => {
  const inner = new MemoryStore()
  const store = throughStore(inner, (_, next) => next())
  expect(store.name).toBe('memory')
  expect(store.capabilities).toBe(inner.capabilities)
})
