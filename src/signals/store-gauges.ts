import { type Instant, states } from '../core/job.ts'
import type { PresentWorker } from '../core/presence.ts'
import type { QueueStats } from '../store.ts'
import type { Family, Labels } from './exposition.ts'
import type { Seats } from './seats.ts'
import { Sums } from './sums.ts'

/** What the store counts while jobs move: no scan. */
export function queueGauges(queues: readonly QueueStats[], seats: Seats, now: Instant): readonly Family[] {
  const counts = new Sums()
  for (const { queue, tasks } of queues)
    for (const [task, of] of Object.entries(tasks))
      for (const state of states) counts.add({ ...seats.of(queue, task), state }, of[state])
  const own = queues.map((stats) => ({ ...stats, labels: { queue: seats.of(stats.queue, '').queue } }))
  const late = own.flatMap(({ labels, nextRunAt }) =>
    nextRunAt === undefined ? [] : [[labels, Math.max(0, now - nextRunAt) / 1_000] as const],
  )
  const limits = own.flatMap(({ labels, concurrency }) =>
    concurrency === null ? [] : [[labels, concurrency] as const],
  )
  return [
    gauge('jobferry_jobs', 'Jobs in the store by queue, task and state.', counts.samples),
    gauge('jobferry_queue_late_seconds', 'How long the first waiting job of the queue has been due.', most(late)),
    gauge(
      'jobferry_queue_paused',
      'Whether the queue is paused: 1, or 0.',
      most(own.map(({ labels, paused }) => [labels, paused ? 1 : 0])),
    ),
    gauge(
      'jobferry_queue_concurrency_limit',
      'How many jobs of the queue may run at a time, where limited.',
      most(limits),
    ),
  ]
}

/** The workers of all processes. */
export function workerGauges(workers: readonly PresentWorker[]): readonly Family[] {
  const of = (state: PresentWorker['state']): number => workers.filter((worker) => worker.state === state).length
  const sum = (key: 'running' | 'concurrency'): number => workers.reduce((total, worker) => total + worker[key], 0)
  return [
    gauge('jobferry_workers', 'Workers that are alive, in any process.', [
      [{ state: 'working' }, of('working')],
      [{ state: 'stopping' }, of('stopping')],
    ]),
    gauge('jobferry_workers_running', 'Jobs that the workers of all processes run.', [[{}, sum('running')]]),
    gauge('jobferry_workers_concurrency', 'Jobs that they could run at a time.', [[{}, sum('concurrency')]]),
  ]
}

export function gauge(name: string, help: string, samples: readonly (readonly [Labels, number])[]): Family {
  return { kind: 'gauge', name, help, samples }
}

/** Queues that share labels show the most of theirs. */
function most(
  samples: readonly (readonly [{ readonly queue: string }, number])[],
): readonly (readonly [Labels, number])[] {
  const byQueue = new Map<string, number>()
  for (const [{ queue }, value] of samples) byQueue.set(queue, Math.max(value, byQueue.get(queue) ?? value))
  return [...byQueue].map(([queue, value]) => [{ queue }, value])
}
