import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** A page that compares jobferry with others, point by point, and the tests of this folder that it is held to. */
interface Page {
  readonly page: string
  /** The points it has to have, each once and in this order. */
  readonly points: readonly string[]
  /** Those of its points that no test shows, because they are not there yet. */
  readonly later?: readonly string[]
  /** What the names of its tests begin with. */
  readonly seeds: readonly string[]
}

const pages: readonly Page[] = [
  {
    page: 'docs/compare/liteq-backlite.md',
    // But for S17, recurring jobs, and S21, the UI: both come later.
    points: [
      ...range('L', 1, 49),
      ...range('B', 1, 104),
      ...range('S', 1, 16),
      ...range('S', 18, 20),
      ...range('S', 22, 25),
    ],
    later: range('B', 70, 104), // the web UI, which comes with the dashboard
    seeds: ['liteq', 'backlite', 'surpass'],
  },
  {
    page: 'docs/compare/que-go.md',
    points: [...range('Q', 1, 48), ...range('F', 1, 12), ...range('R', 1, 12)],
    later: ['Q36'], // working beside Ruby, which comes with jobferry/que
    seeds: ['que'],
  },
  {
    page: 'docs/compare/redis-work-queue.md',
    points: range('R', 1, 54),
    later: range('R', 49, 52), // an autoscaler, which is a program of its own
    seeds: ['redis-work-queue'],
  },
  { page: 'docs/compare/sqlq.md', points: [...range('S', 1, 60), ...range('F', 1, 15)], seeds: ['sqlq'] },
]

/** A row of a table: the points it stands for, and the tests that it names, each by its file and its whole title. Another row's test has its number before it. */
interface Row {
  readonly points: readonly string[]
  readonly tests: readonly { readonly file: string; readonly title: string }[]
}

describe.each(pages)('$page', ({ page, points, later = [], seeds }) => {
  const rows = rowsOf(page)
  const written = writtenOf(seeds)

  it('has every point once', () => {
    expect(rows.flatMap((row) => row.points)).toEqual(points)
  })

  it('names a test for each that there is, and no test that there is not', () => {
    const named = rows.flatMap((row) => row.tests)
    expect(named.filter(({ file, title }) => !written.some((one) => one.file === file && one.title === title))).toEqual(
      [],
    )
    expect(rows.filter(({ tests }) => tests.length === 0).flatMap((row) => row.points)).toEqual(later)
  })

  it('leaves out no numbered test', () => {
    const named = new Set(rows.flatMap((row) => row.tests).map(({ file, title }) => `${file} ${title}`))
    expect(written.map(({ file, title }) => `${file} ${title}`).filter((one) => !named.has(one))).toEqual([])
    expect(written.length).toBeGreaterThanOrEqual(rows.length - later.length)
  })
})

it('holds every test of this folder to a page', () => {
  const held = pages.flatMap(({ seeds }) => filesOf(seeds))
  expect([...held, 'table.test.ts'].toSorted()).toEqual(filesOf(['']))
})

function rowsOf(page: string): readonly Row[] {
  return readFileSync(join(root, page), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, letter, first, last] = /^\| ([A-Z])(\d+)(?:–[A-Z](\d+))? *\|/.exec(line) ?? []
      if (letter === undefined) return []
      const points = range(letter, Number(first), Number(last ?? first))
      const tests = [...line.matchAll(/\[[\w-]+\]\(\.\.\/\.\.\/([^)]+)\): (.+?)(?=<br>| *\|$)/g)].map(
        ([, file = '', title = '']) => ({
          file,
          title: /^[A-Z]\d+: /.test(title) ? title : `${letter}${first}: ${title}`,
        }),
      )
      return [{ points, tests }]
    })
}

/** Every numbered test of the files whose names begin so. */
function writtenOf(seeds: readonly string[]): Row['tests'] {
  return filesOf(seeds).flatMap((name) => {
    const file = `test/seeds/${name}`
    const source = readFileSync(join(root, file), 'utf8')
    return [...source.matchAll(/\bit(?:\.each\([^()]*(?:\([^()]*\))?[^()]*\))?\(\s*'([A-Z]\d+: [^']+)'/g)].map(
      ([, title = '']) => ({ file, title }),
    )
  })
}

function filesOf(seeds: readonly string[]): readonly string[] {
  return globSync('*.test.ts', { cwd: import.meta.dirname })
    .filter((name) => seeds.some((seed) => name.startsWith(seed)))
    .toSorted()
}

function range(letter: string, first: number, last: number): readonly string[] {
  return Array.from({ length: last - first + 1 }, (_, n) => `${letter}${first + n}`)
}
