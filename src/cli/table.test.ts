import { expect, it } from 'vitest'

import { amount, counted, fields, named, plain, table } from './table.ts'

it('aligns columns, numbers to the right, whatever colours and wide characters they hold', () => {
  const rows = [
    ['a', '1,000', '\u001B[31mred\u001B[39m'],
    ['邮件', '7', 'x'],
  ]
  expect(table(['NAME', 'COUNT', 'WHY'], rows)).toBe(
    ['NAME  COUNT  WHY', 'a     1,000  \u001B[31mred\u001B[39m', '邮件      7  x'].join('\n'),
  )
})

it('cuts the last column to the width of the terminal', () => {
  expect(table(['A', 'B'], [['x', 'a long message']], 13)).toBe('A  B\nx  a long me…')
})

it('shows names beside their values, and indents the further lines of a value', () => {
  expect(
    fields([
      ['id', '1'],
      ['payload', '{\n}'],
      ['parent', undefined],
    ]),
  ).toBe('id       1\npayload  {\n         }')
})

it('makes control characters visible, so that jobs cannot steer the terminal', () => {
  expect(plain('a\u001B[2J\u0007\u009B1m\r\nb\tc')).toBe('a\\u001b[2J\\u0007\\u009b1m b  c')
  expect(plain('a\nb', 'lines')).toBe('a\nb')
})

it('shows the empty name, and counts in words', () => {
  expect([named(''), counted(1, 'job'), counted(1_234, 'job'), amount(0)]).toEqual(['""', '1 job', '1,234 jobs', '0'])
})
