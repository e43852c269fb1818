import { expect, it } from 'vitest'

import { simulate, sources, T } from '../../test/simulation.ts'
import { task } from '../task.ts'

it.each(sources)(
  'gives back what was claimed so slowly that its lease ran out, and does not run it (%s)',
  async (source) => {
    await using sim = await simulate(source)
    const started: number[] = []
    const tick = task({ name: 'tick', handler: () => void started.push(sim.clock.now() - T) })
    const { id } = await sim.clock.during(sim.jobs.enqueue(tick))
    let slow = true
    sim.interfere(({ verb }, next) => {
      const answer = next()
      if (verb === 'claim' && slow) sim.clock.set(sim.clock.now() + 2_000) // longer than the lease
      slow &&= verb !== 'claim'
      return answer
    })
    sim.jobs.work([tick], { lease: '1s', upkeep: false })
    await sim.clock.advance('10s')
    expect(sim.of('released')).toHaveLength(1)
    expect(started).toHaveLength(1)
    expect(await sim.row(id)).toMatchObject({ state: 'completed', attempt: 1 })
  },
)
