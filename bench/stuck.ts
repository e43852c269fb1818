import type { Bench } from './bench.ts'
import { type Stuck, stuckReasons } from './contender.ts'
import type { Measured } from './figures.ts'
import { compared } from './growth.ts'
import { entrants, inTurns } from './measure.ts'

const nothing = 'stuck-nothing'
const reasons: readonly (readonly [work: string, stuck: Stuck | undefined])[] = [
  [nothing, undefined],
  ...stuckReasons.map((stuck) => [`stuck-${stuck}`, stuck] as const),
]
export const stuckWorks = reasons.map(([work]) => work)

/** Jobs per second at concurrency 100 behind many that come first and cannot run, and how many times the speed behind none that is. */
export async function measureStuck(bench: Bench, wanted: (work: string) => boolean): Promise<readonly Measured[]> {
  const { wear, orderMs } = bench.plan
  const durability = bench.engine.steady
  const jobs = wear.behind
  const measured: Measured[] = []
  for (const [work, stuck] of reasons) {
    if (bench.over) break
    if (stuck !== undefined && !wanted(work)) continue
    const all = entrants(bench)
    await inTurns(bench, all, bench.plan.patient ? 3 : 1, async ({ contender, numbers }) => {
      const place = await bench.place(durability)
      try {
        const order = { kind: 'stuck', stuck, place, durability, count: wear.stuck, jobs } as const
        const [ms = Number.NaN] = await contender.ask(order, orderMs)
        numbers.push((jobs / ms) * 1_000)
      } finally {
        await bench.discard(place)
      }
    })
    const first = measured.find((one) => one.work === nothing)
    measured.push({ work, durability, unit: 'jobs/s', results: all.map((one) => compared(one, first)) })
  }
  return measured.filter(({ work }) => wanted(work))
}
