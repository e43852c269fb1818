import { expect, it } from 'vitest'

import { has } from './stored.ts'

it.each([
  // stored, wanted
  [{ a: 1, b: 2 }, { a: 1 }],
  [{ a: 1 }, {}],
  [{ a: { b: { c: 1, d: 2 } } }, { a: { b: { c: 1 } } }],
  [{ a: null }, { a: null }],
  [
    [1, { a: 1, b: 2 }],
    [1, { a: 1 }],
  ],
  ['x', 'x'],
  [null, null],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Uint8Array([1, 2]), Buffer.from([1, 2])],
])('%j has %j', (stored, wanted) => {
  expect(has(stored, wanted)).toBe(true)
})

it.each([
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { b: 1 }],
  [{}, { a: undefined }],
  [{ a: 1 }, null],
  [null, {}],
  ['x', {}],
  [[1], {}],
  [{ 0: 1, length: 1 }, [1]],
  [[1, 2], [1]],
  [[1], [1, 2]],
  [[1, 2], new Uint8Array([1, 2])],
  [new Uint8Array([1, 2]), [1, 2]],
  [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  [new Uint8Array([1, 2]), {}],
  [undefined, {}],
])('%j has no %j', (stored, wanted) => {
  expect(has(stored, wanted)).toBe(false)
})
