import { expect, it } from 'vitest'

import {
  CancelledError,
  LeaseLostError,
  PayloadError,
  StoppedError,
  TimeoutError,
  UnrecoverableError,
} from '../core/errors.ts'
import type { Outcome } from '../core/lifecycle.ts'
import { cancel, RetryError, snooze } from '../core/steer.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { aJob, T } from '../testing/contract/index.ts'
import { defaultBackoff } from '../core/backoff.ts'
import { defaultRetention } from '../core/retention.ts'
import type { Definition } from './definition.ts'
import { Held } from './held.ts'
import { afterTimeoutMs, run } from './runner.ts'

const definition: Definition = {
  name: 'work',
  backoff: defaultBackoff,
  retention: defaultRetention,
  timeoutMs: undefined,
  concurrency: 1,
  execute: () => Promise.resolve(),
}

/** Begins a run; its outcomes come in order, one if all is well. */
function begin(
  execute: Definition['execute'],
  more: { readonly timeoutMs?: number; readonly own?: number } = {},
): { held: Held; clock: ManualClock; outcomes: Outcome[]; giveUp: () => void } {
  const clock = new ManualClock({ now: T })
  const held = new Held(aJob({ policy: more.own === undefined ? undefined : { timeoutMs: more.own } }), 'lease')
  const outcomes: Outcome[] = []
  const giveUp = run(held, { ...definition, timeoutMs: more.timeoutMs, execute }, clock, (outcome) => {
    outcomes.push(outcome)
  })
  return { held, clock, outcomes, giveUp }
}

const thrown = new Error('no')
const retry = new RetryError('later', { delay: '7s', remaining: 3 })
const unrecoverable = new UnrecoverableError('never')
const wrapped = new Error('no', { cause: unrecoverable })
const circular: { self?: unknown } = {}
circular.self = circular

it.each<[name: string, execute: () => unknown, outcome: object]>([
  ['what is returned, as JSON', () => ({ a: [1, null] }), { kind: 'succeeded', result: '{"a":[1,null]}' }],
  ['nothing', () => undefined, { kind: 'succeeded', result: undefined }],
  ['null', () => null, { kind: 'succeeded', result: 'null' }],
  ['a promise', () => Promise.resolve('later'), { kind: 'succeeded', result: '"later"' }],
  ['snooze', () => snooze('5m'), { kind: 'snoozed', runAt: T + 300_000 }],
  ['cancel', () => cancel('not wanted'), { kind: 'cancelled', reason: 'not wanted' }],
  ['a bigint', () => 10n, { kind: 'failed', remaining: 0, error: expect.any(PayloadError) }],
  ['bytes', () => new Uint8Array(2), { kind: 'failed', remaining: 0, error: expect.any(PayloadError) }],
  ['a cycle', () => circular, { kind: 'failed', remaining: 0, error: expect.any(PayloadError) }],
  ['2 MB', () => 'x'.repeat(2 ** 21), { kind: 'failed', remaining: 0, error: expect.any(PayloadError) }],
])('comes to an outcome when a handler returns %s', async (_, execute, outcome) => {
  const { outcomes, clock } = begin(async () => await execute())
  await clock.settle()
  expect(outcomes).toEqual([outcome])
})

it.each<[name: string, value: unknown, outcome: object]>([
  ['an error', thrown, { kind: 'failed', error: thrown }],
  ['null', null, { kind: 'failed', error: null }],
  ['undefined', undefined, { kind: 'failed', error: undefined }],
  ['a string', 'no', { kind: 'failed', error: 'no' }],
  ['an object', { no: 1 }, { kind: 'failed', error: { no: 1 } }],
  ['an UnrecoverableError', unrecoverable, { kind: 'failed', error: unrecoverable, remaining: 0 }],
  ['an error because of one', wrapped, { kind: 'failed', error: wrapped, remaining: 0 }],
  ['a RetryError', retry, { kind: 'failed', error: retry, delayMs: 7_000, remaining: 3 }],
])('comes to a failure when a handler throws %s', async (_, value, outcome) => {
  const late = begin(() => Promise.reject(value))
  const early = begin(() => {
    throw value
  })
  await late.clock.settle()
  await early.clock.settle()
  expect([late.outcomes, early.outcomes]).toEqual([[outcome], [outcome]])
})

it('tells the signal when the time is over, and what follows is a failed attempt', async () => {
  const { held, clock, outcomes } = begin(
    ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
    { timeoutMs: 5_000 },
  )
  await clock.advance(4_999)
  expect(held.signal.aborted).toBe(false)
  await clock.advance(1)
  expect(held.signal.reason).toEqual(new TimeoutError(5_000))
  expect(outcomes).toEqual([{ kind: 'failed', error: new TimeoutError(5_000) }])
  expect(clock.waiting).toBe(0)
})

it('frees the hand a second after the timeout when the handler hangs, and hears nothing of it later', async () => {
  const late = Promise.withResolvers<void>()
  const { clock, outcomes, held } = begin(() => late.promise, { timeoutMs: 5_000 })
  await clock.advance(5_000 + afterTimeoutMs - 1)
  expect(outcomes).toEqual([])
  await clock.advance(1)
  expect(outcomes).toEqual([{ kind: 'failed', error: new TimeoutError(5_000) }])
  expect(held.ended).toBe(true)
  late.resolve()
  await clock.settle()
  expect(outcomes).toHaveLength(1)
})

it('counts a success within the second after the timeout', async () => {
  const late = Promise.withResolvers<string>()
  const { clock, outcomes } = begin(() => late.promise, { timeoutMs: 5_000 })
  await clock.advance(5_999)
  late.resolve('just so')
  await clock.settle()
  expect(outcomes).toEqual([{ kind: 'succeeded', result: '"just so"' }])
  expect(clock.waiting).toBe(0)
})

it("prefers the job's own timeout", async () => {
  const { clock, outcomes } = begin(() => new Promise(() => undefined), { timeoutMs: 5_000, own: 100 })
  await clock.advance(1_100)
  expect(outcomes).toEqual([{ kind: 'failed', error: new TimeoutError(100) }])
})

it.each([
  ['a stop', new StoppedError(), { kind: 'released' }],
  ['a lost lease', new LeaseLostError('id'), { kind: 'expired' }],
  ['a cancellation', new CancelledError('why'), { kind: 'cancelled', reason: 'why' }],
  ['a timeout', new TimeoutError(5), { kind: 'failed', error: new TimeoutError(5) }],
])('takes what follows %s for that, whatever the handler throws', async (_, reason, outcome) => {
  const { held, clock, outcomes } = begin(
    ({ signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(thrown))),
  )
  held.abort(reason)
  await clock.settle()
  expect(outcomes).toEqual([outcome])
})

it('counts a success after it was told to stop', async () => {
  const { held, clock, outcomes } = begin(
    ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('saved'))),
  )
  held.abort(new StoppedError())
  await clock.settle()
  expect(outcomes).toEqual([{ kind: 'succeeded', result: '"saved"' }])
})

it('reports once when it is given up, whatever comes later', async () => {
  const late = Promise.withResolvers<void>()
  const { held, clock, outcomes, giveUp } = begin(() => late.promise)
  held.abort(new StoppedError())
  giveUp()
  giveUp()
  late.reject(thrown)
  await clock.settle()
  expect(outcomes).toEqual([{ kind: 'released' }])
})

it('lets one failing handler harm nobody else, also when it rejects unheard', async () => {
  const { clock, outcomes } = begin(async () => {
    void Promise.resolve().then(() => undefined)
    throw thrown
  })
  await clock.settle()
  expect(outcomes).toHaveLength(1)
})
