import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'

import { backendNames } from './backend.ts'
import { makeDir, type Plan } from './plan.ts'
import { torture } from './run.ts'

/** The short form. The long one is `npm run torture`. */
const short: Readonly<Record<Plan['backend'], Pick<Plan, 'kills' | 'jobs' | 'serverKills'>>> = {
  sqlite: { kills: 100, jobs: 10_000 },
  postgres: { kills: 25, jobs: 1_500, serverKills: 2 },
  redis: { kills: 25, jobs: 1_500, serverKills: 2 },
}

it.for(backendNames)(
  'loses no job and doubles no effect under kills, at failpoints and at random, on %s',
  { timeout: 300_000 },
  async (backend) => {
    const dir = makeDir()
    const seed = Number(process.env['SEED'])
    const plan = { backend, seed, ...short[backend], leaseMs: 300, dir, deadlineMs: 240_000 }
    const { complaints, figures } = await torture(plan)
    console.log(
      Object.entries(figures)
        .map(([name, figure]) => `${name}: ${figure}`)
        .join('\n'),
    )
    expect(complaints, `files in ${dir}`).toEqual([])
    rmSync(dir, { recursive: true })
  },
)
