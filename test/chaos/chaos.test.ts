import { rmSync } from 'node:fs'
import { expect, it } from 'vitest'

import { makeDir } from './plan.ts'
import { torture } from './run.ts'

it(
  'loses no job and doubles no effect under 100 kills, at failpoints and at random',
  { timeout: 300_000 },
  async () => {
    const dir = makeDir()
    const seed = Number(process.env['SEED'])
    const { complaints, figures } = await torture({
      backend: 'sqlite',
      seed,
      kills: 100,
      jobs: 10_000,
      leaseMs: 300,
      dir,
      deadlineMs: 240_000,
    })
    console.log(
      Object.entries(figures)
        .map(([name, figure]) => `${name}: ${figure}`)
        .join('\n'),
    )
    expect(complaints, `files in ${dir}`).toEqual([])
    rmSync(dir, { recursive: true })
  },
)
