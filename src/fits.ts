import type { Capability } from './core/capability.ts'
import { UnsupportedError, UsageError } from './core/errors.ts'
import type { Job } from './core/job.ts'
import type { Store } from './store.ts'
import type { Entry } from './task.ts'

/** What an enqueue can ask of a store. */
const asked: readonly Capability[] = ['schedule', 'priority', 'dedupe', 'concurrency', 'policy']

/** Whether the store can hold whatever an enqueue asks for, so that nobody need look. */
export function fitsAll(store: Store<unknown>): boolean {
  return store.refusal === undefined && asked.every((capability) => store.capabilities.has(capability))
}

/**
 * Refuses what the store would lose of a job in silence.
 * @throws UnsupportedError with the name of the capability · UsageError when its format cannot hold the job
 */
export function expectFits(store: Store<unknown>, { task, options }: Entry, job: Job): void {
  const asks: Readonly<Record<string, boolean>> = {
    schedule: options.delay !== undefined || options.runAt !== undefined,
    priority: options.priority !== undefined || task.policy.said.has('priority'),
    dedupe: job.unique !== undefined,
    concurrency: job.concurrencyKey !== undefined,
    policy: (options.maxAttempts !== undefined && store.rules?.attemptsKeptBy !== 'row') || job.policy !== undefined,
  }
  for (const capability of asked)
    if (asks[capability] === true && !store.capabilities.has(capability))
      throw new UnsupportedError(capability, store.name)
  expectHolds(store, job)
}

/** @throws UsageError when the store's format cannot hold the job */
export function expectHolds(store: Store<unknown>, job: Job): void {
  const refusal = store.refusal?.(job)
  if (refusal !== undefined) throw new UsageError(`The ${store.name} store cannot hold this job: ${refusal}`)
}
