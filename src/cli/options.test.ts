import { expect, expectTypeOf, it } from 'vitest'

import { duration, flag, many, maybe, oneOf, onlyGiven, parse, splitVerb, text, whole } from './options.ts'

const options = {
  all: flag('all'),
  queue: text('<name>', 'queue'),
  priority: whole('priority', -10, 10),
  state: oneOf(['pending', 'failed'], 'state'),
  module: many('<module>', 'modules'),
  watch: maybe(duration('every'), '2s'),
}
const read = (...argv: readonly string[]) => parse(argv, options, 'jobferry test')

it('reads options and words in any order, with = or without', () => {
  const { values, words } = read('a', '--queue', 'q', 'b', '--priority=-3', '--all', '-', '--state', 'failed')
  expect(onlyGiven(values)).toEqual({ all: true, queue: 'q', priority: -3, state: 'failed' })
  expect(words).toEqual(['a', 'b', '-'])
  expectTypeOf(values.state).toEqualTypeOf<'pending' | 'failed' | undefined>()
})

it('takes negative numbers as values, and everything after -- as words', () => {
  const { values, words } = read('--priority', '-3', '--', '--all', '-5')
  expect(onlyGiven(values)).toEqual({ priority: -3 })
  expect(words).toEqual(['--all', '-5'])
})

it('gathers an option that may be given several times', () => {
  expect(read('--module', 'a', '--module=b').values.module).toEqual(['a', 'b'])
})

it('lets a value be left out where there is a default for it', () => {
  expect(read('--watch').values.watch).toBe(2_000)
  expect(read('--watch', '--all').values).toMatchObject({ watch: 2_000, all: true })
  expect(read('--watch', '1m').values.watch).toBe(60_000)
  expect(read('--watch=500').values.watch).toBe(500)
})

it.each([
  [['--queu', 'x'], 'Unknown option "--queu" for jobferry test. Did you mean "--queue"?'],
  [['-x'], 'Unknown option "-x" for jobferry test. Known: --all'],
  [['--queue'], 'Option "--queue" needs a value'],
  [['--queue', '--all'], 'Option "--queue" needs a value'],
  [['--all=1'], 'Option "--all" takes no value'],
  [['--queue', 'a', '--queue', 'b'], 'Option "--queue" is given 2 times'],
  [['--priority', '1.5'], 'Expected `--priority` to be a whole number from -10 to 10, got "1.5" (string)'],
  [['--priority', '11'], 'Expected `--priority` to be a whole number from -10 to 10, got 11'],
  [['--state', 'faild'], 'Did you mean "failed"?'],
  [['--watch', 'often'], 'Expected `--watch` to be a duration'],
  [['--constructor', 'x'], 'Unknown option "--constructor"'],
])('refuses %j', (argv, message) => {
  expect(() => read(...argv)).toThrow(message)
})

it('finds the verb behind options with values', () => {
  expect(splitVerb(['--queue', 'q', '--all', 'list', '--new', 'x'], options)).toEqual({
    verb: 'list',
    rest: ['--queue', 'q', '--all', '--new', 'x'],
  })
  expect(splitVerb(['--all'], options)).toEqual({ verb: undefined, rest: ['--all'] })
})
