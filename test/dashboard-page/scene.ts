import { setTimeout as wait } from 'node:timers/promises'

import { z } from 'zod'

import { type Jobs, snooze, task, UnrecoverableError } from '../../src/index.ts'
import type { AnyTask } from '../../src/task.ts'

/** What plays, for photographs: a shop that sends, charges, resizes and reports, with the usual bad luck. */
export interface Scene {
  readonly tasks: readonly AnyTask[]
  /** Ids of a job in each of these states. */
  readonly failed: string
  readonly running: string
  readonly completed: string
  readonly pending: string
  end(): Promise<void>
}

/** Fills a store and keeps it busy until `end`. */
export async function scene(jobs: Jobs): Promise<Scene> {
  const ended = new AbortController()
  const breath = (ms: number): Promise<void> => wait(ms * (0.5 + Math.random()))

  const sendEmail = task({
    name: 'send-email',
    queue: 'notify',
    payload: z.object({ to: z.email(), template: z.string(), order: z.number().optional() }),
    maxAttempts: 3,
    backoff: { type: 'exponential', delay: '20s' },
    retention: { completed: '6h', failed: '7d' },
    handler: async ({ to, template }, job) => {
      job.log.info('rendering', { template })
      await breath(40)
      if (Math.random() < 0.02) throw new UnrecoverableError(`SMTP 550: no such mailbox, while sending to ${to}`)
      if (Math.random() < 0.06) throw new Error(`SMTP 421: too many connections from this host, while sending to ${to}`)
      job.log.info('sent', { messageId: `<${job.id}@mail.example.com>` })
      return { messageId: `<${job.id}@mail.example.com>`, accepted: [to] }
    },
  })
  const charge = task<{ order: number; cents: number; card: string }>({
    name: 'charge-card',
    queue: 'payments',
    maxAttempts: 2,
    backoff: { type: 'fixed', delay: 50 },
    retention: { completed: '7d', failed: '30d' },
    handler: async ({ order, cents }, job) => {
      job.log.info('asking the bank', { order, cents })
      await breath(90)
      job.log.warn('the bank is slow', { ms: 2_100 })
      if (order % 17 === 0) throw new DeclinedError(`Card declined for order ${order}: insufficient funds`)
      return { captured: cents, currency: 'EUR' }
    },
  })
  const thumbnail = task<{ image: string; width: number }>({
    name: 'make-thumbnail',
    queue: 'images',
    retention: { completed: '1h' },
    handler: async ({ image }) => {
      await breath(60)
      if (image.endsWith('7-13.webp')) throw new UnrecoverableError(`${image}: not an image this program can read`)
      return { bytes: 18_234 }
    },
  })
  const syncCrm = task<{ customer: string }>({
    name: 'sync-crm',
    maxAttempts: 1,
    queue: 'integrations',
    retention: { completed: '1h' },
    handler: async () => {
      await breath(100)
      if (Math.random() < 0.3) throw new Error('HTTP 503 from https://crm.example.com/v2/customers: try again later')
      return Math.random() < 0.2 ? snooze('10m') : undefined
    },
  })
  const report = task<{ month: string; formats: readonly string[]; recipients: readonly string[] }>({
    name: 'build-report',
    queue: 'reports',
    timeout: '10m',
    retention: { completed: '1d' },
    handler: async ({ month }, job) => {
      for (let page = 1; !job.signal.aborted && !ended.signal.aborted; page++) {
        job.log.info(`page ${page} of the report for ${month}`, { rows: 1_000 * page })
        if (page % 5 === 0)
          job.log.warn('a customer has two addresses; the newer was taken', { customer: 4_711 + page })
        await wait(700, undefined, { signal: job.signal }).catch(() => undefined)
      }
    },
  })
  const importFile = task<{ file: string; rows: number }>({
    name: 'import-file',
    queue: 'integrations',
    retention: { completed: '1d' },
    handler: async ({ rows }, job) => {
      for (let part = 0; part < 3; part++) await job.enqueue(syncCrm, { customer: `c-${rows + part}` }, { delay: '2h' })
      job.log.info('read', { rows })
      return {
        rows,
        skipped: [12, 48],
        columns: { id: 'number', name: 'text', since: 'date' },
        checksum: 'b1946ac92492d2347c6235b4d2611184',
        complete: true,
        note: null,
      }
    },
  })
  const tasks = [sendEmail, charge, thumbnail, syncCrm, report, importFile]
  const worker = jobs.work(tasks, { concurrency: 8 })
  const second = jobs.work([sendEmail, thumbnail], { concurrency: 4, queues: ['notify', 'images'] })

  const imported = await jobs.enqueue(importFile, { file: 's3://inbox/customers-2026-11.csv', rows: 48_210 })
  const bad = await jobs.enqueue(charge, { order: 17 * 241, cents: 12_900, card: 'tok_visa_4242' })
  const busy = await jobs.enqueue(report, {
    month: '2026-10',
    formats: ['pdf', 'xlsx'],
    recipients: ['ada@example.com'],
  })
  await jobs.enqueue(report, { month: '2026-11', formats: ['pdf'], recipients: [] })
  const later = await jobs.enqueue(
    sendEmail,
    { to: 'grace@example.com', template: 'your-week', order: 4_097 },
    { delay: '3h', unique: { key: 'weekly:grace' }, priority: -5 },
  )
  const cancelled = await jobs.enqueue(report, { month: '2026-12', formats: ['pdf'], recipients: [] }, { delay: '30d' })
  await jobs.cancel(cancelled.id, 'asked for by mistake')
  for (let n = 0; n < 40; n++) await jobs.enqueue(syncCrm, { customer: `c-${n}` }, { delay: `${n + 1}m` })
  await jobs.configure('payments', { concurrency: 4 })
  await jobs.pause('newsletter')
  for (let n = 0; n < 120; n++)
    await jobs.enqueue(sendEmail, { to: `reader${n}@example.com`, template: 'news-48' }, { queue: 'newsletter' })

  const traffic = (async () => {
    for (let n = 1; !ended.signal.aborted; n++) {
      const burst = 1 + Math.round(4 + 3 * Math.sin(n / 8))
      await jobs.enqueueMany([
        ...Array.from({ length: burst }, (_, i) =>
          sendEmail.with({ to: `customer${n * 10 + i}@example.com`, template: 'order-shipped', order: n * 10 + i }),
        ),
        charge.with({ order: n, cents: 990 + n, card: `tok_${n}` }),
        ...Array.from({ length: burst }, (_, i) =>
          thumbnail.with({ image: `uploads/${n}-${i + 10}.webp`, width: 320 }),
        ),
        ...(n % 3 === 0 ? [syncCrm.with({ customer: `c-${n}` })] : []),
      ])
      await wait(250)
    }
  })()
  await wait(2_000)
  return {
    tasks,
    failed: bad.id,
    running: busy.id,
    completed: imported.id,
    pending: later.id,
    async end() {
      ended.abort()
      await traffic
      await Promise.all([worker.stop({ grace: '3s' }), second.stop({ grace: '3s' })])
    },
  }
}

/** Thrown in a shop that is not here: its stack names that shop's files, not those of whoever takes the photograph. */
class DeclinedError extends Error {
  override readonly name = 'DeclinedError'
  override readonly stack = [
    `DeclinedError: ${this.message}`,
    '    at capture (file:///srv/shop/payments/bank.js:88:13)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:103:5)',
    '    at async chargeCard (file:///srv/shop/tasks/charge-card.js:21:18)',
    '    at async Object.run (file:///srv/shop/node_modules/jobferry/dist/task.js:98:22)',
  ].join('\n')
}
