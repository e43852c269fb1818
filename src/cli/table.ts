import { stripVTControlCharacters } from 'node:util'

/** Columns between which the eye finds its way: two spaces, numbers to the right. The last column is cut to `width`, if one is given. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], width?: number): string {
  const lines = [head, ...rows]
  const columns = head.map((_, i) => ({
    width: Math.max(...lines.map((line) => widthOf(line[i] ?? ''))),
    right: rows.length > 0 && rows.every((row) => /^[\d,./-]*$/.test(stripVTControlCharacters(row[i] ?? ''))),
  }))
  const before = columns.slice(0, -1).reduce((sum, column) => sum + column.width + 2, 0)
  return lines
    .map((line) =>
      columns
        .map((column, i) => {
          const last = i === columns.length - 1
          const cell = last && width !== undefined ? cut(line[i] ?? '', width - before) : (line[i] ?? '')
          const gap = ' '.repeat(Math.max(0, column.width - widthOf(cell)))
          return column.right ? gap + cell : last ? cell : cell + gap
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Names and their values below each other; those without a value are left out, the further lines of a value are indented. */
export function fields(pairs: readonly (readonly [name: string, value: string | undefined])[]): string {
  const given = pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const width = Math.max(0, ...given.map(([name]) => name.length))
  const indent = ' '.repeat(width + 2)
  return given
    .map(([name, value]) => `${name.padEnd(width)}  ${value.replaceAll('\n', `\n${indent}`)}`.trimEnd())
    .join('\n')
}

/** The text with control characters made visible, so that what a job carries cannot steer the terminal. Line ends stay in `lines`. */
export function plain(text: string, shape: 'line' | 'lines' = 'line'): string {
  const whole = shape === 'lines' ? text : text.replace(/\s*\n\s*/g, ' ')
  return whole.replace(/[^\P{Cc}\n]/gu, (one) =>
    one === '\t' ? '  ' : JSON.stringify(one).slice(1, -1).replace(raw, escaped),
  )
}

/** A name as it is shown: the empty one is legal, and would be invisible. */
export function named(name: string): string {
  return name === '' ? '""' : plain(name)
}

/** `1 job`, `1,234 jobs`. */
export function counted(count: number, noun: string): string {
  return `${amount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `1,234`, in every locale. */
export function amount(count: number): string {
  return count.toLocaleString('en-US')
}

/** What JSON leaves as it is: DEL and the C1 controls. */
const raw = /[\u007f-\u009f]/g

function escaped(one: string): string {
  return `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const ascii = /^[\u0020-\u007e]*$/
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** How many columns of a terminal it takes. */
function widthOf(cell: string): number {
  const visible = stripVTControlCharacters(cell)
  if (ascii.test(visible)) return visible.length
  return [...graphemes.segment(visible)].reduce((sum, { segment }) => sum + (wide.test(segment) ? 2 : 1), 0)
}

function cut(cell: string, width: number): string {
  if (width < 8 || widthOf(cell) <= width || cell !== stripVTControlCharacters(cell)) return cell
  let kept = ''
  let used = 1
  for (const { segment } of graphemes.segment(cell)) {
    used += wide.test(segment) ? 2 : 1
    if (used > width) break
    kept += segment
  }
  return `${kept}…`
}
