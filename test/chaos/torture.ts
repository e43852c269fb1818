// npm run torture -- --kills 1000 --jobs 100000 [--seed N] [--lease 300ms] [--dir DIR] [--bug NAME]
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { toMs } from '../../src/core/duration.ts'
import { type Bug, bugs } from './bugs.ts'
import type { Verdict } from './ledger.ts'
import { makeDir } from './plan.ts'
import { torture } from './run.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    jobs: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    lease: { type: 'string', default: '300ms' },
    dir: { type: 'string' },
    bug: { type: 'string' },
    minutes: { type: 'string', default: '15' },
  },
})

const dir = makeDir(values.dir)
const plan = {
  seed: Number(values.seed ?? Math.floor(Math.random() * 2 ** 31)),
  kills: Number(values.kills),
  jobs: Number(values.jobs),
  leaseMs: toMs(values.lease, 'lease', 50),
  deadlineMs: Number(values.minutes) * 60_000,
  dir,
  bug: bugs.find((name): name is Bug => name === values.bug),
}

console.log(`seed ${plan.seed}, ${plan.kills} kills, ${plan.jobs} jobs, leases of ${plan.leaseMs} ms, in ${dir}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const verdict = await torture(plan, ({ jobs, kills }) => {
  if (process.stdout.isTTY)
    process.stdout.write(`\r\x1b[2K${jobs} of ${plan.jobs} jobs, ${kills} of ${plan.kills} kills`)
})
if (process.stdout.isTTY) process.stdout.write('\r\x1b[2K')
print(verdict)
if (verdict.complaints.length === 0) rmSync(dir, { recursive: true })
else console.log(`\nThe files are kept in ${dir}`)
process.exitCode = verdict.complaints.length === 0 ? 0 : 1

function print({ figures, complaints }: Verdict): void {
  for (const [name, figure] of Object.entries(figures)) console.log(`${name.padEnd(44)} ${figure}`)
  console.log(complaints.length === 0 ? '\nNothing to complain of.' : `\n${complaints.length} complaints:`)
  for (const { rule, text } of complaints.slice(0, 40)) console.log(`  ${rule.padEnd(12)} ${text}`)
}
