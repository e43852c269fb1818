import { describe, expect, it } from 'vitest'

import { aJob } from '../../testing/contract/index.ts'
import { refusal, storable, toParameters, toPayload, toRunAfter } from './parameters.ts'

describe('parameters', () => {
  it('are none for no payload, and come back as they were given', () => {
    expect([toParameters(''), toParameters(undefined), toParameters('null')]).toEqual([null, null, 'null'])
    for (const payload of ['', 'null', '{"a":1}']) expect(toPayload(toParameters(payload))).toBe(payload)
  })

  it.each(['"nul \\u0000"', '["half \\ud800"]', '"\\\\\\u0000"'])(
    'are refused if jsonb does not take them: %s',
    (payload) => {
      expect(refusal(aJob({ payload }))).toContain('jsonb')
    },
  )

  it.each(['"\\\\u0000"', '"ünï 🦉"'])('are taken if it does: %s', (payload) => {
    expect(refusal(aJob({ payload }))).toBeUndefined()
    expect(storable(payload)).toBe(payload)
  })
})

it('replaces in a result, which can be refused no more, what jsonb does not take', () => {
  expect(storable(String.raw`{"a":"x\u0000\\\ud800\\u0000"}`)).toBe(String.raw`{"a":"x\ufffd\\\ufffd\\u0000"}`)
})

describe('a policy of a job’s own', () => {
  const week = { completed: 5, failed: 5, cancelled: 5, payload: 'all' } as const

  it('may say how long it is kept, if that is the same whatever its end', () => {
    expect(refusal(aJob({ policy: { retention: week } }))).toBeUndefined()
    for (const other of [
      { failed: 6 },
      { cancelled: null },
      { payload: 'none' as const },
      { completed: 0, failed: 0, cancelled: 0 },
    ])
      expect(refusal(aJob({ policy: { retention: { ...week, ...other } } }))).toContain('"policy"')
  })

  it('may say nothing of backoff or timeout', () => {
    const backoff = { type: 'fixed', delayMs: 1, maxMs: 1, jitter: 0 } as const
    expect(refusal(aJob({ policy: { backoff } }))).toContain('backoff')
    expect(refusal(aJob({ policy: { timeoutMs: 1 } }))).toContain('timeout')
  })
})

it('waits for what is later from now on, and counts what is due from when it was', () => {
  expect(toRunAfter(70, 50)).toEqual({ queuedAt: 50, afterMs: 20 })
  expect(toRunAfter(30, 50)).toEqual({ queuedAt: 30, afterMs: 0 })
})
