import { describe, expect, it } from 'vitest'

import { StoreError, task } from '../../src/index.ts'
import { exposition } from '../../src/signals/exposition.ts'
import { metrics, type MetricsOptions } from '../../src/signals/metrics.ts'
import { type Simulation, simulate } from '../simulation.ts'
import { parse, type Sample } from './parse.ts'

const mail = task<string>({ name: 'mail', maxAttempts: 2, backoff: '1m' })
const strange = 'a "queue"\\n{with="all"} 1'

function mailer(sim: Simulation, ranMs = 0): ReturnType<typeof mail.handle> {
  return mail.handle(async (how) => {
    if (ranMs > 0) await new Promise<void>((resolve) => sim.clock.after(ranMs, resolve))
    if (how === 'bad') throw new Error('bad')
  })
}

function metricsOf(sim: Simulation, options: MetricsOptions = {}) {
  const made = metrics(sim.jobs, { clock: sim.clock, ...options })
  const samples = async (name: string): Promise<readonly Sample[]> => parse(await made.text()).get(name)?.samples ?? []
  const values = async (name: string): Promise<readonly (readonly [Record<string, string>, number])[]> =>
    (await samples(name)).map(({ labels, value }) => [labels, value])
  return { ...made, samples, values }
}

describe('the text for Prometheus', () => {
  it('holds to its format, whatever queues and tasks are called', async () => {
    await using sim = await simulate()
    const { text, values } = metricsOf(sim)
    await sim.jobs.enqueue(mail, 'ok', { queue: strange })
    await sim.jobs.enqueue(task({ name: '\\" 🦉,' }), undefined, { queue: '' })
    await sim.jobs.enqueue(mail, 'bad')
    await sim.jobs.configure(strange, { concurrency: 3 })
    sim.jobs.work([mailer(sim)])
    await sim.clock.advance('10s')
    expect([...parse(await text()).keys()]).toEqual([
      'jobferry_store_up',
      'jobferry_jobs',
      'jobferry_queue_late_seconds',
      'jobferry_queue_paused',
      'jobferry_queue_concurrency_limit',
      'jobferry_workers',
      'jobferry_workers_running',
      'jobferry_workers_concurrency',
      'jobferry_enqueued_total',
      'jobferry_run_ends_total',
      'jobferry_run_seconds',
      'jobferry_wait_seconds',
      'jobferry_pruned_total',
    ])
    expect((await values('jobferry_jobs')).filter(([, value]) => value > 0)).toEqual([
      [{ queue: '', task: '\\" 🦉,', state: 'pending' }, 1],
      [{ queue: strange, task: 'mail', state: 'completed' }, 1],
      [{ queue: 'default', task: 'mail', state: 'pending' }, 1],
    ])
    expect(await values('jobferry_queue_concurrency_limit')).toEqual([[{ queue: strange }, 3]])
    expect(await values('jobferry_queue_late_seconds')).toEqual([
      [{ queue: '' }, 10],
      [{ queue: 'default' }, 0],
    ])
  })

  it('keeps every character of a label, also those that only a foreign format allows', () => {
    const label = 'a\nb"c\\d\\\\n\r\t{}'
    const family = { kind: 'gauge', name: 'x', help: 'two\nlines \\', samples: [[{ label }, 1.5]] } as const
    const found = parse(exposition([family])).get('x')
    expect(found?.samples).toEqual([{ name: 'x', labels: { label }, value: 1.5 }])
    expect(found?.help).toBe('two\\nlines \\\\')
  })

  it('is there before anything has happened', async () => {
    await using sim = await simulate()
    const { text } = metricsOf(sim)
    expect(parse(await text()).get('jobferry_store_up')?.samples).toMatchObject([
      { labels: { store: 'memory' }, value: 1 },
    ])
  })

  it('counts how runs end, how long they take and how long they waited', async () => {
    await using sim = await simulate()
    const { values, samples } = metricsOf(sim)
    await sim.jobs.enqueueMany([mail.with('ok'), mail.with('ok'), mail.with('bad')])
    await sim.clock.advance('3s')
    sim.jobs.work([mailer(sim, 700)])
    await sim.clock.advance('5m')
    const of = { queue: 'default', task: 'mail' }
    expect(await values('jobferry_run_ends_total')).toEqual([
      [{ ...of, end: 'completed' }, 2],
      [{ ...of, end: 'retrying' }, 1],
      [{ ...of, end: 'failed' }, 1],
    ])
    const ran = await samples('jobferry_run_seconds')
    expect(ran.filter(({ labels }) => ['0.5', '1'].includes(labels['le'] ?? '')).map(({ value }) => value)).toEqual([
      0, 4,
    ])
    expect(ran.at(-2)).toEqual({ name: 'jobferry_run_seconds_sum', labels: of, value: 2.8 })
    const waited = await samples('jobferry_wait_seconds')
    expect(waited.find(({ labels }) => labels['le'] === '5')?.value).toBe(4)
  })

  it('counts leases that were lost, jobs that were taken back, and errors of the store', async () => {
    await using sim = await simulate()
    const { values } = metricsOf(sim)
    await sim.jobs.enqueue(mail, 'ok')
    sim.jobs.work([mail.handle(() => new Promise<void>((resolve) => sim.clock.after(120_000, resolve)))])
    await sim.clock.settle()
    sim.interfere(({ verb }, next) => {
      if (verb === 'renew') throw new StoreError('away', { retryable: true })
      return next()
    })
    await sim.clock.advance('3m')
    const of = { queue: 'default', task: 'mail' }
    const lost = (await values('jobferry_run_ends_total')).find(([labels]) => labels['end'] === 'lost')
    expect(lost).toEqual([{ ...of, end: 'lost' }, expect.any(Number)])
    expect((await values('jobferry_rescued_total'))[0]?.[0]).toEqual(of)
    expect((await values('jobferry_errors_total'))[0]?.[0]).toEqual({ during: 'renewing leases', store: 'true' })
    await sim.clock.advance('5m') // runs that nobody waits for any more
  })

  it('shows the workers of all processes, and adds up what they tell without ever going back', async () => {
    await using sim = await simulate()
    const { values, samples } = metricsOf(sim)
    await values('jobferry_workers')
    const other = await sim.another()
    const worker = other.work([mailer(sim)])
    await sim.jobs.enqueueMany([mail.with('ok'), mail.with('ok')])
    await sim.clock.advance('5s')
    const completed = async () =>
      (await values('jobferry_workers_run_ends_total')).find(([labels]) => labels['end'] === 'completed')
    expect(await values('jobferry_workers')).toEqual([
      [{ state: 'working' }, 1],
      [{ state: 'stopping' }, 0],
    ])
    expect(await completed()).toEqual([{ task: 'mail', end: 'completed' }, 2])
    await sim.jobs.enqueue(mail, 'ok')
    await sim.clock.advance('5s')
    expect(await completed()).toEqual([{ task: 'mail', end: 'completed' }, 3])
    expect((await samples('jobferry_workers_run_seconds')).at(-1)?.value).toBe(3)
    await worker.stop()
    expect(await values('jobferry_workers_concurrency')).toEqual([[{}, 0]])
    other.work([mailer(sim)])
    await sim.jobs.enqueue(mail, 'ok')
    await sim.clock.advance('5s')
    expect(await completed()).toEqual([{ task: 'mail', end: 'completed' }, 4])
  })

  it('is bounded: queues without end share one series', async () => {
    await using sim = await simulate()
    const { values } = metricsOf(sim, { mostSeries: 3 })
    for (let n = 0; n < 50; n++) await sim.jobs.enqueue(mail, 'ok', { queue: `customer-${String(n).padStart(2, '0')}` })
    const pending = (await values('jobferry_jobs')).filter(([{ state }]) => state === 'pending')
    expect(pending.map(([{ queue }, value]) => [queue, value])).toEqual([
      ['customer-00', 1],
      ['customer-01', 1],
      ['customer-02', 1],
      ['(other)', 47],
    ])
    expect(await values('jobferry_enqueued_total')).toHaveLength(4)
    expect(await values('jobferry_queue_paused')).toHaveLength(1)
  })

  it('does without a store that fails or hangs, and says so', async () => {
    await using sim = await simulate()
    const { text, values } = metricsOf(sim)
    await sim.jobs.enqueue(mail, 'ok')
    sim.interfere(({ verb }, next) => {
      if (verb === 'queues') throw new StoreError('away', { retryable: true })
      return next()
    })
    const found = parse(await text())
    expect(found.get('jobferry_store_up')?.samples).toMatchObject([{ value: 0 }])
    expect(found.has('jobferry_jobs')).toBe(false)
    expect(found.get('jobferry_enqueued_total')?.samples).toHaveLength(1)
    sim.interfere(({ verb }, next) => (verb === 'queues' ? new Promise(() => undefined) : next()))
    const hanging = values('jobferry_store_up')
    await sim.clock.advance('5s')
    expect(await hanging).toEqual([[{ store: 'memory' }, 0]])
  })

  it('asks the store twice at most, and no scan of it', async () => {
    await using sim = await simulate()
    const { text } = metricsOf(sim)
    sim.calls.length = 0
    await text()
    expect(sim.calls.map(({ verb }) => verb)).toEqual(['queues', 'workers'])
  })
})

describe('the handler', () => {
  it('answers GET and HEAD, and nothing else, and counts no more once ended', async () => {
    await using sim = await simulate()
    const { handler, end } = metricsOf(sim)
    const ask = (method: string): Promise<Response> => handler(new Request('http://x/metrics', { method }))
    const got = await ask('GET')
    expect([got.status, got.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    expect(parse(await got.text()).size).toBeGreaterThan(0)
    expect([(await ask('HEAD')).status, await (await ask('HEAD')).text()]).toEqual([200, ''])
    expect((await ask('POST')).status).toBe(405)
    end()
    await sim.jobs.enqueue(mail, 'ok')
    expect(await (await ask('GET')).text()).not.toContain('jobferry_enqueued_total')
  })
})
