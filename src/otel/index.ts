import { type MeterProvider, metrics, type TextMapPropagator, trace, type TracerProvider } from '@opentelemetry/api'

import { expectKnown, expectOneOf, expectWhole } from '../core/expect.ts'
import type { Jobs } from '../jobs.ts'
import { version } from '../version.ts'
import { measure } from './metering.ts'
import { enqueueSpans, type Relation, runSpans } from './tracing.ts'

export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider
  /** Default: the global one. */
  readonly propagator?: Pick<TextMapPropagator, 'inject' | 'extract'>
  /**
   * Whether a run belongs to the trace of its enqueue (`'parent'`, the default) or has a trace of its own (`'link'`), better where jobs wait for
   * days or many come of one call. A link to the enqueue it has in either case.
   */
  readonly relation?: Relation
  /** Whether to count, at each collection, the jobs in the store by queue, task and state. Default true; let one process do it. */
  readonly queues?: boolean
  /** How many pairs of queue and task have series of their own; all others share `(other)`. Default 500. */
  readonly mostSeries?: number
}

/**
 * Makes OpenTelemetry's traces and metrics of what this program enqueues and runs, by the semantic conventions for messaging. To be called
 * once for each opened store, before it is used; the returned function ends it.
 *
 * A run finds the span of its enqueue across processes, since the context travels with the job, beside its payload, in any store that has
 * the capability `policy`; in others there is no link. Runs of `jobs.lease` have no span: their context is `held.trace`.
 * @throws UsageError for bad options
 */
export function instrument(jobs: Jobs, options: InstrumentOptions = {}): () => void {
  const known = ['tracerProvider', 'meterProvider', 'propagator', 'relation', 'queues', 'mostSeries']
  expectKnown(options, known, 'instrument()')
  const { propagator, queues = true } = options
  const relation =
    options.relation === undefined ? 'parent' : expectOneOf(options.relation, 'relation', ['parent', 'link'])
  const mostSeries = options.mostSeries === undefined ? 500 : expectWhole(options.mostSeries, 'mostSeries', 1, 100_000)
  const tracer = (options.tracerProvider ?? trace.getTracerProvider()).getTracer('jobferry', version())
  const meter = (options.meterProvider ?? metrics.getMeterProvider()).getMeter('jobferry', version())
  let over = false
  const tracing = { tracer, propagator, relation, on: () => !over }
  jobs.useEnqueue(enqueueSpans(tracing))
  jobs.use(runSpans(tracing))
  const endMeasuring = measure(jobs, { meter, queues, mostSeries })
  return () => {
    over = true
    endMeasuring()
  }
}
