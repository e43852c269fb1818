import { expect, it } from 'vitest'

import { LeaseLostError, StoppedError } from '../core/errors.ts'
import { aJob } from '../testing/contract/index.ts'
import { Held } from './held.ts'

it('tells a run to stop; the first reason stands', () => {
  const held = new Held(aJob(), 'lease')
  const { signal } = held
  const [first, second] = [new StoppedError(), new LeaseLostError('id')]
  held.abort(first)
  held.abort(second)
  expect([held.reason, signal.reason, held.signal]).toEqual([first, first, signal])
})

it('tells a run that looks only later', () => {
  const held = new Held(aJob(), 'lease')
  const reason = new StoppedError()
  held.abort(reason)
  expect(held.signal.aborted).toBe(true)
  expect(held.signal.reason).toBe(reason)
})

it('tells nothing to a run that has ended', () => {
  const held = new Held(aJob(), 'lease')
  held.ended = true
  held.abort(new StoppedError())
  expect([held.reason, held.signal.aborted]).toEqual([undefined, false])
})
