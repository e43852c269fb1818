import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import * as conventions from '@opentelemetry/semantic-conventions/incubating'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { ConflictError, type Jobs, open, task } from '../index.ts'
import { MemoryStore } from '../stores/memory/index.ts'
import type { Store } from '../store.ts'
import { instrument, type InstrumentOptions } from './index.ts'
import { attributes, metricNames } from './names.ts'

const mail = task<{ to: string }>({ name: 'mail', queue: 'email', maxAttempts: 2, backoff: 0 })

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
})
afterAll(() => {
  context.disable()
  propagation.disable()
})

function newFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'jobferry-otel-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return join(dir, 'jobs.db')
}

/** A program of its own: what it opens, and what it says of it. */
async function program(source: string | Store<unknown>, options: InstrumentOptions = {}) {
  const exporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  const jobs = await open(source, { logger: false })
  const end = instrument(jobs, { tracerProvider, meterProvider, ...options })
  onTestFinished(async () => {
    await jobs.close({ grace: 0 })
    await meterProvider.shutdown()
  })
  const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans()
  const measured = async (): Promise<Readonly<Record<string, unknown>>> => {
    await reader.forceFlush()
    const latest = metricExporter.getMetrics().at(-1)
    const metrics = latest?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []
    return Object.fromEntries(
      metrics.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ attributes: labels, value }) => [
          labels,
          typeof value === 'object' && 'count' in value ? value.count : value,
        ]),
      ]),
    )
  }
  const tracer = tracerProvider.getTracer('test')
  return { jobs, end, spans, measured, tracer }
}

const ended = (jobs: Jobs, type: 'completed' | 'failed'): Promise<unknown> =>
  new Promise((resolve) => void jobs.on(type, resolve))

describe('traces', () => {
  it('lead from the enqueue of one program to the run in another, beside the payload', async () => {
    const file = newFile()
    const [web, worker] = [await program(`sqlite:${file}`), await program(`sqlite:${file}`)]
    const request = web.tracer.startSpan('GET /')
    const { id } = await context.with(trace.setSpan(context.active(), request), async () => {
      return await web.jobs.enqueue(mail, { to: 'ann' })
    })
    request.end()
    const completed = ended(worker.jobs, 'completed')
    let payload: unknown
    worker.jobs.work([
      mail.handle(async (given, job) => {
        payload = given
        worker.tracer.startSpan('smtp').end()
        await job.enqueue(mail, { to: 'next' }, { delay: '1h' })
      }),
    ])
    await completed
    expect(payload).toEqual({ to: 'ann' })

    const [enqueue] = web.spans()
    const [smtp, again, run] = worker.spans()
    expect(enqueue).toMatchObject({
      name: 'enqueue email',
      kind: SpanKind.PRODUCER,
      attributes: {
        'messaging.system': 'jobferry',
        'messaging.operation.name': 'enqueue',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'email',
        'messaging.message.id': id,
        'jobferry.task': 'mail',
      },
      parentSpanContext: { spanId: request.spanContext().spanId },
    })
    expect(run).toMatchObject({
      name: 'process email',
      kind: SpanKind.CONSUMER,
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        'messaging.system': 'jobferry',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'email',
        'messaging.message.id': id,
        'jobferry.task': 'mail',
        'jobferry.attempt': 1,
        'jobferry.max_attempts': 2,
      },
    })
    const { traceId, spanId } = enqueue!.spanContext()
    expect(run?.spanContext().traceId).toBe(traceId)
    expect(run?.parentSpanContext?.spanId).toBe(spanId)
    expect(run?.links.map((link) => link.context.spanId)).toEqual([spanId])
    expect([smtp, again].map((span) => [span?.name, span?.parentSpanContext?.spanId])).toEqual([
      ['smtp', run?.spanContext().spanId],
      ['enqueue email', run?.spanContext().spanId],
    ])
  })

  it('lead from another process, too', async () => {
    const file = newFile()
    const worker = await program(`sqlite:${file}`)
    const child = fork(join(import.meta.dirname, '../../test/otel-child.ts'), [file])
    const [{ traceId, spanId }] = (await once(child, 'message')) as [{ traceId: string; spanId: string }]
    const completed = ended(worker.jobs, 'completed')
    worker.jobs.work([mail.handle(() => undefined)])
    await completed
    const [run] = worker.spans()
    expect(run?.spanContext().traceId).toBe(traceId)
    expect(run?.parentSpanContext?.spanId).toBe(spanId)
  })

  it('are of their own, and only linked, where that is asked for', async () => {
    const { jobs, spans } = await program('memory:', { relation: 'link' })
    const completed = ended(jobs, 'completed')
    jobs.work([mail.handle(() => undefined)])
    await jobs.enqueue(mail, { to: 'ann' })
    await completed
    const [enqueue, run] = spans()
    expect(run?.parentSpanContext).toBeUndefined()
    expect(run?.spanContext().traceId).not.toBe(enqueue?.spanContext().traceId)
    expect(run?.links.map((link) => link.context)).toMatchObject([{ spanId: enqueue?.spanContext().spanId }])
  })

  it('say what failed, attempt by attempt, each linked to the one enqueue', async () => {
    const { jobs, spans } = await program('memory:')
    const failed = ended(jobs, 'failed')
    jobs.work([mail.handle(() => Promise.reject(new RangeError('no such mailbox')))])
    await jobs.enqueue(mail, { to: 'ann' })
    await failed
    const [enqueue, ...runs] = spans()
    expect(runs).toHaveLength(2)
    for (const [i, run] of runs.entries()) {
      expect(run).toMatchObject({
        status: { code: SpanStatusCode.ERROR, message: 'no such mailbox' },
        attributes: { 'error.type': 'RangeError', 'jobferry.attempt': i + 1 },
        events: [{ name: 'exception' }],
      })
      expect(run.links.map((link) => link.context.spanId)).toEqual([enqueue?.spanContext().spanId])
    }
  })

  it('have one span for many jobs of one call, which all lead back to it', async () => {
    const { jobs, spans } = await program('memory:')
    await jobs.enqueueMany([mail.with({ to: 'a' }), mail.with({ to: 'b' }), mail.with({ to: 'c' }, { queue: 'slow' })])
    expect(spans()).toHaveLength(1)
    expect(spans()[0]).toMatchObject({ name: 'enqueue jobs', attributes: { 'messaging.batch.message_count': 3 } })
    const held = await jobs.leaseMany({ limit: 3 })
    const { traceId, spanId } = spans()[0]!.spanContext()
    for (const one of held) expect(one.trace).toEqual({ traceparent: `00-${traceId}-${spanId}-01` })
  })

  it('begin in a transaction of the caller, and tell of an enqueue that is refused', async () => {
    const file = newFile()
    const { jobs, spans } = await program(`sqlite:${file}`)
    const db = new DatabaseSync(file)
    db.exec('begin immediate')
    const { id } = jobs.enqueue(mail, { to: 'ann' }, { tx: db, unique: 'one' })
    db.exec('commit')
    db.close()
    await expect(jobs.enqueue(mail, { to: 'ben' }, { unique: { key: 'one', onConflict: 'reject' } })).rejects.toThrow(
      ConflictError,
    )
    expect(spans()).toMatchObject([
      { attributes: { 'messaging.message.id': id } },
      { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'ConflictError' } },
    ])
    expect((await jobs.lease())?.trace).toBeDefined()
  })

  it('keep the policy that a job has beside its trace, and give a replaced job that of the later enqueue', async () => {
    const { jobs, spans } = await program('memory:')
    const unique = { key: 'one', onConflict: 'replace' } as const
    await jobs.enqueue(mail, { to: 'ann' }, { unique, timeout: '1s' })
    await jobs.enqueue(mail, { to: 'ben' }, { unique, timeout: '2s' })
    const held = await jobs.lease()
    expect(held?.payload).toEqual({ to: 'ben' })
    expect(held?.trace?.['traceparent']).toContain(spans()[1]?.spanContext().spanId)
  })

  it('have no link, and no failure, where the store cannot keep it', async () => {
    const store = new MemoryStore()
    const fewer = new Set([...store.capabilities].filter((one) => one !== 'policy'))
    const { jobs, spans } = await program(Object.defineProperty(store, 'capabilities', { value: fewer }))
    const completed = ended(jobs, 'completed')
    jobs.work([mail.handle(() => undefined)])
    await jobs.enqueue(mail, { to: 'ann' })
    await completed
    expect(spans().map(({ name, links }) => [name, links])).toEqual([
      ['enqueue email', []],
      ['process email', []],
    ])
  })

  it('end with the instrument: nothing travels any more', async () => {
    const { jobs, spans, end } = await program('memory:')
    end()
    await jobs.enqueue(mail, { to: 'ann' })
    expect(spans()).toEqual([])
    expect((await jobs.lease())?.trace).toBeUndefined()
  })
})

describe('metrics', () => {
  it('count what is sent and consumed, how it ended, and what there is', async () => {
    const { jobs, measured } = await program('memory:')
    const failed = ended(jobs, 'failed')
    jobs.work([mail.handle(({ to }) => (to === 'bad' ? Promise.reject(new RangeError('bad')) : undefined))])
    await jobs.enqueueMany([mail.with({ to: 'ann' }), mail.with({ to: 'bad' })])
    await failed
    const of = { 'messaging.system': 'jobferry', 'messaging.destination.name': 'email', 'jobferry.task': 'mail' }
    const process = { ...of, 'messaging.operation.name': 'process' }
    const found = await measured()
    expect(found).toMatchObject({
      'messaging.client.sent.messages': [[{ ...of, 'messaging.operation.name': 'enqueue' }, 2]],
      'messaging.client.consumed.messages': [[process, 3]],
      'messaging.client.operation.duration': [
        [
          {
            'messaging.system': 'jobferry',
            'messaging.operation.name': 'enqueue',
            'messaging.operation.type': 'send',
          },
          1,
        ],
      ],
      'jobferry.wait.duration': [[of, 3]],
    })
    expect(found['messaging.process.duration']).toEqual(
      expect.arrayContaining([
        [process, 1],
        [{ ...process, 'error.type': 'RangeError' }, 2],
      ]),
    )
    expect(found['jobferry.run.ends']).toEqual(
      expect.arrayContaining([
        [{ ...of, 'jobferry.end': 'completed' }, 1],
        [{ ...of, 'jobferry.end': 'retrying' }, 1],
        [{ ...of, 'jobferry.end': 'failed' }, 1],
      ]),
    )
    expect(found['jobferry.jobs']).toEqual(expect.arrayContaining([[{ ...of, 'jobferry.state': 'failed' }, 1]]))
  })

  it('are bounded: queues without end share one series', async () => {
    const { jobs, measured } = await program('memory:', { mostSeries: 2 })
    for (let n = 0; n < 5; n++) await jobs.enqueue(mail, { to: 'ann' }, { queue: `customer-${n}` })
    const sent = (await measured())['messaging.client.sent.messages'] as [Record<string, unknown>, number][]
    expect(sent.map(([labels, count]) => [labels['messaging.destination.name'], count])).toEqual([
      ['customer-0', 1],
      ['customer-1', 1],
      ['(other)', 3],
    ])
  })
})

it('has the names of the semantic conventions', () => {
  expect(Object.values(attributes)).toEqual([
    conventions.ATTR_MESSAGING_SYSTEM,
    conventions.ATTR_MESSAGING_OPERATION_NAME,
    conventions.ATTR_MESSAGING_OPERATION_TYPE,
    conventions.ATTR_MESSAGING_DESTINATION_NAME,
    conventions.ATTR_MESSAGING_MESSAGE_ID,
    conventions.ATTR_MESSAGING_BATCH_MESSAGE_COUNT,
    conventions.ATTR_ERROR_TYPE,
  ])
  expect(Object.values(metricNames)).toEqual([
    conventions.METRIC_MESSAGING_CLIENT_SENT_MESSAGES,
    conventions.METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES,
    conventions.METRIC_MESSAGING_CLIENT_OPERATION_DURATION,
    conventions.METRIC_MESSAGING_PROCESS_DURATION,
  ])
  expect([conventions.MESSAGING_OPERATION_TYPE_VALUE_SEND, conventions.MESSAGING_OPERATION_TYPE_VALUE_PROCESS]).toEqual(
    ['send', 'process'],
  )
})
