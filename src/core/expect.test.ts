import { describe, expect, it } from 'vitest'

import { UsageError } from './errors.ts'
import { expectFunction, expectKnown, expectName, expectOneOf, expectWhole, show, suggestion } from './expect.ts'

describe('show', () => {
  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    ['4', '"4" (string)'],
    ['a\nb', '"a\\nb" (string)'],
    [4, '4 (number)'],
    [Number.NaN, 'NaN (number)'],
    [4n, '4 (bigint)'],
    [false, 'false (boolean)'],
    [Symbol('s'), 'Symbol(s) (symbol)'],
    [[1, 2], 'an array of 2'],
    [{}, 'an object (Object)'],
    [new Map(), 'an object (Map)'],
    [Object.create(null), 'an object (null prototype)'],
    [() => undefined, 'anonymous (function)'],
    [encodeURI, 'encodeURI (function)'],
  ])('shows a value and its type: %o', (value, text) => {
    expect(show(value)).toBe(text)
  })

  it('cuts long text to 80 characters', () => {
    expect(show('x'.repeat(1_000))).toBe(`"${'x'.repeat(79)}… (string)`)
  })
})

describe('expectWhole', () => {
  it.each([0, 1, 5, Number.MAX_SAFE_INTEGER])('takes %d', (value) => {
    expect(expectWhole(value, 'limit', 0)).toBe(value)
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '4', 4n, null, undefined, {}])(
    'refuses %o',
    (value) => {
      expect(() => expectWhole(value, 'limit', 0)).toThrow(UsageError)
    },
  )

  it('says what it expected and what it got', () => {
    expect(() => expectWhole('4', 'concurrency', 1)).toThrow(
      'Expected `concurrency` to be a whole number from 1, got "4" (string)',
    )
    expect(() => expectWhole(9, 'priority', 1, 8)).toThrow(
      'Expected `priority` to be a whole number from 1 to 8, got 9 (number)',
    )
  })
})

describe('expectOneOf', () => {
  it('takes one of the words', () => {
    expect(expectOneOf('keep', 'onConflict', ['keep', 'replace'])).toBe('keep')
  })

  it('names the words, and the one that was perhaps meant', () => {
    expect(() => expectOneOf('replaced', 'onConflict', ['keep', 'replace', 'reject'])).toThrow(
      "Expected `onConflict` to be 'keep', 'replace' or 'reject', got \"replaced\" (string) Did you mean \"replace\"?",
    )
    expect(() => expectOneOf(1, 'onConflict', ['keep'])).toThrow("Expected `onConflict` to be 'keep', got 1 (number)")
  })
})

describe('expectName', () => {
  it.each(['a', ' ', '__proto__', "o'brien", '%', '🦉', 'é', 'x'.repeat(255)])('takes %j', (name) => {
    expect(expectName(name, 'queue')).toBe(name)
  })

  it.each(['', 'x'.repeat(256), 'a\nb', 'a\u0000', '\u007f', '\ud800', 'a\udc00b', 5, null, undefined, ['a']])(
    'refuses %j',
    (name) => {
      expect(() => expectName(name, 'queue')).toThrow(UsageError)
    },
  )

  it('takes the empty name only where it is told to', () => {
    expect(expectName('', 'queue', 255, 0)).toBe('')
    expect(() => expectName('ab', 'queue', 1)).toThrow(
      'Expected `queue` to be text of 1 to 1 characters without control characters',
    )
  })
})

describe('expectFunction', () => {
  it('takes functions and refuses the rest', () => {
    expect(() => expectFunction(() => undefined, 'run')).not.toThrow()
    expect(() => expectFunction('f', 'run')).toThrow('Expected `run` to be a function, got "f" (string)')
  })
})

describe('expectKnown', () => {
  it('takes an object with known options alone', () => {
    expect(() => expectKnown({ retries: 1 }, ['retries', 'queue'], 'task()')).not.toThrow()
    expect(() => expectKnown({}, [], 'task()')).not.toThrow()
  })

  it('refuses an option that nobody reads, and guesses which was meant', () => {
    expect(() => expectKnown({ retires: 1 }, ['retries', 'queue'], 'task()')).toThrow(
      'Unknown option "retires" in task(). Did you mean "retries"?',
    )
    expect(() => expectKnown({ zzz: 1 }, ['retries', 'queue'], 'task()')).toThrow(
      'Unknown option "zzz" in task(). Known: retries, queue.',
    )
  })

  it.each([null, undefined, 'text', 5, [], ['queue']])('refuses %o in place of options', (options) => {
    expect(() => expectKnown(options, ['queue'], 'task()')).toThrow(UsageError)
  })
})

describe('suggestion', () => {
  it.each([
    ['Queue', 'queue'],
    ['queeu', 'queue'],
    ['qeue', 'queue'],
    ['priorty', 'priority'],
    ['concurency', 'concurrency'],
  ])('finds in %s a slip for %s', (slip, meant) => {
    expect(suggestion(slip, ['queue', 'priority', 'concurrency'])).toBe(` Did you mean "${meant}"?`)
  })

  it.each(['', 'x', 'lease', 'banana', 5, undefined])('makes nothing of %o', (value) => {
    expect(suggestion(value, ['queue', 'priority', 'concurrency'])).toBe('')
  })

  it('names the nearest of several', () => {
    expect(suggestion('delays', ['relay', 'delay'])).toBe(' Did you mean "delay"?')
  })
})
