import {
  type Attributes,
  type Context,
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
  type Tracer,
} from '@opentelemetry/api'

import type { EnqueueStep } from '../enqueue-step.ts'
import type { Middleware } from '../middleware.ts'
import type { RunningJob } from '../running-job.ts'
import { errorType } from './error-type.ts'
import { attributes, ownAttributes, system } from './names.ts'

/** How a run's span relates to that of its enqueue: its child, in one trace, or linked to it, in a trace of its own. Both have the link. */
export type Relation = 'parent' | 'link'

/** What spans are made with. */
export interface Tracing {
  readonly tracer: Tracer
  /** Default: the global one. */
  readonly propagator: Pick<TextMapPropagator, 'inject' | 'extract'> | undefined
  readonly relation: Relation
  /** Whether it is to do anything at all. */
  readonly on: () => boolean
}

/** A span for each call that enqueues, whatever number of jobs it is for, and its context for the way. */
export function enqueueSpans({ tracer, propagator = propagation, on }: Tracing): EnqueueStep {
  return (jobs) => {
    if (!on()) return undefined
    const span = tracer.startSpan(`enqueue ${oneOf(jobs.map(({ queue }) => queue)) ?? 'jobs'}`, {
      kind: SpanKind.PRODUCER,
      attributes: {
        [attributes.system]: system,
        [attributes.operationName]: 'enqueue',
        [attributes.operationType]: 'send',
        ...given(attributes.destination, oneOf(jobs.map(({ queue }) => queue))),
        ...given(ownAttributes.task, oneOf(jobs.map(({ task }) => task))),
        ...given(attributes.batchCount, jobs.length === 1 ? undefined : jobs.length),
      },
    })
    const carrier: Record<string, string> = {}
    propagator.inject(trace.setSpan(context.active(), span), carrier, defaultTextMapSetter)
    return {
      ...(Object.keys(carrier).length === 0 ? {} : { trace: carrier }),
      stored: (ids) => {
        const [id] = ids
        if (ids.length === 1 && id !== undefined) span.setAttribute(attributes.messageId, id)
        span.end()
      },
      failed: (error) => fail(span, error),
    }
  }
}

/** A span around each run, active in its handler, with a way back to that of its enqueue where the store has kept it. */
export function runSpans({ tracer, propagator = propagation, relation, on }: Tracing): Middleware {
  return async (job, next) => {
    if (!on()) return await next()
    const sender = job.trace && propagator.extract(context.active(), job.trace, defaultTextMapGetter)
    const sent = sender && trace.getSpanContext(sender)
    const parent = relation === 'parent' && sent !== undefined ? sender : context.active()
    const span = tracer.startSpan(
      `process ${job.queue}`,
      { kind: SpanKind.CONSUMER, attributes: describe(job), links: sent === undefined ? [] : [{ context: sent }] },
      parent,
    )
    return await inside(trace.setSpan(parent ?? context.active(), span), span, next)
  }
}

async function inside(active: Context, span: Span, next: () => Promise<unknown>): Promise<unknown> {
  try {
    const result = await context.with(active, next)
    span.end()
    return result
  } catch (error) {
    fail(span, error)
    throw error
  }
}

function fail(span: Span, error: unknown): void {
  span.recordException(error instanceof Error ? error : String(error))
  span.setAttribute(attributes.errorType, errorType(error))
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
  span.end()
}

function describe(job: RunningJob): Attributes {
  return {
    [attributes.system]: system,
    [attributes.operationName]: 'process',
    [attributes.operationType]: 'process',
    [attributes.destination]: job.queue,
    [attributes.messageId]: job.id,
    [ownAttributes.task]: job.task,
    [ownAttributes.attempt]: job.attempt,
    [ownAttributes.maxAttempts]: job.maxAttempts,
    ...given(ownAttributes.parent, job.parent),
  }
}

function given(name: string, value: string | number | undefined): Attributes {
  return value === undefined ? {} : { [name]: value }
}

/** The one value that all share. */
function oneOf(values: readonly string[]): string | undefined {
  const [first] = values
  return values.every((value) => value === first) ? first : undefined
}
