import { cpus, loadavg, totalmem } from 'node:os'
import type { Measured, Result } from './figures.ts'

/** The machine and what matters on it. */
export function conditions(home: string): string {
  const [cpu] = cpus()
  return [
    `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GB, load ${load()}`,
    `Node ${process.versions.node}, payload about 100 bytes of JSON`,
    home,
  ].join('\n')
}

/** How many wanted to run in the last minute. More than the processors: the figures are worth little. */
export function load(): string {
  return (loadavg()[0] ?? 0).toFixed(1)
}

/** One table for each durability and unit, in the order measured. */
export function table(all: readonly Measured[]): string {
  const groups = Map.groupBy(all, ({ durability, unit }) => `${durability}, ${unit}`)
  const told = (group: readonly Measured[]): string =>
    group[0]?.results.some(({ p99 }) => p99 !== undefined) ? ' (p50 / p99)' : ''
  return [...groups].map(([title, group]) => `${title}${told(group)}\n${oneTable(group)}`).join('\n\n')
}

/** The reasons for every gap in the tables. */
export function gaps(all: readonly Measured[]): readonly string[] {
  const said = all.flatMap(({ work, results }) =>
    results.filter(({ why }) => why !== undefined).map(({ name, why = '' }) => ({ work, line: `${name}: ${why}` })),
  )
  return [...Map.groupBy(said, ({ line }) => line)].map(([line, works]) => {
    return `– ${line} (${[...new Set(works.map(({ work }) => work))].join(', ')})`
  })
}

/** One JSON object per work and durability, for machines. `ours`, `raw` and `peers` are medians; `p99` and `growth` repeat their shape. */
export function jsonLine(engine: string, { work, durability, unit, results }: Measured): string {
  const shape = (pick: (result: Result) => number | undefined): object => {
    const value = (name: string): number | null =>
      round(pick(results.find((result) => result.name === name) ?? none)) ?? null
    const peers = results.filter(
      (result) => result.name !== 'ours' && result.name !== 'raw' && pick(result) !== undefined,
    )
    return {
      ours: value('ours'),
      raw: value('raw'),
      peers: Object.fromEntries(peers.map((result) => [result.name, round(pick(result))])),
    }
  }
  return JSON.stringify({
    engine,
    work,
    durability,
    ...shape(({ figure }) => figure),
    unit,
    ...(results.some(({ p99 }) => p99 !== undefined) ? { p99: shape(({ p99 }) => p99) } : {}),
    ...(results.some(({ growth }) => growth !== undefined) ? { growth: shape(({ growth }) => growth) } : {}),
  })
}

const none: Result = { name: '', figure: undefined, rounds: [] }

function oneTable(group: readonly Measured[]): string {
  const names = group[0]?.results.map(({ name }) => name) ?? []
  const faster = group[0]?.unit === 'jobs/s'
  const rows = group.map(({ work, results }) => {
    const of = (name: string): number | undefined => results.find((result) => result.name === name)?.figure
    const peers = names.filter((name) => !/^(ours|raw.*)$/.test(name)).flatMap((name) => of(name) ?? [])
    const best = peers.length === 0 ? undefined : faster ? Math.max(...peers) : Math.min(...peers)
    return [work, ...results.map(cell), ratio(of('ours'), of('raw')), ratio(of('ours'), best)]
  })
  return aligned([['', ...names, 'ours ÷ raw', 'ours ÷ best peer'], ...rows])
}

function cell({ figure, p99, growth }: Result): string {
  if (figure === undefined) return '–'
  const more = [p99 === undefined ? '' : ` / ${show(p99)}`, growth === undefined ? '' : ` (${growth.toFixed(2)} ×)`]
  return show(figure) + more.join('')
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a === undefined || b === undefined || b <= 0 ? '' : (a / b).toFixed(2)
}

function show(number: number): string {
  return number >= 100 ? Math.round(number).toLocaleString('en') : number.toFixed(2)
}

/** Three digits after the point are more than the noise leaves. */
function round(number: number | undefined): number | undefined {
  return number === undefined ? undefined : Number(number.toFixed(number >= 100 ? 0 : 3))
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ')
  return rows.map((row) => `  ${line(row).trimEnd()}`).join('\n')
}
