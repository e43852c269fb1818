import { describe, expect, it } from 'vitest'

import { type Outcome, settle, type Write } from '../../src/core/lifecycle.ts'
import type { Job } from '../../src/core/job.ts'
import type { BackliteStore } from '../../src/stores/backlite/index.ts'
import { newCopy, ofQueue, policyOf, put, written } from './fixture.ts'
import { type Cells, newBacklite } from './kit.ts'

const { madeAt } = written

/** How long backlite is told to wait for a claim: the claimed rows are 6 s old when the file is finished. */
const releaseMs = 60_000

describe('what backlite v0.6 has written', () => {
  it('is read row by row: nothing of it is lost', async () => {
    const backlite = newCopy()
    const seen = await backlite.store().list({ limit: 1_000, order: 'oldest' })
    const waiting = backlite.values().map((row) => ({
      id: row['id'],
      task: row['queue'],
      queue: row['queue'],
      state: row['claimed_at'] === null ? 'pending' : 'running',
      payload: textOf(row['task']),
      attempt: row['attempts'],
      createdAt: row['created_at'],
      runAt: row['wait_until'] ?? row['created_at'],
      startedAt: row['claimed_at'] ?? row['last_executed_at'] ?? undefined,
      forgetAt: undefined,
      error: undefined,
    }))
    const done = backlite.values('backlite_tasks_completed').map((row) => ({
      id: row['id'],
      task: row['queue'],
      queue: row['queue'],
      state: row['error'] === null ? 'completed' : 'failed',
      payload: row['task'] === null ? undefined : textOf(row['task']),
      attempt: row['attempts'],
      createdAt: row['created_at'],
      runAt: row['last_executed_at'],
      startedAt: row['last_executed_at'],
      forgetAt: row['expires_at'] ?? undefined,
      error: row['error'] ?? undefined,
    }))
    expect(seen.map(facts)).toEqual([...done, ...waiting])
    for (const job of seen) expect(() => JSON.parse(String(job.payload ?? '{}'))).not.toThrow()
  })

  it('has the status that its own library gave it', async () => {
    const notes = [...written.rows, ...written.absent]
    const jobs = await newCopy()
      .store()
      .get(notes.map(({ id }) => id))
    const numbers = { pending: 0, running: 1, completed: 2, failed: 3, cancelled: 9 }
    expect(jobs.map((job) => (job === undefined ? 4 : numbers[job.state]))).toEqual(notes.map(({ status }) => status))
  })

  it('is worked in its order, every workable row, and no other is touched', async () => {
    const backlite = newCopy()
    const store = backlite.store({ releaseAfter: releaseMs })
    const before = new Map(backlite.rows().map((row) => [row['id']?.[1], row]))
    const { jobs } = await claimAll(store, madeAt)
    const workable = new Set(written.rows.filter(({ workable: can }) => can).map(({ id }) => id))
    expect(jobs.map(({ id }) => id)).toEqual(inTurn(backlite.values().filter(({ id }) => workable.has(String(id)))))
    for (const row of backlite.rows()) {
      const old = before.get(row['id']?.[1])!
      const claim = { claimed_at: ['integer', madeAt], attempts: ['integer', Number(old['attempts']?.[1]) + 1] }
      expect(row).toEqual(workable.has(String(row['id']?.[1])) ? { ...old, ...claim } : old)
    }
  })

  it('is worked queue by queue, in the same order', async () => {
    const backlite = newCopy()
    const store = backlite.store({ releaseAfter: releaseMs })
    for (const queue of Object.keys(written.queues)) {
      const tasks = new Map([[queue, 99]])
      const { jobs } = await store.claim({ tasks, limit: 99, lease: queue, until: madeAt + 1, now: madeAt })
      const workable = written.rows.filter((row) => row.workable && row.queue === queue).map(({ id }) => id)
      expect(jobs.map(({ id }) => id)).toEqual(workable)
    }
  })

  it('gives what was claimed to the next when the claim is older than the time given, not when it is as old', async () => {
    const backlite = newCopy()
    const store = backlite.store({ releaseAfter: releaseMs })
    const claimed = backlite.values().filter((row) => row['claimed_at'] !== null)
    expect(claimed.map((row) => row['queue'])).toEqual(['stuck', 'stuck'])
    for (const [i, row] of claimed.entries()) {
      const tasks = new Map([['stuck', 9]])
      const over = Number(row['claimed_at']) + releaseMs + 1
      const claim = { tasks, limit: 9, lease: `stuck ${i}`, until: over + 1 }
      expect(await store.claim({ ...claim, now: over - 1 })).toMatchObject({ jobs: [], nextRunAt: over })
      const { jobs } = await store.claim({ ...claim, now: over })
      expect(jobs).toMatchObject([{ id: row['id'], attempt: Number(row['attempts']) + 1, lease: `stuck ${i}` }])
    }
  })

  it('is cleaned up as its own cleaner does it: of what has expired, and of nothing else', async () => {
    const backlite = newCopy()
    const before = backlite.rows('backlite_tasks_completed')
    const expired = before.filter((row) => Number(row['expires_at']?.[1] ?? Infinity) <= madeAt)
    expect(expired.map((row) => row['queue']?.[1])).toEqual(['keep-short'])
    const store = backlite.store({ dispatcher: 'running' })
    expect([await store.prune(madeAt, 500), await store.prune(madeAt, 500)]).toEqual([1, 0])
    expect(backlite.rows('backlite_tasks_completed')).toEqual(before.filter((row) => !expired.includes(row)))
  })
})

describe('what we write, beside what backlite v0.6 has written', () => {
  it('is the same for a task that is added, column for column', async () => {
    const original = newCopy()
    const rows = original.rows().filter((row) => row['attempts']?.[1] === 0 && row['claimed_at']?.[1] === null)
    expect(rows).toHaveLength(10)
    const backlite = newBacklite()
    for (const row of rows) {
      const [seen] = await original.store().get([String(row['id']?.[1])])
      const { runAt, createdAt } = seen!
      // A time that had passed when the row was read had not when it was added.
      const job = { ...seen!, runAt, rev: 0, startedAt: undefined, maxAttempts: 1 }
      const [result] = await backlite.store().insert([{ jobs: [{ job, ifHeld: 'keep' }] }], createdAt)
      const [id = ''] = result?.ids ?? []
      const added = backlite.rows().find((one) => one['id']?.[1] === id)
      expect(added).toEqual({ ...row, id: ['text', id] })
    }
  })

  it.each(written.rows.filter(({ table }) => table === 'backlite_tasks_completed'))(
    'is the same at the end of a task: $queue, $did',
    async ({ id, queue }) => {
      const after = newCopy()
        .rows('backlite_tasks_completed')
        .find((row) => row['id']?.[1] === id)!
      const backlite = newBacklite()
      const startedAt = Number(after['last_executed_at']?.[1])
      const { retention } = written.queues[queue]!
      const tookMs = Math.ceil(Number(after['last_duration_micro']?.[1]) / 1_000)
      const expiresAt = after['expires_at']?.[1]
      const endedAt = typeof expiresAt === 'number' ? expiresAt - (retention?.durationMs ?? 0) : startedAt + tookMs
      put(backlite, 'backlite_tasks', [waitingRow(after)])
      const store = backlite.store()
      const job = await claimOne(store, startedAt)
      const error = after['error']?.[1]
      const outcome: Outcome =
        error === null ? { kind: 'succeeded', result: undefined } : { kind: 'failed', error: new Error(textOf(error)) }
      await apply(store, settle(ofQueue(job), outcome, policyOf(queue), endedAt, 0), endedAt)
      expect(backlite.rows()).toEqual([])
      const micros: Cells = { last_duration_micro: ['integer', (endedAt - startedAt) * 1_000] }
      expect(backlite.rows('backlite_tasks_completed')).toEqual([{ ...after, ...micros }])
      expect(after['last_duration_micro']?.[0]).toBe('integer')
    },
  )

  it.each(written.absent.filter(({ did }) => did.includes('no row is left')))(
    'is as little at the end of a task: $queue, $did',
    async ({ queue, did }) => {
      const backlite = newBacklite()
      put(backlite, 'backlite_tasks', [waitingRow({ ...newCopy().rows()[0]!, attempts: ['integer', 1] }, queue)])
      const store = backlite.store()
      const job = await claimOne(store, madeAt)
      const outcome: Outcome = did.includes('succeeded')
        ? { kind: 'succeeded', result: '"kept nowhere"' }
        : { kind: 'failed', error: new Error('once') }
      await apply(store, settle(ofQueue(job), outcome, policyOf(queue), madeAt, 0), madeAt)
      expect([...backlite.rows(), ...backlite.rows('backlite_tasks_completed')]).toEqual([])
    },
  )

  it.each(['retry-far', 'retry-soon'])('is the same after a failure that leaves an attempt: %s', async (queue) => {
    const after = newCopy()
      .rows()
      .find((row) => row['queue']?.[1] === queue)!
    const backlite = newBacklite()
    put(backlite, 'backlite_tasks', [waitingRow(after)])
    const store = backlite.store()
    const job = await claimOne(store, Number(after['last_executed_at']?.[1]))
    const endedAt = Number(after['wait_until']?.[1]) - written.queues[queue]!.backoffMs
    const outcome: Outcome = { kind: 'failed', error: new Error('smtp') }
    await apply(store, settle(ofQueue(job), outcome, policyOf(queue), endedAt, 0), endedAt)
    expect(backlite.rows()).toEqual([after])
  })

  it('is the same for a task that is claimed, the first time and again', async () => {
    for (const after of newCopy()
      .rows()
      .filter((row) => row['claimed_at']?.[1] !== null)) {
      const backlite = newBacklite()
      const attempts = Number(after['attempts']?.[1]) - 1
      put(backlite, 'backlite_tasks', [
        { ...after, claimed_at: ['null', null], attempts: ['integer', attempts] } satisfies Cells,
      ])
      await claimOne(backlite.store(), Number(after['claimed_at']?.[1]))
      expect(backlite.rows()).toEqual([after])
    }
  })
})

/** The row as it was before its last run: the task, if that was not kept, any. */
function waitingRow(after: Cells, queue: unknown = after['queue']?.[1]): Cells {
  const attempts = Number(after['attempts']?.[1]) - 1
  const task = after['task']?.[1] ?? '{"N":0}\n'
  return {
    id: after['id']!,
    created_at: after['created_at']!,
    queue: ['text', queue],
    task: ['blob', task],
    wait_until: ['null', null],
    claimed_at: ['null', null],
    last_executed_at: ['null', null],
    attempts: ['integer', attempts],
  }
}

/** Immediate ones first, then by their time, then by id. */
function inTurn(rows: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return rows
    .toSorted((a, b) => {
      const [x, y] = [Number(a['wait_until'] ?? 0), Number(b['wait_until'] ?? 0)]
      return x === y ? (String(a['id']) < String(b['id']) ? -1 : 1) : x - y
    })
    .map(({ id }) => String(id))
}

/** The text of a column. A task ends with a line end, which is no part of it. */
function textOf(value: unknown): string {
  expect(value).toBeTypeOf('string')
  return (value as string).trimEnd()
}

async function claimAll(store: BackliteStore, now: number): Promise<{ readonly jobs: readonly Job[] }> {
  return await store.claim({ tasks: undefined, limit: 1_000, lease: `at ${now}`, until: now + 1, now })
}

async function claimOne(store: BackliteStore, now: number): Promise<Job> {
  const { jobs } = await claimAll(store, now)
  expect(jobs).toHaveLength(1)
  return jobs[0]!
}

async function apply(store: BackliteStore, write: Write, now: number): Promise<void> {
  expect(await store.apply([write], now)).toEqual([{ ok: true }])
}

function facts({
  id,
  task,
  queue,
  state,
  payload,
  attempt,
  createdAt,
  runAt,
  startedAt,
  forgetAt,
  failures,
}: Job): object {
  const error = failures[0]?.message
  return { id, task, queue, state, payload, attempt, createdAt, runAt, startedAt, forgetAt, error }
}
