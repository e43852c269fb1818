import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { PayloadError } from './errors.ts'
import { decode, encode, encodeResult, payloadLimitBytes } from './payload.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

describe('encode', () => {
  it.each([
    [undefined, ''],
    [null, 'null'],
    ['', '""'],
    [0, '0'],
    [-0, '0'],
    [{ to: 'ada', cc: undefined }, '{"to":"ada"}'],
    [[1, 'two', null, { three: 3 }], '[1,"two",null,{"three":3}]'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [new URL('https://a.example/'), '"https://a.example/"'],
    ['\ud800', '"\\ud800"'],
    [JSON.parse('{"__proto__":{"admin":true}}'), '{"__proto__":{"admin":true}}'],
  ])('stores %o as %s', (value, text) => {
    expect(encode(value, 'payload')).toBe(text)
  })

  it('stores bytes as bytes of its own', () => {
    const given = Uint8Array.of(1, 2, 3)
    const stored = encode(given, 'payload')
    given[0] = 9
    expect(stored).toEqual(Uint8Array.of(1, 2, 3))
    expect(encode(Buffer.from('abc'), 'payload')).toEqual(new Uint8Array([97, 98, 99]))
    expect(encode(new Uint8Array(), 'payload')).toEqual(new Uint8Array())
  })

  it.each([
    ['a function', () => undefined, 'payload'],
    ['a symbol', Symbol('s'), 'payload'],
    ['a bigint', { n: [1n] }, 'payload.n[0]'],
    ['NaN', { a: { b: Number.NaN } }, 'payload.a.b'],
    ['infinity', [0, Number.NEGATIVE_INFINITY], 'payload[1]'],
    ['a Map', { map: new Map() }, 'payload.map'],
    ['a Set', new Set(), 'payload'],
    ['a promise', { later: Promise.resolve() }, 'payload.later'],
    ['a regular expression', [/x/], 'payload[0]'],
    ['an error', { error: new Error('gone') }, 'payload.error'],
    ['an invalid Date', { at: new Date(Number.NaN) }, 'payload.at'],
    ['nested bytes', { bytes: new Uint8Array(1) }, 'payload.bytes'],
    ['a nested Buffer', { bytes: Buffer.from('abc') }, 'payload.bytes'],
    ['an ArrayBuffer', new ArrayBuffer(1), 'payload'],
    ['a hole in an array', [1, undefined], 'payload[1]'],
    ['a method', { ok: true, run: () => undefined }, 'payload.run'],
  ])('refuses %s, which JSON would lose in silence, and says where', (_, value, path) => {
    expect(() => encode(value, 'payload')).toThrow(PayloadError)
    expect(() => encode(value, 'payload')).toThrow(
      new RegExp(`^${path.replaceAll(/[[\].]/g, '\\$&')} cannot be stored as JSON: got `),
    )
  })

  it('refuses a cycle and what is nested deeper than 64 levels', () => {
    const round: Record<string, unknown> = {}
    round['self'] = round
    expect(() => encode(round, 'payload')).toThrow(
      'nested deeper than 64 levels, or contains itself, at payload.self.self',
    )
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])
    expect(encode(nested(64), 'payload')).toBe(`${'['.repeat(64)}1${']'.repeat(64)}`)
    expect(() => encode(nested(65), 'payload')).toThrow(PayloadError)
    expect(() => encode(nested(5_000), 'payload')).toThrow(PayloadError)
  })

  it('refuses a toJSON that throws or returns nothing, and keeps the cause', () => {
    const cause = new Error('no')
    const thrower = {
      toJSON: () => {
        throw cause
      },
    }
    expect(() => encode(thrower, 'result')).toThrow(expect.objectContaining({ name: 'PayloadError', cause }))
    expect(() => encode({ toJSON: () => undefined }, 'result')).toThrow(
      'The result cannot be stored as JSON: its toJSON returned nothing',
    )
  })

  it('takes a mebibyte of text or bytes, counted in UTF-8, and not a byte more', () => {
    expect(encode('x'.repeat(payloadLimitBytes - 2), 'payload')).toHaveLength(payloadLimitBytes)
    expect(() => encode('x'.repeat(payloadLimitBytes - 1), 'payload')).toThrow(
      `The payload has ${payloadLimitBytes + 1} bytes; at most ${payloadLimitBytes} are stored`,
    )
    expect(() => encode('€'.repeat(349_526), 'payload')).toThrow('The payload has 1048580 bytes')
    expect(encode(new Uint8Array(payloadLimitBytes), 'payload')).toHaveLength(payloadLimitBytes)
    expect(() => encode(new Uint8Array(payloadLimitBytes + 1), 'result')).toThrow('The result has 1048577 bytes')
  })
})

describe('decode', () => {
  it('gives back whatever JSON can hold', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(decode(encode(value, 'payload'))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('gives undefined for no payload and for one that was dropped', () => {
    expect([decode(''), decode(undefined)]).toEqual([undefined, undefined])
  })

  it('gives bytes that are the caller’s own, so that changing them changes no job', () => {
    const stored = Uint8Array.of(1, 2)
    const given = decode(stored)
    if (given instanceof Uint8Array) given[0] = 9
    expect([given, stored]).toEqual([Uint8Array.of(9, 2), Uint8Array.of(1, 2)])
  })

  it('lets no payload reach the prototype of objects', () => {
    decode('{"__proto__":{"polluted":true}}')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('gives back what it was given or refuses it, for anything at all', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true, withNullPrototype: true }),
        (value) => {
          try {
            decode(encode(value, 'payload'))
          } catch (error) {
            expect(error).toBeInstanceOf(PayloadError)
          }
        },
      ),
    )
  })
})

describe('encodeResult', () => {
  it('stores JSON, and nothing for nothing', () => {
    expect([encodeResult({ sent: 1 }), encodeResult(null), encodeResult(undefined)]).toEqual([
      '{"sent":1}',
      'null',
      undefined,
    ])
  })

  it('refuses bytes', () => {
    expect(() => encodeResult(new Uint8Array(1))).toThrow('A result is JSON, not bytes')
  })
})
