import { expect } from 'vitest'

import { StoreError } from '../src/core/errors.ts'
import type { Job } from '../src/core/job.ts'
import type { Jobs } from '../src/jobs.ts'
import { open } from '../src/open.ts'
import type { EventOf, EventType, JobEvent } from '../src/runtime/events.ts'
import type { RunningJob } from '../src/running-job.ts'
import { MemoryStore } from '../src/stores/memory/index.ts'
import { SqliteStore } from '../src/stores/sqlite/index.ts'
import type { ClaimRequest, Store } from '../src/store.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { type StoreCall, throughStore } from '../src/testing/through-store.ts'

/** When every simulation begins. */
export const T = Date.UTC(2026, 0, 1)

/** `slow` is a store that answers a turn of the event loop later than it has acted, as one across a network does. */
export const sources = ['memory', 'sqlite', 'slow'] as const

export type Source = (typeof sources)[number]

type Around = (call: StoreCall, next: () => unknown) => unknown

/** Jobs on a manual clock, and all that was said: between runtime and store, and in events. Closing it finds timers that were left. */
export interface Simulation extends AsyncDisposable {
  readonly clock: ManualClock
  readonly jobs: Jobs
  /** The store itself; calls to it are not among `calls`. */
  readonly store: Store<unknown>
  readonly events: JobEvent[]
  readonly calls: (StoreCall & { readonly at: number })[]
  /** From now on every call to the store goes through this; without an argument it goes straight again. */
  interfere(around?: Around): void
  count(verb: keyof Store): number
  /** What was claimed for, call by call. */
  claims(): readonly ClaimRequest[]
  of<T extends EventType>(type: T): readonly EventOf<T>[]
  row(id: string): Promise<Job>
  /** One more program on the same store, with events of its own. */
  another(): Promise<Jobs>
}

export async function simulate(
  source: Source = 'memory',
  inner: Store<unknown> = makeStore(source),
): Promise<Simulation> {
  const clock = new ManualClock({ now: T })
  const calls: Simulation['calls'] = []
  const straight: Around =
    source === 'slow'
      ? async (_, next) => {
          const answer = await next()
          await new Promise<void>((resolve) => clock.soon(resolve))
          return answer
        }
      : (_, next) => next()
  let around = straight
  const store = throughStore(inner, (call, next) => {
    calls.push({ ...call, at: clock.now() - T })
    if (call.verb === 'close') return undefined // when all have closed it
    return call.verb === 'migrate' ? next() : around(call, next)
  })
  const opened: Jobs[] = []
  const openOne = async (): Promise<Jobs> => {
    const jobs = await open(store, { clock, logger: false })
    opened.push(jobs)
    return jobs
  }
  const jobs = await openOne()
  const events: JobEvent[] = []
  jobs.on('*', (event) => void events.push(event))
  return {
    clock,
    jobs,
    store: inner,
    events,
    calls,
    interfere: (next = straight) => void (around = next),
    count: (verb) => calls.filter((call) => call.verb === verb).length,
    claims: () => calls.filter(({ verb }) => verb === 'claim').map(({ args }) => args[0] as ClaimRequest),
    of: <T extends EventType>(type: T) => events.filter((event): event is EventOf<T> => event.type === type),
    row: async (id) => {
      const [job] = await inner.get([id])
      if (job === undefined) throw new Error(`There is no job ${id}`)
      return job
    },
    another: openOne,
    [Symbol.asyncDispose]: async () => {
      around = straight
      await clock.during(Promise.all(opened.map((one) => one.close({ grace: 0 }))))
      await inner.close()
      expect(clock.waiting, 'timers left').toBe(0)
    },
  }
}

function makeStore(source: Source): Store<unknown> {
  return source === 'sqlite' ? new SqliteStore({ file: ':memory:' }) : new MemoryStore()
}

/** A run that ends when the test says so. */
export interface Run<Payload> {
  readonly payload: Payload
  readonly job: RunningJob
  readonly end: (result?: unknown) => void
  readonly fail: (error: unknown) => void
}

/** A handler whose runs the test ends, and the runs so far. */
export function byHand<Payload = undefined>(): {
  readonly runs: Run<Payload>[]
  readonly handler: (payload: Payload, job: RunningJob) => Promise<unknown>
} {
  const runs: Run<Payload>[] = []
  const handler = (payload: Payload, job: RunningJob): Promise<unknown> =>
    new Promise((end, fail) => void runs.push({ payload, job, end, fail }))
  return { runs, handler }
}

/** The store cannot be reached, for now. */
export function away(): never {
  throw new StoreError('The store is away', { retryable: true })
}
