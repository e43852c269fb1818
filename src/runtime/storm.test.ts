import { expect, it } from 'vitest'

import { away, simulate, type Simulation, T } from '../../test/simulation.ts'
import { finished } from '../core/job.ts'
import { cancel, snooze } from '../core/steer.ts'
import type { Jobs } from '../jobs.ts'
import type { RunningJob } from '../running-job.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { type HandledTask, task } from '../task.ts'
import type { Worker } from '../worker.ts'

/** `SEED=… npm test` repeats a storm; its number is in the name of the test. */
const firstSeed = Number(process.env['SEED'] ?? 1) % 1_000_000
const seeds = Array.from({ length: Number(process.env['STORMS'] ?? 80) }, (_, n) => firstSeed + n)

const ways = ['at once', 'in time', 'late', 'throws', 'snoozes', 'cancels', 'hangs', 'deaf', 'enqueues'] as const

interface Payload {
  readonly n: number
  readonly way: (typeof ways)[number]
}

/** Chance for one storm: the same seed, the same storm. */
class Dice {
  readonly #clock: ManualClock
  constructor(seed: number) {
    this.#clock = new ManualClock({ seed })
  }
  upTo(n: number): number {
    return Math.floor(this.#clock.random() * n)
  }
  often(share: number): boolean {
    return this.#clock.random() < share
  }
  of<T>(list: readonly T[]): T {
    return list[this.upTo(list.length)]!
  }
}

/** What the handlers did, for the check afterwards. */
interface Ledger {
  readonly started: Map<string, number>
  readonly succeeded: Set<string>
  readonly completed: Map<string, number>
}

function makeTask(sim: Simulation, dice: Dice, ledger: Ledger): HandledTask<Payload, Payload> {
  const wait = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const callOff = sim.clock.after(ms, resolve)
      signal?.addEventListener('abort', () => {
        callOff()
        reject(signal.reason as Error)
      })
    })
  const run = async ({ n, way }: Payload, job: RunningJob): Promise<unknown> => {
    job.log.info(`${n} ${way}`)
    switch (way) {
      case 'at once':
        return n
      case 'in time':
        return await wait(dice.upTo(3_000), job.signal)
      case 'late':
        return await wait(dice.upTo(20_000), dice.often(0.5) ? job.signal : undefined)
      case 'throws':
        if (dice.often(0.7)) throw new Error(`no ${job.attempt}`)
        return n
      case 'snoozes':
        return dice.often(0.5) ? snooze(dice.upTo(5_000)) : n
      case 'cancels':
        return dice.often(0.5) ? cancel('not wanted') : n
      case 'hangs':
        return job.attempt > 1 ? n : await wait(60_000, job.signal)
      case 'deaf':
        return job.attempt > 1 ? n : await wait(60_000)
      case 'enqueues':
        await job.enqueue(
          work,
          { n: n + 1_000, way: 'at once' },
          { unique: { key: `${n % 5}`, onConflict: 'replace' } },
        )
        return n
    }
  }
  const work: HandledTask<Payload, Payload> = task<Payload>({
    name: 'work',
    maxAttempts: 4,
    backoff: { type: 'linear', delay: '1s', jitter: 0.5 },
    timeout: '25s',
    concurrency: 3,
    retention: { completed: 'forever', failed: 'forever', cancelled: 'forever' },
  }).handle(async (payload, job) => {
    ledger.started.set(job.id, (ledger.started.get(job.id) ?? 0) + 1)
    const result = await run(payload, job)
    ledger.succeeded.add(job.id)
    return result
  })
  return work
}

/** From here on calls are slow, fail, or succeed without saying so. */
function storm(sim: Simulation, dice: Dice): void {
  sim.interfere(async ({ verb }, next) => {
    const pause = async (): Promise<void> => {
      if (dice.often(0.2)) await new Promise<void>((resolve) => sim.clock.after(dice.upTo(1_500), resolve))
    }
    await pause()
    if (verb !== 'listen' && dice.often(0.1)) away()
    const answer = await next()
    await pause()
    if (verb !== 'listen' && dice.often(0.1)) away()
    return answer
  })
}

async function act(
  sim: Simulation,
  dice: Dice,
  programs: readonly Jobs[],
  workers: readonly Worker[],
  work: HandledTask<Payload, Payload>,
  ids: Set<string>,
): Promise<void> {
  const jobs = dice.of(programs)
  const forgiven = (promise: Promise<unknown>): void => void promise.catch(() => undefined)
  switch (dice.upTo(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      const n = ids.size
      const entry = work.with(
        { n, way: dice.of(ways) },
        {
          delay: dice.often(0.5) ? 0 : dice.upTo(5_000),
          priority: dice.upTo(3) - 1,
          ...(dice.often(0.3) ? { concurrencyKey: `${n % 3}` } : {}),
          ...(dice.often(0.3) ? { unique: { key: `${n % 4}`, until: dice.of(['claimed', 'settled'] as const) } } : {}),
        },
      )
      return forgiven(jobs.enqueueMany([entry]).then(([enqueued]) => ids.add(enqueued!.id)))
    }
    case 5: {
      const worker = dice.of(workers)
      if (worker.state === 'working') forgiven(worker.stop({ grace: dice.upTo(4_000) }))
      else if (worker.state === 'idle') worker.start()
      return
    }
    case 6:
      return sim.clock.set(sim.clock.now() + dice.upTo(40_000) - 15_000)
    case 7:
      if (ids.size > 0) forgiven(jobs.cancel(dice.of([...ids])))
      return
    case 8:
      return forgiven(dice.often(0.5) ? jobs.pause('default') : jobs.resume('default'))
    default:
      await sim.clock.advance(dice.upTo(4_000))
  }
}

it.each(seeds)('storm %i: everything comes to its end, once, and nobody works more than allowed', async (seed) => {
  const dice = new Dice(seed)
  await using sim = await simulate(seed % 3 === 0 ? 'sqlite' : 'memory')
  const ledger: Ledger = { started: new Map(), succeeded: new Set(), completed: new Map() }
  const work = makeTask(sim, dice, ledger)
  const programs = [sim.jobs, await sim.another(), await sim.another()]
  for (const jobs of programs)
    jobs.on('completed', ({ job }) => void ledger.completed.set(job.id, (ledger.completed.get(job.id) ?? 0) + 1))
  const workers = programs.map((jobs) =>
    jobs.work([work], { concurrency: 1 + dice.upTo(5), lease: '5s', poll: '2s', listen: dice.often(0.7) }),
  )
  const ids = new Set<string>()
  storm(sim, dice)
  for (let step = 0; step < 150; step++) {
    await act(sim, dice, programs, workers, work, ids)
    for (const worker of workers) expect(worker.running).toBeLessThanOrEqual(3)
    const running = await sim.store.list({ state: 'running', limit: 1_000 })
    const keys = running.flatMap(({ concurrencyKey }) => concurrencyKey ?? [])
    expect(new Set(keys).size).toBe(keys.length)
  }

  sim.interfere() // the sky clears
  if (sim.clock.now() < T) sim.clock.set(T)
  await sim.clock.advance('1m')
  await sim.jobs.resume('default')
  for (const worker of workers) worker.start()
  await sim.clock.advance('10m')

  const all = await sim.store.list({ limit: 10_000 })
  expect(all.filter(({ state }) => !finished(state)).map(({ id, state, attempt }) => ({ id, state, attempt }))).toEqual(
    [],
  )
  const stored = new Map(all.map((job) => [job.id, job]))
  expect([...ids].filter((id) => !stored.has(id))).toEqual([])
  for (const job of all) {
    expect(job.attempt).toBeLessThanOrEqual(job.maxAttempts)
    expect(ledger.completed.get(job.id) ?? 0).toBeLessThanOrEqual(job.state === 'completed' ? 1 : 0)
    if (job.state === 'completed') expect(ledger.succeeded).toContain(job.id)
  }
})
