// npm run torture -- [--backend sqlite|postgres|redis] [--server-kills 20] --kills 1000 --jobs 100000 [--seed N] [--lease 300ms] [--dir DIR] [--bug NAME]
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { toMs } from '../../src/core/duration.ts'
import { expectOneOf, expectWhole } from '../../src/core/expect.ts'
import { backendNames } from './backend.ts'
import { bugs } from './bugs.ts'
import type { Verdict } from './ledger.ts'
import { makeDir, type Plan } from './plan.ts'
import { type Progress, torture } from './run.ts'

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'sqlite' },
    kills: { type: 'string', default: '100' },
    'server-kills': { type: 'string', default: '0' },
    jobs: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    lease: { type: 'string', default: '300ms' },
    dir: { type: 'string' },
    bug: { type: 'string' },
    minutes: { type: 'string', default: '15' },
  },
})

const plan: Plan = {
  seed: whole(values.seed ?? String(Date.now() % 2 ** 31), 'seed'),
  backend: expectOneOf(values.backend, 'backend', backendNames),
  kills: whole(values.kills, 'kills'),
  serverKills: expectWhole(Number(values['server-kills']), 'server-kills', 0),
  jobs: whole(values.jobs, 'jobs'),
  leaseMs: toMs(values.lease, 'lease', 50),
  deadlineMs: whole(values.minutes, 'minutes') * 60_000,
  dir: makeDir(values.dir),
  bug: values.bug === undefined ? undefined : expectOneOf(values.bug, 'bug', bugs),
}
const { backend, seed, kills, jobs, leaseMs, dir } = plan
console.log(`${backend}, seed ${seed}, ${kills} kills, ${jobs} jobs, leases of ${leaseMs} ms, in ${dir}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const verdict = await torture(plan, progress())
if (process.stdout.isTTY) process.stdout.write('\n\n')
print(verdict)
if (verdict.complaints.length === 0) rmSync(dir, { recursive: true })
else console.log(`\nThe files are kept in ${dir}`)
process.exitCode = verdict.complaints.length === 0 ? 0 : 1

/** One moving line on a terminal, a line for every tenth elsewhere. */
function progress(): (far: Progress) => void {
  let last = 0
  return (far) => {
    const line = `${far.jobs} of ${jobs} jobs, ${far.kills} of ${kills} kills, ${far.crashes} crashes`
    const tenth = Math.floor((far.jobs / jobs) * 10)
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[2K${line}`)
    else if (tenth > last) console.log(line)
    last = tenth
  }
}

function whole(text: string, option: string): number {
  return expectWhole(Number(text), option, 1)
}

function print({ figures, complaints }: Verdict): void {
  for (const [name, figure] of Object.entries(figures)) console.log(`${name.padEnd(44)} ${figure}`)
  console.log(complaints.length === 0 ? '\nNothing to complain of.' : `\n${complaints.length} complaints:`)
  for (const { rule, text } of complaints.slice(0, 40)) console.log(`  ${rule.padEnd(12)} ${text}`)
}
