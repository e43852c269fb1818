import { deepStrictEqual, ok } from 'node:assert/strict'

import { type Job, type State, states } from '../../core/job.ts'
import { fault } from '../../core/lifecycle.ts'
import type { Counts, QueueStats, Store, StoredLogLine } from '../../store.ts'

/** All that can be seen of a store. */
export interface Dump {
  /** Oldest id first; empty where the store cannot `inspect`. */
  readonly jobs: readonly Job[]
  readonly queues: readonly QueueStats[]
  /** Of the jobs listed. */
  readonly logs: readonly StoredLogLine[]
}

/** Everything, for comparing before and after. */
export async function dump(store: Store<unknown>): Promise<Dump> {
  const jobs = store.capabilities.has('inspect') ? await store.list({ order: 'oldest', limit: 100_000 }) : []
  const queues = await store.queues()
  if (!store.capabilities.has('logs')) return { jobs, queues, logs: [] }
  const logs: StoredLogLine[] = []
  for (const { id } of jobs) logs.push(...(await store.logs(id, 100_000)))
  return { jobs, queues, logs }
}

/** What holds of every store at every moment: rows without fault, counts that a recount confirms, one holder of each key. */
export async function expectSound(store: Store<unknown>): Promise<void> {
  if (!store.capabilities.has('inspect')) return
  const { jobs, queues } = await dump(store)
  for (const job of jobs) deepStrictEqual({ id: job.id, fault: fault(job) }, { id: job.id, fault: undefined })
  expectOneEach(
    'unique key',
    jobs.flatMap((job) => (job.unique?.held === true ? [`${job.queue}\n${job.unique.key}`] : [])),
  )
  expectOneEach(
    'running concurrency key',
    jobs.flatMap((job) =>
      job.state === 'running' && job.concurrencyKey !== undefined ? [`${job.queue}\n${job.concurrencyKey}`] : [],
    ),
  )
  expectExact(queues, jobs)
}

/** Every count of `queues()` is what counting the rows gives. */
export function expectExact(queues: readonly QueueStats[], jobs: readonly Job[]): void {
  for (const { queue, counts, tasks, nextRunAt } of queues) {
    const own = jobs.filter((job) => job.queue === queue)
    const recounted = Object.fromEntries(
      Object.keys(tasks).map((task) => [task, count(own.filter((job) => job.task === task))]),
    )
    const waiting = own.filter((job) => job.state === 'pending').map((job) => job.runAt)
    const earliest = waiting.length === 0 ? undefined : waiting.reduce((a, b) => Math.min(a, b))
    deepStrictEqual(
      { queue, counts, tasks, nextRunAt },
      { queue, counts: count(own), tasks: recounted, nextRunAt: earliest },
    )
  }
  const known = new Set(queues.flatMap(({ queue, tasks }) => Object.keys(tasks).map((task) => `${queue}\n${task}`)))
  for (const { id, queue, task } of jobs)
    ok(known.has(`${queue}\n${task}`), `queues() knows the queue and task of ${id}`)
}

/** How many of these jobs are in each state. */
export function count(jobs: readonly Job[]): Counts {
  const counts: Record<State, number> = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
  for (const state of states) counts[state] = jobs.filter((job) => job.state === state).length
  return counts
}

/** The store is, to every eye, as it was when `before` was taken. */
export async function expectUnchanged(store: Store<unknown>, before: Dump): Promise<void> {
  deepStrictEqual(await dump(store), before)
}

function expectOneEach(what: string, keys: readonly string[]): void {
  const doubled = keys.filter((key, i) => keys.indexOf(key) !== i)
  deepStrictEqual(doubled, [], `no ${what} twice`)
}
