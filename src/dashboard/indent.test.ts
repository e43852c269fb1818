import { assert, jsonValue, property } from 'fast-check'
import { expect, it } from 'vitest'

import { indent } from './indent.ts'

it('indents as JSON.stringify does, whatever the value', () => {
  const seed = Number(process.env['SEED'])
  assert(
    property(jsonValue(), (value) => {
      expect(indent(JSON.stringify(value))).toBe(JSON.stringify(value, undefined, 2))
      expect(indent(JSON.stringify(value, undefined, 7))).toBe(JSON.stringify(value, undefined, 2))
    }),
    { seed },
  )
})

it('keeps digits, order and doubles that would not survive being read', () => {
  expect(indent('{"b":12345678901234567890.50,"1":[],"a":{"x":1e999,"x":"}\\",\\u0000"}}')).toBe(
    '{\n  "b": 12345678901234567890.50,\n  "1": [],\n  "a": {\n    "x": 1e999,\n    "x": "}\\",\\u0000"\n  }\n}',
  )
})

it('takes a string of a million characters, and a thousand levels', () => {
  const long = JSON.stringify('\\"'.repeat(500_000))
  expect(indent(long)).toBe(long)
  const deep = '['.repeat(1_000) + ']'.repeat(1_000)
  expect(JSON.parse(indent(deep))).toEqual(JSON.parse(deep))
})
