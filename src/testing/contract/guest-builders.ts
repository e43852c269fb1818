import { ok } from 'node:assert/strict'

import type { Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Store } from '../../store.ts'
import { aJob, fail, offer, only, T, take, there } from './builders.ts'
import type { Fixture } from './case.ts'

/** A job that every format can hold: in some, a queue is what a task is, so it is called as its task is. */
export function guestJob(given: Partial<Job> = {}): Job {
  return aJob({ payload: '["ada",1]', queue: given.task ?? 'mail', ...given })
}

/** Adds jobs, and gives them with the ids that they were given. */
export async function addAll(store: Store<unknown>, jobs: readonly Job[]): Promise<readonly Job[]> {
  const result = await offer(store, jobs)
  ok(result.ok)
  return jobs.map((job, i) => ({ ...job, id: result.ids?.[i] ?? job.id }))
}

export async function addJob(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  return only(await addAll(store, [guestJob(given)]))
}

/** Adds a job and claims it. */
export async function run(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  const job = await addJob(store, given)
  return only(await take(store, { tasks: new Map([[job.task, 1]]), queues: [job.queue] }))
}

/** A failure that leaves an attempt: what a task says of its attempts is known to the worker alone. */
export function failAgain(job: Job): Write {
  return fail({ ...job, maxAttempts: job.attempt + 1 })
}

/** One more store on the same jobs. */
export async function another({ another: open }: Fixture): Promise<Store<unknown>> {
  const store = await there(open)()
  await store.migrate()
  return store
}

/** What every format keeps of a job; its payload as a value, since JSON can be written in more ways than one. */
export function plain(job: Job | undefined): object {
  const { id: _, ...rest } = facts(job)
  return { ...rest, payload: JSON.parse(String(rest.payload)) }
}

/** The time is at least `T`: a format that keeps no times gives one that is long past. */
export function facts(
  given: Job | undefined,
): Pick<Job, 'id' | 'task' | 'queue' | 'priority' | 'payload' | 'runAt' | 'state' | 'attempt'> {
  const { id, task, queue, priority, payload, runAt, state, attempt } = there(given)
  return {
    id,
    task,
    queue,
    priority,
    payload: String(payload).replaceAll(', ', ',').replaceAll(': ', ':'),
    runAt: Math.max(runAt, T),
    state,
    attempt,
  }
}
