import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Bench } from './bench.ts'
import type { Durability } from './contender.ts'
import { engines } from './engines.ts'
import type { Measured } from './figures.ts'
import { measureGrowth } from './growth.ts'
import { measureMemory, measurePickup, measurePickupCross, measureRate, noTime } from './measure.ts'
import { installPeers } from './peers.ts'
import { fullPlan, type Plan, quickPlan } from './plan.ts'
import { conditions, gaps, jsonLine, load, table } from './report.ts'
import { warmUp } from './warm-up.ts'
import { rateWorks } from './works.ts'

const usage = `npm run bench -- <${[...engines.keys()].join('|')}> [--quick] [--work a,b] [--json FILE] [--dir FOLDER]

  --quick     the whole in less than 50 seconds, with shorter rounds and smaller sizes
  --work      only these: ${[...rateWorks, 'pickup', 'pickup-cross', 'growth-1k …', 'memory'].join(', ')}
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

const plan = options.quick ? quickPlan : fullPlan
const works = new Set([
  ...rateWorks,
  'pickup',
  'pickup-cross',
  ...plan.sizes.map(({ work }) => work),
  plan.finished.work,
  ...(plan.memory === undefined ? [] : ['memory']),
])
const only = options.work?.split(',')
const engine = engines.get(positionals[0] ?? '')
const unknown = only?.filter((work) => !works.has(work)) ?? []
if (options.help || engine === undefined || unknown.length > 0) {
  if (unknown.length > 0)
    console.error(
      `Unknown work: ${unknown.join(', ')}. Known${options.quick ? ' with --quick' : ''}: ${[...works].join(', ')}\n`,
    )
  console.error(usage)
  process.exit(options.help ? 0 : 2)
}

const folder = resolve(options.dir)
mkdirSync(folder, { recursive: true })
const missing = options['no-peers'] ? 'left out' : installPeers(options.quick ? 15_000 : 300_000)
if (missing !== undefined) console.error(`Without peers: ${missing}`)

const bench = new Bench(engine, plan, folder, missing === undefined)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void bench.end().then(() => process.exit(130)))
const measured: Measured[] = []
const skipped: string[] = []
try {
  console.log(`${conditions(folder)}\n${described(plan)}\n`)
  await warmUp(bench)
  for await (const one of measure(bench)) {
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
    `${JSON.stringify({ engine: engine.name, conditions: conditions(folder), measured }, undefined, 2)}\n`,
  )
for (const one of measured) console.log(jsonLine(engine.name, one))
if (measured.some(({ results }) => results[0]?.figure === undefined)) process.exitCode = 1

/** The works that were asked for, the most telling first. In a hurry each has its share of the time; growth has several. */
async function* measure(on: Bench): AsyncGenerator<Measured, void, void> {
  const wanted = (work: string): boolean => only?.includes(work) ?? true
  const steps: { readonly work: string; readonly share: number; readonly run: () => Promise<readonly Measured[]> }[] =
    []
  const step = (work: string, run: () => Promise<readonly Measured[]>, share = 1): void => {
    steps.push({ work, share, run })
  }
  const speeds = new Map<string, number>()
  const rates = (durability: Durability): void => {
    for (const work of rateWorks)
      if (wanted(work)) step(work, async () => [await measureRate(on, work, durability, speeds)])
  }
  const latencies = (durability: Durability): void => {
    if (wanted('pickup')) step('pickup', async () => [await measurePickup(on, durability)])
    if (wanted('pickup-cross')) step('pickup-cross', async () => [await measurePickupCross(on, durability)])
  }
  const sizes = [...on.plan.sizes.map(({ work }) => work), on.plan.finished.work]
  rates('full')
  rates('relaxed')
  latencies('default')
  if (sizes.some(wanted)) step('growth', () => measureGrowth(on, wanted), 5)
  latencies('relaxed')
  rates('default')
  if (!options.quick) latencies('full')
  if (on.plan.memory !== undefined && wanted('memory')) step('memory', () => measureMemory(on))

  const total = steps.reduce((sum, { share }) => sum + share, 0)
  let due = 0
  for (const { work, share, run } of steps) {
    due += share
    on.schedule(due / total)
    if (on.over) skipped.push(...(work === 'growth' ? [] : [work]))
    else yield* await run()
  }
  skipped.push(
    ...sizes.filter((size) => wanted(size) && !measured.some(({ work }) => work === size) && !skipped.includes(size)),
  )
}

function described({ rounds, sliceMs, pickups, totalMs }: Plan): string {
  return `medians of ${rounds} rounds of about ${sliceMs} ms each, in turns; ${rounds * pickups} pick-ups${Number.isFinite(totalMs) ? '; fewer where time is short' : ''}`
}
