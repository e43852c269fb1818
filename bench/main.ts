import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { measure, worksOf } from './agenda.ts'
import { Bench } from './bench.ts'
import { engines } from './engines.ts'
import type { Measured } from './figures.ts'
import { noTime } from './measure.ts'
import { installPeers } from './peers.ts'
import type { Plan } from './plan.ts'
import { conditions, gaps, jsonLine, load, table } from './report.ts'
import { warmUp } from './warm-up.ts'

const usage = `npm run bench -- <${[...engines.keys()].join('|')}> [--quick] [--work a,b] [--json FILE] [--dir FOLDER]

  --quick     the whole within a minute, with shorter rounds and smaller sizes
  --work      only these: see bench/README.md
  --json      everything measured, every round of it, into this file
  --dir       where to make the stores; should be on a disk (default bench/.tmp)
  --no-peers  only ours and the raw limit, and nothing is installed`

const { values: options, positionals } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    work: { type: 'string' },
    json: { type: 'string' },
    dir: { type: 'string', default: join(import.meta.dirname, '.tmp') },
    'no-peers': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
})

const only = options.work?.split(',')
const engine = engines.get(positionals[0] ?? '')
if (options.help || engine === undefined) {
  console.error(usage)
  process.exit(options.help ? 0 : 2)
}
const plan = options.quick ? engine.quick : engine.full
const works = worksOf(engine, plan)
const unknown = only?.filter((work) => !works.includes(work)) ?? []
if (unknown.length > 0) {
  const known = `Known${options.quick ? ' with --quick' : ''}: ${works.join(', ')}`
  console.error(`Unknown work: ${unknown.join(', ')}. ${known}\n\n${usage}`)
  process.exit(2)
}

const folder = resolve(options.dir)
mkdirSync(folder, { recursive: true })
const missing = options['no-peers'] ? 'left out' : installPeers(options.quick ? 15_000 : 300_000)
if (missing !== undefined) console.error(`Without peers: ${missing}`)

const bench = await Bench.start(engine, plan, folder, missing === undefined)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void bench.end().then(() => process.exit(130)))
const measured: Measured[] = []
const skipped: string[] = []
try {
  console.log(`${conditions(bench.conditions)}\n${described(plan)}\n`)
  await warmUp(bench)
  const wanted = (work: string): boolean => only?.includes(work) ?? true
  for await (const one of measure(bench, wanted, (work) => skipped.push(work))) {
    if (one.results[0]?.why === noTime) {
      skipped.push(one.work)
      continue
    }
    measured.push(one)
    const ours = one.results[0]?.figure
    console.error(
      `${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${one.work}, ${one.durability}: ${ours?.toFixed(2) ?? '–'} ${one.unit}`,
    )
  }
} finally {
  await bench.end()
}

console.log(`\n${table(measured)}\n`)
for (const { work, note } of measured) if (note !== undefined) console.log(`– ${work}: ${note}`)
for (const line of gaps(measured)) console.log(line)
if (skipped.length > 0) console.log(`– no time left for ${skipped.join(', ')}`)
console.log(`Every round checked that each job was stored, and run exactly once. Load at the end: ${load()}\n`)
if (options.json !== undefined)
  writeFileSync(
    options.json,
    `${JSON.stringify({ engine: engine.name, conditions: conditions(bench.conditions), measured }, undefined, 2)}\n`,
  )
for (const one of measured) console.log(jsonLine(engine.name, one))
if (measured.some(({ results }) => results[0]?.figure === undefined)) process.exitCode = 1

function described({ rounds, sliceMs, pickups, totalMs }: Plan): string {
  return `medians of ${rounds} rounds of about ${sliceMs} ms each, in turns; ${rounds * pickups} pick-ups${Number.isFinite(totalMs) ? '; fewer where time is short' : ''}`
}
