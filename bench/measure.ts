import type { Bench } from './bench.ts'
import type { Durability } from './contender.ts'
import { type ContenderProcess, NoFigure } from './contender-process.ts'
import { type Measured, median, percentile, type Result } from './figures.ts'
import type { RateWork } from './works.ts'

/** A contender in one work, while it is measured. */
export interface Entrant {
  readonly contender: ContenderProcess
  readonly numbers: number[]
  /** Why there will be no figure. */
  out: string | undefined
}

export function entrants(bench: Bench): readonly Entrant[] {
  return bench.contenders.map((contender) => ({ contender, numbers: [], out: undefined }))
}

/**
 * Lets each have its turn in every round (A B C, then B C A, …), so that what else the machine does falls on all of them alike. Who fails
 * is out; the others go on. When time is over, those that come later have no turn.
 */
export async function inTurns(
  bench: Bench,
  all: readonly Entrant[],
  rounds: number,
  turn: (one: Entrant) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds && !(round > 0 && bench.hurried); round += 1) {
    for (let i = 0; i < all.length; i += 1) {
      const one = all[(i + round) % all.length]
      if (one === undefined || one.out !== undefined) continue
      if (bench.over) return
      await orOut(one, () => turn(one))
    }
  }
}

/** Notes why an entrant cannot go on. */
export async function orOut(one: Entrant, call: () => Promise<void>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!(error instanceof NoFigure)) throw error
    one.out = error.absent ? `absent: ${error.message}` : `FAILED: ${error.message}`
  }
}

/** Why there is no figure, when it is nobody's fault. */
export const noTime = 'no time left'

export function toResult({ contender: { name }, numbers, out }: Entrant): Result {
  if (numbers.length === 0 || out !== undefined) return { name, figure: undefined, why: out ?? noTime, rounds: numbers }
  return { name, figure: median(numbers), rounds: numbers }
}

/** How many jobs to begin with, where a contender's speed is not known yet; and of how many a round is a multiple. */
const firstJobs: Readonly<Record<RateWork, readonly [first: number, multiple: number]>> = {
  'one-by-one': [100, 100],
  concurrent: [500, 100],
  bulk: [2_000, 1_000],
  'process-1': [100, 100],
  'process-10': [200, 100],
  'process-100': [500, 100],
  'process-100-retaining': [500, 100],
  'process-500': [1_000, 500],
}

/**
 * Jobs per second: the median of rounds that last about a slice each, after one or two rounds that only warm up and find the speed.
 * `speeds` remembers, from one durability to the next, how many jobs each contender does in a slice.
 */
export async function measureRate(
  bench: Bench,
  work: RateWork,
  durability: Durability,
  speeds: Map<string, number>,
): Promise<Measured> {
  const { sliceMs, maxJobs, rounds, processFirst, orderMs } = bench.plan
  const [usual, multiple] = firstJobs[work]
  const first = work.startsWith('process') ? usual * processFirst : usual
  const key = ({ name }: ContenderProcess): string => `${work} ${name}`
  const met = bench.contenders.some((contender) => speeds.has(key(contender)))
  const round = async ({ contender }: Entrant): Promise<number> => {
    const place = await bench.place(durability)
    const count = speeds.get(key(contender)) ?? first
    try {
      const [ms = Number.NaN] = await contender.ask({ kind: 'rate', work, place, durability, jobs: count }, orderMs)
      const wanted = Math.round(((count / ms) * sliceMs) / multiple) * multiple
      speeds.set(key(contender), Math.min(Math.max(wanted, multiple), maxJobs))
      return (count / ms) * 1_000
    } finally {
      await bench.discard(place)
    }
  }
  const all = entrants(bench).filter(({ contender }) => bench.noted(work, durability, contender) === undefined)
  await inTurns(bench, all, met || processFirst > 1 ? 1 : 2, async (one) => void (await round(one)))
  await inTurns(bench, all, rounds, async (one) => void one.numbers.push(await round(one)))
  const results = bench.contenders.map((contender) => {
    const one = all.find((entrant) => entrant.contender === contender)
    if (one !== undefined) return { ...toResult(one), jobs: speeds.get(key(contender)) ?? 0 }
    return bench.noted(work, durability, contender) ?? { name: contender.name, figure: undefined, rounds: [] }
  })
  for (const result of results) bench.note(work, durability, result)
  return { work, durability, unit: 'jobs/s', results }
}

/** From the call of enqueue to the start of the handler of an idle worker, in one process. */
export async function measurePickup(bench: Bench, durability: Durability): Promise<Measured> {
  const { pickups, pickupsMs, rounds, orderMs } = bench.plan
  const all = entrants(bench)
  const places = await openEach(bench, all, durability, false, true)
  await inTurns(bench, all, rounds, async ({ contender, numbers }) => {
    numbers.push(...(await contender.ask({ kind: 'pickups', times: pickups, withinMs: pickupsMs }, orderMs)))
  })
  await closeEach(bench, all, places)
  return { work: 'pickup', durability, unit: 'ms', results: all.map(toLatency) }
}

/** The same with the worker in another process, by the clock that both share. */
export async function measurePickupCross(bench: Bench, durability: Durability): Promise<Measured> {
  const { pickups, pickupsMs, rounds, orderMs } = bench.plan
  const all = entrants(bench)
  const places = await openEach(bench, all, durability, false, true)
  const workers = new Map(all.map(({ contender }) => [contender, bench.second(contender)]))
  let n = 0
  await inTurns(bench, all, rounds, async ({ contender, numbers }) => {
    const worker = workers.get(contender)
    const place = places.get(contender)
    if (worker === undefined || place === undefined) return
    await worker.ask({ kind: 'open', place, durability, keep: false, idle: true }, orderMs)
    await worker.ask({ kind: 'listen' }, orderMs)
    const begun = performance.now()
    for (let i = -3; i < pickups && (i < 3 || performance.now() - begun < pickupsMs); i += 1) {
      n += 1
      await pause(2 + Math.random() * 5)
      const ms = await handOver(contender, worker, n, orderMs)
      if (i >= 0) numbers.push(ms) // the first three only warm up
    }
    await worker.ask({ kind: 'unlisten' }, orderMs)
    await worker.ask({ kind: 'close' }, orderMs)
  })
  await Promise.all([...workers.values()].map((worker) => worker.end()))
  await closeEach(bench, all, places)
  return { work: 'pickup-cross', durability, unit: 'ms', results: all.map(toLatency) }
}

/** Heap that a million jobs leave behind: after the last lot, less after the first fifth, in megabytes. Only of ours. */
export async function measureMemory(bench: Bench): Promise<readonly Measured[]> {
  const { memory, orderMs } = bench.plan
  const [ours] = bench.contenders
  if (memory === undefined || ours === undefined) return []
  const one: Entrant = { contender: bench.second(ours), numbers: [], out: undefined }
  const places = await openEach(bench, [one], 'default', false)
  await orOut(one, async () => {
    one.numbers.push(...(await one.contender.ask({ kind: 'memory', ...memory }, orderMs)))
  })
  await closeEach(bench, [one], places)
  const [heap, resident] = [0, 1].map((odd) => {
    const samples = one.numbers.filter((_, i) => i % 2 === odd)
    return { early: samples[Math.floor(samples.length / 5)] ?? 0, late: samples.at(-1) ?? 0 }
  })
  const growth = (heap?.late ?? 0) - (heap?.early ?? 0)
  const result = { ...toResult(one), ...(one.out === undefined ? { figure: growth } : {}) }
  const note = `heap ${show(heap)}, resident ${show(resident)}, after a fifth and after all of ${memory.jobs} jobs`
  return [{ work: 'memory', durability: 'default', unit: 'MB of heap', results: [result], note }]
}

/** A store for each, open in its process. */
export async function openEach(
  bench: Bench,
  all: readonly Entrant[],
  durability: Durability,
  keep: boolean,
  idle = false,
): Promise<ReadonlyMap<ContenderProcess, string>> {
  const places = new Map<ContenderProcess, string>()
  for (const one of all) {
    const place = await bench.place(durability)
    places.set(one.contender, place)
    await orOut(
      one,
      async () => void (await one.contender.ask({ kind: 'open', place, durability, keep, idle }, bench.plan.orderMs)),
    )
  }
  return places
}

export async function closeEach(
  bench: Bench,
  all: readonly Entrant[],
  places: ReadonlyMap<ContenderProcess, string>,
): Promise<void> {
  for (const one of all) {
    if (one.out?.startsWith('FAILED') !== true)
      await orOut(one, async () => void (await one.contender.ask({ kind: 'close' }, bench.plan.orderMs)))
    const place = places.get(one.contender)
    if (place !== undefined) await bench.discard(place)
  }
}

function toLatency(one: Entrant): Result {
  const result = toResult(one)
  if (result.figure === undefined) return result
  return { ...result, p99: percentile(one.numbers, 0.99), rounds: one.numbers }
}

async function handOver(from: ContenderProcess, to: ContenderProcess, n: number, limitMs: number): Promise<number> {
  const picked = new Promise<number>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new NoFigure(`job ${n} was not picked up within ${limitMs / 1_000} s`, false)),
      limitMs,
    )
    timer.unref()
    to.onPicked = (message) => {
      if (message.picked !== n) return
      clearTimeout(timer)
      resolve(message.at)
    }
  })
  const [[enqueuedAt = Number.NaN], pickedAt] = await Promise.all([from.ask({ kind: 'enqueue', n }, limitMs), picked])
  return pickedAt - enqueuedAt
}

function show(memory: { readonly early: number; readonly late: number } | undefined): string {
  return memory === undefined ? '?' : `${memory.early.toFixed(1)} → ${memory.late.toFixed(1)} MB`
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
