// A program that enqueues one job within a trace of its own, says which, and ends.
import { context, propagation } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

import { open, task } from '../src/index.ts'
import { instrument } from '../src/otel/index.ts'

context.setGlobalContextManager(new AsyncLocalStorageContextManager())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
const exporter = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const jobs = await open(`sqlite:${process.argv[2]}`)
instrument(jobs, { tracerProvider })
await jobs.enqueue(task<{ to: string }>({ name: 'mail', queue: 'email' }), { to: 'ann' })
await jobs.close()
const { traceId, spanId } = exporter.getFinishedSpans()[0]!.spanContext()
process.send?.({ traceId, spanId }, () => process.disconnect())
