import type { Bench } from './bench.ts'
import { NoFigure } from './contender-process.ts'
import type { Measured, Result } from './figures.ts'
import { closeEach, type Entrant, entrants, inTurns, openEach, orOut, toResult } from './measure.ts'

const limit = 100
const lot = 10_000
const unit = `ms per claim of ${limit}`

/** How long one claim of a hundred takes while ever more jobs wait: all sizes up to the largest that is asked for, on one growing store. */
export async function measureGrowth(bench: Bench, wanted: (work: string) => boolean): Promise<readonly Measured[]> {
  const { sizes, finished } = bench.plan
  const last = sizes.findLastIndex(({ work }) => wanted(work))
  const all = entrants(bench)
  const places = await openEach(bench, all, 'relaxed', false)
  const measured: Measured[] = []
  let waiting = 0
  for (const size of sizes.slice(0, Math.max(last + 1, wanted(finished.work) ? 1 : 0))) {
    if (bench.over) break
    await fillEach(bench, all, size.waiting - waiting)
    waiting = size.waiting
    measured.push({ work: size.work, durability: 'relaxed', unit, results: await claimEach(bench, all, measured[0]) })
  }
  await closeEach(bench, all, places)
  if (wanted(finished.work) && !bench.over) measured.push(await measureFinished(bench, measured[0]))
  return measured.filter(({ work }) => wanted(work))
}

/** The same with a thousand waiting, and many finished ones kept beside them. */
async function measureFinished(bench: Bench, first: Measured | undefined): Promise<Measured> {
  const { work, finished } = bench.plan.finished
  const all = entrants(bench)
  const places = await openEach(bench, all, 'relaxed', true)
  await fillEach(bench, all, finished, true)
  await fillEach(bench, all, 1_000)
  const results = await claimEach(bench, all, first)
  await closeEach(bench, all, places)
  return { work, durability: 'relaxed', unit, results }
}

/** In lots, so that who is too slow can be let off. With `drain` they are run at once, and are finished then. */
async function fillEach(bench: Bench, all: readonly Entrant[], count: number, drain = false): Promise<void> {
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
    })
  }
}

async function claimEach(
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
  return all.map((one) => {
    const result = { ...toResult(one), rounds: [...one.numbers] }
    const base = first?.results.find(({ name }) => name === result.name)?.figure
    return result.figure === undefined || base === undefined ? result : { ...result, growth: result.figure / base }
  })
}
