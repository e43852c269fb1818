import { expect, it } from 'vitest'

import { Events, type JobEvent } from './events.ts'

const pruned: JobEvent = { type: 'pruned', count: 1 }
const trouble: JobEvent = { type: 'error', error: 'x', during: 'a test' }

it('calls the listeners of a type in the order they came, then those of all types', () => {
  const events = new Events()
  const heard: string[] = []
  events.on('*', () => heard.push('all'))
  events.on('pruned', () => heard.push('first'))
  events.on('pruned', () => heard.push('second'))
  events.on('error', () => heard.push('not this'))
  events.emit(pruned)
  expect(heard).toEqual(['first', 'second', 'all'])
})

it('calls a function twice that was subscribed twice, until each is ended', () => {
  const events = new Events()
  let calls = 0
  const listener = (): void => void calls++
  const end = events.on('pruned', listener)
  events.on('pruned', listener)
  events.emit(pruned)
  end()
  end()
  events.emit(pruned)
  expect(calls).toBe(3)
})

it('knows whether anybody would hear', () => {
  const events = new Events()
  expect(events.heard('pruned')).toBe(false)
  const end = events.on('*', () => undefined)
  expect(events.heard('pruned')).toBe(true)
  end()
  events.on('error', () => undefined)
  expect(events.heard('pruned')).toBe(false)
})

it('lets a listener that throws harm nobody, and tells of it', () => {
  const events = new Events()
  const heard: unknown[] = []
  const error = new Error('in the listener')
  events.on('pruned', () => {
    throw error
  })
  events.on('pruned', (event) => void heard.push(event))
  events.on('error', (event) => void heard.push(event))
  events.emit(pruned)
  expect(heard).toEqual([{ type: 'error', error, during: 'a listener for "pruned"' }, pruned])
})

it('lets an asynchronous listener that fails harm nobody, and tells of it', async () => {
  const events = new Events()
  const error = new Error('in the listener')
  const told = new Promise((resolve) => events.on('error', resolve))
  events.on('pruned', async () => await Promise.reject(error))
  events.emit(pruned)
  expect(await told).toEqual({ type: 'error', error, during: 'a listener for "pruned"' })
})

it('does not go on for ever when a listener for errors fails', async () => {
  const events = new Events()
  let calls = 0
  events.on('error', () => {
    calls++
    throw new Error('again')
  })
  events.on('error', async () => await Promise.reject(new Error('again')))
  events.emit(trouble)
  await Promise.resolve()
  expect(calls).toBe(1)
})

it('lets a listener end itself', () => {
  const events = new Events()
  let calls = 0
  const end = events.on('pruned', () => {
    calls++
    end()
  })
  events.emit(pruned)
  events.emit(pruned)
  expect(calls).toBe(1)
})
