import type { Bench } from './bench.ts'
import { type ContenderProcess, NoFigure } from './contender-process.ts'
import type { Measured, Result } from './figures.ts'
import type { Size } from './plan.ts'
import { closeEach, type Entrant, entrants, inTurns, openEach, orOut, toResult } from './measure.ts'

const limit = 100
const lot = 10_000
/** So many claim side by side, where that is measured. */
const workers = 10
/** Of claims. */
export const unit = `ms per claim of ${limit}`

/** How long one claim of a hundred takes while ever more jobs wait: all sizes up to the largest that is asked for, on one growing store. */
export async function measureGrowth(bench: Bench, wanted: (work: string) => boolean): Promise<readonly Measured[]> {
  const { sizes, finished } = bench.plan
  const { steady } = bench.engine
  const last = sizes.findLastIndex((size) => wanted(size.work) || wanted(contendedWork(size)))
  const all = entrants(bench)
  const places = await openForClaims(bench, all, false)
  const measured: Measured[] = []
  let single: Measured | undefined
  let many: Measured | undefined
  let waiting = 0
  for (const size of sizes.slice(0, Math.max(last + 1, wanted(finished.work) ? 1 : 0))) {
    if (bench.over) break
    await fillEach(bench, all, size.waiting - waiting)
    waiting = size.waiting
    measured.push({ work: size.work, durability: steady, unit, results: await claimEach(bench, all, single) })
    single ??= measured.at(-1)
    if (!bench.plan.contended || bench.over) continue
    const work = contendedWork(size)
    measured.push({ work, durability: steady, unit, results: await contendEach(bench, all, places, many) })
    many ??= measured.at(-1)
  }
  await closeEach(bench, all, places)
  if (wanted(finished.work) && !bench.over) measured.push(await measureFinished(bench, single))
  return measured.filter(({ work }) => wanted(work))
}

export function contendedWork({ work }: Size): string {
  return work.replace('growth', 'claim-contended')
}

/** The same with workers side by side. They hold many jobs at a time: those are added, so that as many as said go on waiting. */
async function contendEach(
  bench: Bench,
  all: readonly Entrant[],
  places: ReadonlyMap<ContenderProcess, string>,
  first: Measured | undefined,
): Promise<readonly Result[]> {
  const { claims: times, claimsMs: withinMs, orderMs } = bench.plan
  const durability = bench.engine.steady
  if (first === undefined) await fillEach(bench, all, workers * limit)
  for (const one of all) one.numbers.length = 0
  await inTurns(bench, all, 1, async ({ contender, numbers }) => {
    const place = places.get(contender) ?? ''
    const order = { kind: 'contend', place, durability, workers, times, limit, withinMs } as const
    numbers.push(...(await contender.ask(order, orderMs)))
  })
  return all.map((one) => compared(one, first))
}

/** The same with a thousand waiting, and many finished ones kept beside them. */
async function measureFinished(bench: Bench, first: Measured | undefined): Promise<Measured> {
  const { work, finished } = bench.plan.finished
  const all = entrants(bench)
  const places = await openForClaims(bench, all, true)
  await fillEach(bench, all, finished, { drain: true })
  await fillEach(bench, all, 1_000)
  const results = await claimEach(bench, all, first)
  await closeEach(bench, all, places)
  return { work, durability: bench.engine.steady, unit, results }
}

/** As `openEach`; who has no claim is out before anything is stored for it. */
export async function openForClaims(
  bench: Bench,
  all: readonly Entrant[],
  keep: boolean,
): Promise<ReadonlyMap<ContenderProcess, string>> {
  const { orderMs } = bench.plan
  const places = await openEach(bench, all, bench.engine.steady, keep)
  for (const one of all) {
    if (one.out === undefined)
      await orOut(
        one,
        async () => void (await one.contender.ask({ kind: 'claims', times: 0, limit, withinMs: 0 }, orderMs)),
      )
  }
  return places
}

/** In lots, so that who is too slow can be let off. With `drain` they are run at once, and are finished then. */
export async function fillEach(
  bench: Bench,
  all: readonly Entrant[],
  count: number,
  { drain = false, learn = true } = {},
): Promise<void> {
  const { fillMs, orderMs } = bench.plan
  for (const one of all) {
    if (one.out !== undefined) continue
    await orOut(one, async () => {
      const start = performance.now()
      for (let left = count; left > 0; left -= lot) {
        if (performance.now() - start > fillMs)
          throw new NoFigure(`${count} jobs were not ready within ${fillMs / 1_000} s`, true)
        const jobs = Math.min(left, lot)
        await one.contender.ask({ kind: 'fill', jobs }, orderMs)
        if (drain) await one.contender.ask({ kind: 'drain', jobs }, orderMs)
      }
      if (learn) await one.contender.ask({ kind: 'learn' }, orderMs)
    })
  }
}

export async function claimEach(
  bench: Bench,
  all: readonly Entrant[],
  first: Measured | undefined,
): Promise<readonly Result[]> {
  const { claims, claimsMs, rounds, orderMs } = bench.plan
  const withinMs = claimsMs / rounds
  for (const one of all) one.numbers.length = 0
  // The first round finds caches cold and the log long: it only warms up.
  await inTurns(
    bench,
    all,
    1,
    async ({ contender }) => void (await contender.ask({ kind: 'claims', times: 2, limit, withinMs }, orderMs)),
  )
  await inTurns(bench, all, rounds, async ({ contender, numbers }) => {
    numbers.push(...(await contender.ask({ kind: 'claims', times: claims, limit, withinMs }, orderMs)))
  })
  return all.map((one) => compared(one, first))
}

/** The median, and how many times that of the first. */
export function compared(one: Entrant, first: Measured | undefined): Result {
  const result = { ...toResult(one), rounds: [...one.numbers] }
  const base = first?.results.find(({ name }) => name === result.name)?.figure
  return result.figure === undefined || base === undefined ? result : { ...result, growth: result.figure / base }
}
