import { onTestFinished } from 'vitest'

import { type EventOf, type EventType, type Jobs, open, type OpenOptions } from '../../src/index.ts'
import { SqliteStore } from '../../src/stores/sqlite/index.ts'
import { ManualClock, type StoreCall, throughStore } from '../../src/testing/index.ts'
import { newFile } from '../sqlite/kit.ts'

export { count, newFile, newFolder, next, openHandle, openJobs, startChild } from '../sqlite/kit.ts'

/** The instant at which every test begins. */
export const T = Date.UTC(2026, 0, 1)

/** A queue in a file of its own, and the time in the hands of the test. */
export interface Bench {
  readonly jobs: Jobs
  readonly clock: ManualClock
  readonly file: string
}

/** Opens a new file, or a given one, for the length of the test. */
export async function openBench(options: OpenOptions & { readonly file?: string } = {}): Promise<Bench> {
  const { file = newFile(), ...rest } = options
  const clock = new ManualClock({ now: T })
  const jobs = await open(`sqlite:${file}`, { clock, logger: false, ...rest })
  onTestFinished(() => clock.during(jobs.close({ grace: 0 })))
  return { jobs, clock, file }
}

/** The same, with every call to the store passing through a function: to count, or to fail. */
export async function openThrough(
  around: (call: StoreCall, next: () => unknown) => unknown,
): Promise<Bench & { readonly store: SqliteStore }> {
  const file = newFile()
  const clock = new ManualClock({ now: T })
  const store = new SqliteStore({ file })
  const jobs = await open(throughStore(store, around), { clock, logger: false })
  onTestFinished(() => clock.during(jobs.close({ grace: 0 })))
  return { jobs, clock, file, store }
}

/** What happened, in order: every event of a type from now on. */
export function heard<T extends EventType>(jobs: Jobs, type: T): readonly EventOf<T>[] {
  const events: EventOf<T>[] = []
  jobs.on(type, (event) => events.push(event))
  return events
}

/** A promise and the way to settle it: what a handler waits for. */
export interface Gate<Value = void> {
  readonly opened: Promise<Value>
  open(value: Value): void
}

export function gate<Value = void>(): Gate<Value> {
  const { promise, resolve } = Promise.withResolvers<Value>()
  return { opened: promise, open: resolve }
}
