import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { failureBounds, noted, toFailure } from './failure.ts'
import type { Failure } from './job.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

const T = 1_750_000_000_000

describe('toFailure', () => {
  it('notes attempt, time, name, message and stack of an error', () => {
    const error = new RangeError('too far')
    expect(toFailure(error, 2, T)).toEqual({
      attempt: 2,
      at: T,
      name: 'RangeError',
      message: 'too far',
      stack: error.stack,
    })
  })

  it.each([
    [null, 'object', 'null'],
    [undefined, 'undefined', 'undefined'],
    ['smoke', 'string', 'smoke'],
    ['', 'string', ''],
    [0, 'number', '0'],
    [10n, 'bigint', '10'],
    [Symbol('s'), 'symbol', 'Symbol(s)'],
    [{ code: 5 }, 'Object', '{"code":5}'],
    [[1, 2], 'Object', '[1,2]'],
    [{ toJSON: () => undefined }, 'Object', 'an object'],
  ])('notes anything that was thrown: %o', (thrown, name, message) => {
    expect(toFailure(thrown, 1, T)).toEqual({ attempt: 1, at: T, name, message })
  })

  it('appends the stacks of causes, five deep at most', () => {
    let error = new Error('0')
    for (let n = 1; n < 8; n++) error = new Error(String(n), { cause: error })
    const { stack } = toFailure(error, 1, T)
    expect(stack?.split('\nCaused by: ').map((one) => /^Error: (\d)/.exec(one)?.[1])).toEqual(['7', '6', '5', '4', '3'])
  })

  it('ends when an error is its own cause', () => {
    const error = new Error('round')
    error.cause = error
    expect(toFailure(error, 1, T).message).toBe('round')
  })

  it('leaves the stack out when there is none', () => {
    const error = new Error('bare')
    delete error.stack
    expect(toFailure(error, 1, T)).toEqual({ attempt: 1, at: T, name: 'Error', message: 'bare' })
  })

  it.each([
    [
      'a getter that throws',
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no')
        },
      }),
    ],
    [
      'a toJSON that throws',
      {
        toJSON: () => {
          throw new Error('no')
        },
      },
    ],
    ['a cycle', cycle()],
    ['a revoked proxy', revoked()],
    ['a bigint within', { n: 1n }],
  ])('notes something even of %s', (_, thrown) => {
    expect(toFailure(thrown, 1, T)).toEqual({
      attempt: 1,
      at: T,
      name: 'Unknown',
      message: 'The thrown value could not be read.',
    })
  })

  it('cuts what is long and says so, without leaving half a character', () => {
    const error = new Error('🦉'.repeat(5_000))
    error.name = 'N'.repeat(500)
    error.stack = 's'.repeat(50_000)
    const { name, message, stack = '' } = toFailure(error, 1, T)
    expect([name.length, stack.length]).toEqual([failureBounds.name, failureBounds.stack])
    expect(message.length).toBeLessThanOrEqual(failureBounds.message)
    expect([name.at(-1), message.at(-1), stack.at(-1)]).toEqual(['…', '…', '…'])
    expect(message.isWellFormed()).toBe(true)
  })

  it('never throws and never passes its bounds, whatever was thrown', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withObjectString: true }),
        (thrown) => {
          const { name, message, stack } = toFailure(thrown, 1, T)
          expect(name.length).toBeLessThanOrEqual(failureBounds.name)
          expect(message.length).toBeLessThanOrEqual(failureBounds.message)
          expect(stack?.length ?? 0).toBeLessThanOrEqual(failureBounds.stack)
        },
      ),
    )
  })
})

describe('noted', () => {
  const note = (attempt: number): Failure => ({ attempt, at: T, name: 'Error', message: 'no' })

  it('adds a note at the end, and changes nothing that it was given', () => {
    const before = Object.freeze([note(1)])
    expect(noted(before, note(2))).toEqual([note(1), note(2)])
  })

  it('keeps the latest 20', () => {
    let notes: readonly Failure[] = []
    for (let attempt = 1; attempt <= 25; attempt++) notes = noted(notes, note(attempt))
    expect(notes.map(({ attempt }) => attempt)).toEqual(Array.from({ length: 20 }, (_, i) => i + 6))
  })
})

function cycle(): object {
  const round: Record<string, unknown> = {}
  round['self'] = round
  return round
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
