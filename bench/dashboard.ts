// What the dashboard's API takes with a million finished jobs beside those that wait. By hand: node bench/dashboard.ts <sqlite|postgres> [jobs]
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { Client } from 'pg'

import { makeIds } from '../src/core/id.ts'
import type { Job, State } from '../src/core/job.ts'
import { dashboard } from '../src/dashboard/index.ts'
import { open } from '../src/index.ts'
import { PostgresStore } from '../src/stores/postgres/index.ts'
import { SqliteStore } from '../src/stores/sqlite/index.ts'
import type { Store } from '../src/store.ts'
import { startPostgres } from '../test/servers/postgres.ts'

const [kind = 'sqlite', given = '1000000'] = process.argv.slice(2)
const count = Number(given)
const rounds = 20
const batch = 5_000

const now = Date.now()
const ids = makeIds(Math.random)

/** Spread over two days, 8 queues of 5 tasks each, nine in ten completed; a few wait, and a queue of its own has a few of every state. */
function aJob(n: number): Job {
  const createdAt = now - 172_800_000 + Math.floor((n / count) * 172_000_000)
  const state: State =
    n % 50_000 === 7 ? 'pending' : n % 10 === 3 ? 'failed' : n % 100 === 5 ? 'cancelled' : 'completed'
  const finished = state !== 'pending'
  return {
    id: ids(createdAt),
    task: `task-${n % 5}`,
    queue: n % 50_000 < 20 ? 'small' : `queue-${n % 8}`,
    state,
    priority: 0,
    runAt: createdAt,
    payload: JSON.stringify({
      user: n,
      to: `user-${n}@example.com`,
      subject: 'Your order has been shipped',
      items: [1, 2, 3],
    }),
    attempt: finished ? 1 : 0,
    maxAttempts: 5,
    rev: 1,
    lease: undefined,
    leaseUntil: undefined,
    createdAt,
    startedAt: finished ? createdAt + 20 : undefined,
    finishedAt: finished ? createdAt + 50 : undefined,
    forgetAt: finished ? now + 86_400_000 : undefined,
    unique: n % 10 === 0 ? { key: `key-${n}`, until: 'settled', held: false } : undefined,
    concurrencyKey: undefined,
    cancel: undefined,
    failures:
      state === 'failed'
        ? [
            {
              attempt: 1,
              at: createdAt,
              name: 'Error',
              message: 'no such mailbox',
              stack: 'Error: no such mailbox\n    at send (mail.ts:1:1)',
            },
          ]
        : [],
    result: state === 'completed' ? '{"sent":true}' : undefined,
    parent: undefined,
    policy: undefined,
  }
}

async function measure(store: Store<unknown>, settle: () => Promise<unknown>): Promise<void> {
  await store.migrate()
  const began = performance.now()
  const middle: string[] = []
  for (let n = 0; n < count; n += batch) {
    const jobs = Array.from({ length: Math.min(batch, count - n) }, (_, i) => aJob(n + i))
    if (n <= count / 2 && count / 2 < n + batch) middle.push(jobs[0]?.id ?? '')
    await store.insert([{ jobs: jobs.map((job) => ({ job, ifHeld: 'keep' })) }], now)
  }
  console.log(`${kind}: ${count} jobs in ${Math.round((performance.now() - began) / 1_000)} s`)
  await settle()
  await using jobs = await open(store)
  const board = dashboard(jobs, { authorize: () => 'full' })
  const get = async (path: string): Promise<string> => {
    const response = await board(new Request(`http://localhost/api/${path}`))
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`)
    return text
  }
  const day = now - 86_400_000
  for (const path of [
    'overview',
    'jobs',
    'jobs?limit=200',
    `jobs?after=${middle[0]}`,
    'jobs?order=oldest',
    'jobs?state=completed',
    'jobs?state=failed',
    'jobs?state=cancelled',
    'jobs?state=pending',
    'jobs?state=running',
    'jobs?queue=queue-3',
    'jobs?task=task-2',
    'jobs?queue=queue-3&task=task-2&state=failed',
    'jobs?task=task-2&state=completed',
    `jobs?createdFrom=${day}&createdUntil=${day + 60_000}`,
    `jobs?state=failed&createdFrom=${day}&createdUntil=${day + 60_000}`,
    `jobs?createdUntil=${day}`,
    `jobs?state=failed&createdUntil=${day}`,
    'jobs?queue=small',
    'jobs?queue=small&state=pending',
    'jobs?queue=small&state=completed',
    'jobs?queue=none',
    'jobs?task=none&state=failed',
    `jobs?uniqueKey=key-${count / 2}`,
    'jobs?parent=none',
    'jobs?text=nowhere',
    `jobs/${middle[0]}`,
  ]) {
    const times: number[] = []
    let bytes = 0
    for (let round = 0; round < rounds; round++) {
      const start = performance.now()
      bytes = (await get(path)).length
      times.push(performance.now() - start)
    }
    const [first = 0] = times
    const sorted = times.toSorted((a, b) => a - b)
    const shown = [first, sorted[Math.floor(rounds / 2)] ?? 0, sorted.at(-1) ?? 0]
      .map((ms) => ms.toFixed(1).padStart(8))
      .join('')
    console.log(`${path.padEnd(70)}${shown} ms   ${String(bytes).padStart(7)} bytes`)
  }
}

if (kind === 'postgres') {
  await using postgres = await startPostgres({ settings: { shared_buffers: '512MB' } })
  await measure(await PostgresStore.open(postgres.url), async () => {
    const client = new Client(postgres.url)
    await client.connect()
    await client.query('select jobferry.sum_up()') // as happens every so many transactions
    await client.query('vacuum analyze') // as the server does by itself within minutes
    await client.end()
  })
} else {
  const folder = mkdtempSync(join(process.env['TMPDIR'] ?? '/var/tmp', 'jobferry-dashboard-'))
  try {
    await measure(await SqliteStore.open({ file: join(folder, 'app.db') }), async () => undefined)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
