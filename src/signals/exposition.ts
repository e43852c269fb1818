/** The content type of the text format of Prometheus, version 0.0.4. */
export const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** Label names, which must be `[a-z_]+`, and their values, which may be anything. */
export type Labels = Readonly<Record<string, string>>

/** One metric with its samples. */
export type Family =
  | {
      readonly kind: 'gauge' | 'counter'
      readonly name: string
      readonly help: string
      readonly samples: readonly (readonly [Labels, number])[]
    }
  | {
      readonly kind: 'histogram'
      readonly name: string
      readonly help: string
      readonly samples: readonly (readonly [Labels, Histogram])[]
    }

/** `counts[i]` is of those up to `bounds[i]` and beyond the bound before; the last of those beyond all bounds. */
export interface Histogram {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

/** The families as text, one line a sample. A family without samples is left out. */
export function exposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map((family) =>
      [
        `# HELP ${family.name} ${escapeHelp(family.help)}`,
        `# TYPE ${family.name} ${family.kind}`,
        ...lines(family),
        '',
      ].join('\n'),
    )
    .join('')
}

function lines(family: Family): readonly string[] {
  const { name } = family
  switch (family.kind) {
    case 'gauge':
    case 'counter':
      return family.samples.map(([labels, value]) => line(name, labels, value))
    case 'histogram':
      return family.samples.flatMap(([labels, { bounds, counts, sum }]) => {
        let total = 0
        const buckets = [...bounds, Infinity].map((bound, i) => {
          total += counts[i] ?? 0
          return line(`${name}_bucket`, { ...labels, le: shown(bound) }, total)
        })
        return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, total)]
      })
  }
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${shown(value)}`
}

function shown(value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}

/** A line feed would begin another sample. */
function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
