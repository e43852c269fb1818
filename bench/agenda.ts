import type { Bench } from './bench.ts'
import type { Durability } from './contender.ts'
import type { Engine } from './engine.ts'
import type { Measured } from './figures.ts'
import { contendedWork, measureGrowth } from './growth.ts'
import { measureMemory, measurePickup, measurePickupCross, measureRate } from './measure.ts'
import type { Plan } from './plan.ts'

interface Step {
  readonly works: readonly string[]
  /** How much of a quick run's time it may take. */
  readonly share: number
  readonly run: () => Promise<readonly Measured[]>
}

/** Every work there is with this plan. */
export function worksOf(engine: Engine, plan: Plan): readonly string[] {
  return [
    ...engine.rateWorks,
    'pickup',
    'pickup-cross',
    ...growthWorks(plan),
    ...engine.ownWorks.flatMap(({ works }) => works),
    ...(plan.memory === undefined ? [] : ['memory']),
  ].filter((work) => !plan.without.includes(work))
}

function growthWorks({ sizes, contended, finished }: Plan): readonly string[] {
  return [...sizes.flatMap((size) => [size.work, ...(contended ? [contendedWork(size)] : [])]), finished.work]
}

/** The works that were asked for, the most telling first; `skip` hears of those there was no time for. In a hurry each has its share of the time. */
export async function* measure(
  bench: Bench,
  wanted: (work: string) => boolean,
  skip: (work: string) => void,
): AsyncGenerator<Measured, void, void> {
  const steps = agenda(bench, wanted)
  const total = steps.reduce((sum, { share }) => sum + share, 0)
  let due = 0
  for (const { works, share, run } of steps) {
    due += share
    bench.schedule(due / total)
    const measured = bench.over ? [] : await run()
    yield* measured
    for (const work of works) if (!measured.some((one) => one.work === work)) skip(work)
  }
}

function agenda(bench: Bench, wanted: (work: string) => boolean): readonly Step[] {
  const { engine, plan } = bench
  const steps: Step[] = []
  const step = (works: readonly string[], run: Step['run'], share = 1): void => {
    const asked = works.filter((work) => wanted(work) && !plan.without.includes(work))
    if (asked.length > 0) steps.push({ works: asked, share, run })
  }
  const speeds = new Map<string, number>()
  const latencies = (durability: Durability): void => {
    step(['pickup'], async () => [await measurePickup(bench, durability)])
    step(['pickup-cross'], async () => [await measurePickupCross(bench, durability)])
  }
  // One durability right after the other: what the machine does beside us changes from minute to minute.
  for (const work of engine.rateWorks)
    for (const durability of engine.durabilities)
      step([work], async () => [await measureRate(bench, work, durability, speeds)])
  latencies('default')
  step(growthWorks(plan), () => measureGrowth(bench, wanted), 5)
  if (engine.durabilities.includes('relaxed')) latencies('relaxed')
  for (const own of engine.ownWorks) step(own.works, () => own.measure(bench, wanted), own.share)
  if (plan.patient) latencies('full')
  if (plan.memory !== undefined) step(['memory'], () => measureMemory(bench))
  return steps
}
