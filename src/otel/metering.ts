import type { Attributes, Meter } from '@opentelemetry/api'

import { states } from '../core/job.ts'
import type { EnqueueStep } from '../enqueue-step.ts'
import type { Jobs } from '../jobs.ts'
import type { JobEvent, JobFacts } from '../runtime/events.ts'
import { Seats } from '../signals/seats.ts'
import { errorType } from './error-type.ts'
import { attributes, boundaries, metricNames, ownAttributes, ownMetricNames, system } from './names.ts'

/** What measurements are made with. */
export interface Metering {
  readonly meter: Meter
  /** Whether to ask the store, at each collection, how many jobs there are. */
  readonly queues: boolean
  readonly mostSeries: number
}

/** Measures what happens in this process, from the events; the returned function ends it. */
export function measure(jobs: Jobs, { meter, queues, mostSeries }: Metering): () => void {
  const seconds = { unit: 's', advice: { explicitBucketBoundaries: [...boundaries] } }
  const consumed = meter.createCounter(metricNames.consumed, { unit: '{message}', description: 'Runs started.' })
  const ran = meter.createHistogram(metricNames.processDuration, { ...seconds, description: 'How long runs took.' })
  const waited = meter.createHistogram(ownMetricNames.waitDuration, {
    ...seconds,
    description: 'How long jobs were due before they were run.',
  })
  const ends = meter.createCounter(ownMetricNames.ends, { unit: '{run}', description: 'Runs that ended, and how.' })
  const lost = meter.createCounter(ownMetricNames.lost, { unit: '{run}', description: 'Runs whose lease was lost.' })
  const errors = meter.createCounter(ownMetricNames.errors, {
    unit: '{error}',
    description: 'What went wrong in the background.',
  })
  const seats = new Seats(mostSeries)
  const of = (job: Pick<JobFacts, 'queue' | 'task'>): Attributes => {
    const { queue, task } = seats.of(job.queue, job.task)
    return { [attributes.system]: system, [attributes.destination]: queue, [ownAttributes.task]: task }
  }
  const process = { [attributes.operationName]: 'process' }

  function count(event: JobEvent): void {
    switch (event.type) {
      case 'started':
        consumed.add(1, { ...of(event.job), ...process })
        return waited.record(event.waitedMs / 1_000, of(event.job))
      case 'completed':
      case 'snoozed':
        ran.record(event.ranMs / 1_000, { ...of(event.job), ...process })
        return ends.add(1, { ...of(event.job), [ownAttributes.end]: event.type })
      case 'retrying':
      case 'failed': {
        const error = { [attributes.errorType]: errorType(event.error) }
        ran.record(event.ranMs / 1_000, { ...of(event.job), ...process, ...error })
        return ends.add(1, { ...of(event.job), [ownAttributes.end]: event.type })
      }
      case 'lost':
        lost.add(1, of(event.job))
        return ends.add(1, { ...of(event.job), [ownAttributes.end]: event.type })
      case 'released':
      case 'cancelled':
        return ends.add(1, { ...of(event.job), [ownAttributes.end]: event.type })
      case 'error':
        return errors.add(1, {
          [attributes.system]: system,
          [attributes.errorType]: errorType(event.error),
          [ownAttributes.during]: event.during,
        })
      case 'enqueued': // the step around enqueues counts them, those that failed, too
      case 'rescued':
      case 'pruned':
        return
    }
  }

  let over = false
  jobs.useEnqueue(measureEnqueues(meter, of, () => !over))
  const endCounting = jobs.on('*', count)
  const endWatching = queues ? watchQueues(jobs, meter, of) : undefined
  return () => {
    over = true
    endCounting()
    endWatching?.()
  }
}

function measureEnqueues(
  meter: Meter,
  of: (job: Pick<JobFacts, 'queue' | 'task'>) => Attributes,
  on: () => boolean,
): EnqueueStep {
  const sent = meter.createCounter(metricNames.sent, { unit: '{message}', description: 'Jobs enqueued, or tried to.' })
  const took = meter.createHistogram(metricNames.operationDuration, {
    unit: 's',
    description: 'How long enqueues took.',
    advice: { explicitBucketBoundaries: [...boundaries] },
  })
  return (jobs) => {
    const [first] = jobs
    if (!on() || first === undefined) return undefined
    const since = performance.now()
    const ended = (error: Attributes): void => {
      for (const job of jobs) sent.add(1, { ...of(job), [attributes.operationName]: 'enqueue', ...error })
      const call = jobs.length === 1 ? of(first) : { [attributes.system]: system }
      const operation = { [attributes.operationName]: 'enqueue', [attributes.operationType]: 'send' }
      took.record((performance.now() - since) / 1_000, { ...call, ...operation, ...error })
    }
    return {
      stored: () => ended({}),
      failed: (error) => ended({ [attributes.errorType]: errorType(error) }),
    }
  }
}

/** Several tasks may share one seat, so that they are summed up before. */
function watchQueues(jobs: Jobs, meter: Meter, of: (job: Pick<JobFacts, 'queue' | 'task'>) => Attributes): () => void {
  const gauge = meter.createObservableGauge(ownMetricNames.jobs, {
    unit: '{job}',
    description: 'Jobs in the store by queue, task and state.',
  })
  const look = async (result: { observe(value: number, attributes: Attributes): void }): Promise<void> => {
    if (jobs.closed) return
    const sums = new Map<string, { readonly labels: Attributes; sum: number }>()
    for (const { queue, tasks } of await jobs.stats())
      for (const [task, counts] of Object.entries(tasks))
        for (const state of states) {
          const labels = { ...of({ queue, task }), [ownAttributes.state]: state }
          const known = sums.get(JSON.stringify(labels)) ?? { labels, sum: 0 }
          sums.set(JSON.stringify(labels), known)
          known.sum += counts[state]
        }
    for (const { labels, sum } of sums.values()) result.observe(sum, labels)
  }
  gauge.addCallback(look)
  return () => gauge.removeCallback(look)
}
