/** One metric as a strict reader of the text format 0.0.4 sees it. */
export interface Parsed {
  readonly name: string
  readonly kind: string
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/**
 * Reads the text format, and throws at whatever its description forbids, or Prometheus would only guess at: lines out of place, a metric in two pieces,
 * the same sample twice, names and escapes that are none, histograms that do not add up.
 */
export function parse(text: string): ReadonlyMap<string, Parsed> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, { kind: string; help: string; name: string; samples: Sample[] }>()
  let current: { kind: string; help: string; name: string; samples: Sample[] } | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_]+) (.+)$/.exec(line)
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line)
    if (help !== null) {
      const [, name = '', said = ''] = help
      if (families.has(name)) throw new Error(`${name} comes twice`)
      current = { name, help: said, kind: '', samples: [] }
      families.set(name, current)
    } else if (type !== null) {
      if (current?.name !== type[1] || current?.kind !== '') throw new Error(`out of place: ${line}`)
      current.kind = type[2] ?? ''
    } else {
      const sample = parseSample(line)
      if (current === undefined || current.kind === '' || !belongs(sample.name, current))
        throw new Error(`out of place: ${line}`)
      current.samples.push(sample)
    }
  }
  for (const family of families.values()) check(family)
  return families
}

function parseSample(line: string): Sample {
  const [, name = '', , pairs, number = ''] = /^([a-z_]+)(\{(.*)\})? (\S+)$/s.exec(line) ?? []
  if (name === '') throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  for (let rest = pairs ?? ''; rest !== '';) {
    const [all = '', label = '', value = '', comma = ''] =
      /^([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,?)/.exec(rest) ?? []
    rest = rest.slice(all.length)
    if (label === '' || label in labels || (comma === ',') !== (rest !== '')) throw new Error(`no labels: ${line}`)
    labels[label] = value.replaceAll(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one))
  }
  const value = number === '+Inf' ? Infinity : Number(number)
  if (Number.isNaN(value)) throw new Error(`no number: ${line}`)
  return { name, labels, value }
}

function belongs(sample: string, { name, kind }: { readonly name: string; readonly kind: string }): boolean {
  return kind === 'histogram' ? ['_bucket', '_sum', '_count'].some((end) => sample === name + end) : sample === name
}

function check({ name, kind, samples }: Parsed): void {
  if (samples.length === 0) throw new Error(`${name} has no samples`)
  if (kind === 'counter' && !name.endsWith('_total')) throw new Error(`${name} is a counter without _total`)
  const keys = samples.map((sample) => JSON.stringify([sample.name, Object.entries(sample.labels).toSorted()]))
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a sample twice`)
  if (kind !== 'gauge' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is less than nothing`)
  if (kind === 'histogram') checkHistogram(name, samples)
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels
    const key = JSON.stringify(labels)
    groups.set(key, [...(groups.get(key) ?? []), sample])
  }
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])))
    const count = group.find((sample) => sample.name === `${name}_count`)?.value
    const sum = group.find((sample) => sample.name === `${name}_sum`)?.value
    const rising = (numbers: readonly number[], least: number): boolean =>
      numbers.every((one, i) => i === 0 || one - (numbers[i - 1] ?? 0) >= least)
    if (bounds.at(-1) !== Infinity || !rising(bounds.slice(0, -1), Number.MIN_VALUE))
      throw new Error(`${name}: bounds do not rise`)
    if (
      !rising(
        buckets.map(({ value }) => value),
        0,
      )
    )
      throw new Error(`${name}: buckets do not add up`)
    if (buckets.at(-1)?.value !== count || sum === undefined) throw new Error(`${name}: no count or sum`)
  }
}
