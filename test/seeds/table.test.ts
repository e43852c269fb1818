import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const page = 'docs/compare/liteq-backlite.md'

/** A row of the table: the numbers it stands for, and the tests that it names, each by its file and its whole title. */
interface Row {
  readonly numbers: readonly string[]
  readonly tests: readonly { readonly file: string; readonly title: string }[]
}

const rows: readonly Row[] = readFileSync(join(root, page), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, letter, first, last] = /^\| ([LBS])(\d+)(?:–[LBS](\d+))? *\|/.exec(line) ?? []
    if (letter === undefined) return []
    const numbers = range(Number(first), Number(last ?? first)).map((n) => `${letter}${n}`)
    const tests = [...line.matchAll(/\[[\w-]+\]\(\.\.\/\.\.\/([^)]+)\): (.+?)(?=<br>| *\|$)/g)].map(
      ([, file = '', title = '']) => ({ file, title: `${letter}${first}: ${title}` }),
    )
    return [{ numbers, tests }]
  })

/** Every numbered test of this folder. */
const written = globSync('*.test.ts', { cwd: import.meta.dirname }).flatMap((name) => {
  const file = `test/seeds/${name}`
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/\bit(?:\.each\([^()]*(?:\([^()]*\))?[^()]*\))?\(\s*'([LBS]\d+: [^']+)'/g)].map(
    ([, title = '']) => ({ file, title }),
  )
})

describe(page, () => {
  it('has every requirement of liteq and backlite once', () => {
    const numbers = rows.flatMap((row) => row.numbers).filter((number) => !number.startsWith('S'))
    expect(numbers).toEqual([...range(1, 49).map((n) => `L${n}`), ...range(1, 104).map((n) => `B${n}`)])
  })

  it('has the points on which both are to be surpassed, but for the UI and recurring jobs', () => {
    const numbers = rows.flatMap((row) => row.numbers).filter((number) => number.startsWith('S'))
    const later = new Set([17, 21])
    expect(numbers).toEqual(
      range(1, 25)
        .filter((n) => !later.has(n))
        .map((n) => `S${n}`),
    )
  })

  it('names a test for each that there is, and no test that there is not', () => {
    const named = rows.flatMap((row) => row.tests)
    expect(named.filter(({ file, title }) => !written.some((one) => one.file === file && one.title === title))).toEqual(
      [],
    )
    const without = rows.filter(({ tests }) => tests.length === 0).flatMap(({ numbers }) => numbers)
    expect(without).toEqual(range(70, 104).map((n) => `B${n}`)) // the web UI, which comes with the dashboard
  })

  it('leaves out no numbered test', () => {
    const named = new Set(rows.flatMap((row) => row.tests).map(({ file, title }) => `${file} ${title}`))
    expect(written.map(({ file, title }) => `${file} ${title}`).filter((one) => !named.has(one))).toEqual([])
    expect(written.length).toBeGreaterThan(150)
  })
})

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, n) => first + n)
}
