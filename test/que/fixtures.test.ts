import { describe, expect, it } from 'vitest'

import { type Outcome, settle } from '../../src/core/lifecycle.ts'
import type { Job } from '../../src/core/job.ts'
import { policyOf } from '../../src/runtime/definition.ts'
import type { QueStore } from '../../src/stores/que/index.ts'
import { type Fixture, fixtures, idOf, microseconds, put, type Step, stepOf } from './fixture.ts'
import { type Columns, newQue, type Que } from './kit.ts'

/** Later than every row that is not for 2030. */
const now = Date.parse('2026-11-21T12:00:00Z')

describe.for(fixtures)('$name', (fixture) => {
  it('is read row by row: nothing of it is lost', async () => {
    const { que, store } = await opened(fixture)
    for (const { jobs, did } of fixture.steps) {
      await put(que.client, jobs)
      const seen = await store.list({ limit: 1_000, order: 'oldest' })
      expect(seen.map(read), did).toEqual(jobs.toSorted((a, b) => Number(idOf(a)) - Number(idOf(b))).map(asJob))
    }
  })

  it('is worked in the right order, every workable row, and no other is touched', async () => {
    const { que, store } = await opened(fixture)
    for (const { jobs, did } of fixture.steps) {
      await put(que.client, jobs)
      const workable = jobs.filter(isWorkable).toSorted(inTurn)
      const taken = await store.claim({ tasks: undefined, limit: 1_000, lease: did, until: now + 1, now })
      expect(
        taken.jobs.map(({ id }) => id),
        did,
      ).toEqual(workable.map(idOf))
      expect(await que.rows(), did).toEqual(byId(jobs))
      await settleAll(store, taken.jobs, { kind: 'succeeded', result: undefined })
      expect(await que.rows(), did).toEqual(byId(jobs.filter((row) => !isWorkable(row))))
    }
    expect(await que.locks()).toEqual([])
  })

  it('is worked queue by queue, in the same order', async () => {
    const { que, store } = await opened(fixture)
    for (const { jobs, did } of fixture.steps) {
      await put(que.client, jobs)
      for (const queue of new Set(jobs.map((row) => row['queue'] ?? ''))) {
        const claim = { tasks: undefined, queues: [queue], limit: 1_000, lease: `${did} ${queue}`, until: now + 1, now }
        const { jobs: taken } = await store.claim(claim)
        const workable = jobs.filter((row) => row['queue'] === queue && isWorkable(row)).toSorted(inTurn)
        expect(
          taken.map(({ id }) => id),
          did,
        ).toEqual(workable.map(idOf))
        await settleAll(store, taken, { kind: 'released' })
      }
      expect(await que.rows(), did).toEqual(byId(jobs))
    }
  })

  it('holds, while a job runs, the very lock that the original holds, and leaves the row alone', async () => {
    const { que, store } = await opened(fixture)
    const { jobs, locks } = stepOf(fixture, 'in the middle of')
    await put(que.client, jobs)
    const tasks = new Map([['SlowJob', 9]])
    const { jobs: taken } = await store.claim({ tasks, limit: 9, lease: 'mine', until: now + 1, now })
    const columns = 'locktype, classid::text, objid::text, objsubid::text, mode, granted::text'
    const { rows } = await que.client.query(
      `select ${columns} from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database()) order by objid`,
    )
    expect(rows).toEqual(locks)
    expect(await que.rows()).toEqual(byId(jobs))
    await settleAll(store, taken, { kind: 'succeeded', result: undefined })
    expect(await que.locks()).toEqual([])
  })

  it('is left by a failure in the same shape, column for column', async () => {
    const { que, store } = await opened(fixture)
    for (const { before, after, error } of failuresOf(fixture)) {
      await put(que.client, [before])
      const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: 'x', until: now + 1, now })
      await settleAll(store, jobs, { kind: 'failed', error })
      const [row = {}] = await que.rows()
      expect(withoutTrace(row)).toEqual({ ...withoutTrace(after), run_at: row['run_at'] })
      const n = BigInt(after['error_count'] ?? '0')
      expect(microseconds(row['run_at'])).toBe(BigInt(now) * 1_000n + (n ** 4n + 3n) * 1_000_000n)
      if (fixture.version > 3) expect(row['last_error_backtrace']).toMatch(/^\s+at .*fixtures\.test\.ts/)
      else expect(row['last_error']).toMatch(/\n\s+at .*fixtures\.test\.ts/)
    }
  })
})

describe.for(fixtures.filter(({ version }) => version > 3))('$name', (fixture) => {
  it('is left finished in the same shape, if its task asks for that', async () => {
    const { que, store } = await opened(fixture)
    const after = rowOf(stepOf(fixture, 'the job called finish'), 'FinishJob')
    await put(que.client, [{ ...after, finished_at: null }])
    const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: 'x', until: now + 1, now })
    const outcome: Outcome = { kind: 'succeeded', result: '"kept nowhere"' }
    const retention = { ...store.rules.retention, completed: null }
    await store.apply(
      jobs.map((job) => settle(job, outcome, { ...store.rules, retention }, now, 0)),
      now,
    )
    const at = '2026-11-21 12:00:00+00'
    expect(await que.rows()).toEqual([{ ...after, finished_at: at }])
    expect(await store.get([idOf(after)])).toMatchObject([{ state: 'completed', attempt: 1, finishedAt: now }])
  })

  it('is left expired in the same shape when no attempt is left, with the last error, which Ruby does not write', async () => {
    const { que, store } = await opened(fixture)
    const after = rowOf(stepOf(fixture, 'so the first error expires the job'), 'OneTryJob')
    await put(que.client, [{ ...after, error_count: '0', expired_at: null }])
    const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: 'x', until: now + 1, now })
    await settleAll(store, jobs, { kind: 'failed', error: new IOError('once'), remaining: 0 })
    const [row = {}] = await que.rows()
    const error = { last_error_message: 'IOError: once', last_error_backtrace: row['last_error_backtrace'] }
    expect(row).toEqual({ ...after, ...error, expired_at: '2026-11-21 12:00:00+00' })
    expect(await store.get([idOf(after)])).toMatchObject([{ state: 'failed', attempt: 1, finishedAt: now }])
  })
})

describe.for(fixtures)('$name', (fixture) => {
  it('is what we enqueue, column for column', async () => {
    const { que, store } = await opened(fixture)
    const all = new Map(fixture.steps.flatMap(({ jobs }) => jobs.map((row) => [`${idOf(row)} ${row['args']}`, row])))
    const rows = [...all.values()].filter((row) => isEnqueued(row))
    await que.client.query('truncate que_jobs restart identity')
    const jobs = rows.map((row) => ({ job: toAdd(asJob(row)), ifHeld: 'keep' as const }))
    for (const { job } of jobs) expect(store.refusal(job)).toBeUndefined()
    await store.insert([{ jobs }], now)
    const id = (n: number): object => ({ [que.id]: String(n + 1) })
    expect(
      (await que.rows()).map(({ run_at: runAt, ...row }) => ({ ...row, at: microseconds(runAt) / 1_000n })),
    ).toEqual(
      rows.map(({ run_at: runAt, ...row }, n) => ({ ...row, ...id(n), at: (microseconds(runAt) + 999n) / 1_000n })),
    )
  })
})

async function opened({ version, name }: Fixture): Promise<{ que: Que; store: QueStore }> {
  const que = await newQue(version)
  return { que, store: await que.store(name === 'que-go-v3' ? { args: 'any' } : {}) }
}

/** What is to be read of a row, worked out here from its columns as printed. */
function asJob(row: Columns): ReturnType<typeof read> {
  const errors = Number(row['error_count'])
  const state = row['finished_at'] ? 'completed' : row['expired_at'] ? 'failed' : 'pending'
  const kwargs = row['kwargs'] ?? '{}'
  return {
    id: idOf(row),
    task: row['job_class'] ?? '',
    queue: row['queue'] ?? '',
    priority: Number(row['priority']),
    runAt: Number((microseconds(row['run_at']) + 999n) / 1_000n),
    payload: kwargs === '{}' ? (row['args'] ?? '') : `{"args":${row['args']},"kwargs":${kwargs}}`,
    attempt: state === 'completed' ? errors + 1 : errors,
    state,
    failed: (row['last_error_message'] ?? row['last_error'] ?? null) !== null,
  }
}

function read({ id, task, queue, priority, runAt, payload, attempt, state, failures }: Job) {
  return {
    id,
    task,
    queue,
    priority,
    runAt,
    payload: String(payload),
    attempt,
    state: state as string,
    failed: failures.length > 0,
  }
}

function isWorkable(row: Columns): boolean {
  return !row['finished_at'] && !row['expired_at'] && microseconds(row['run_at']) <= BigInt(now) * 1_000n
}

function inTurn(a: Columns, b: Columns): number {
  const [x, y] = [a, b].map((row) => [
    BigInt(row['priority'] ?? ''),
    microseconds(row['run_at']),
    BigInt(idOf(row)),
  ]) as [bigint[], bigint[]]
  const i = x.findIndex((value, n) => value !== y[n])
  return i < 0 ? 0 : x[i]! < y[i]! ? -1 : 1
}

function byId(rows: readonly Columns[]): readonly Columns[] {
  return rows.toSorted((a, b) => Number(idOf(a)) - Number(idOf(b)))
}

async function settleAll(store: QueStore, jobs: readonly Job[], outcome: Outcome): Promise<void> {
  const writes = jobs.map((job) => settle(job, outcome, policyOf(job, store.rules), now, 0))
  expect(await store.apply(writes, now)).toEqual(jobs.map(() => ({ ok: true })))
}

function rowOf({ jobs, did }: Step, task: string): Columns {
  const found = jobs.findLast((row) => row['job_class'] === task)
  if (found === undefined) throw new Error(`There is no ${task} in "${did}"`)
  return found
}

class IOError extends Error {
  override readonly name = 'IOError'
}

/** Rows that an original has failed, as they were before, and an error that says the same. */
function failuresOf({ name, steps }: Fixture): readonly { before: Columns; after: Columns; error: unknown }[] {
  const seen = new Map<string, Columns>()
  const failures: { before: Columns; after: Columns; error: unknown }[] = []
  for (const { jobs } of steps) {
    if (jobs.length === 0) seen.clear()
    for (const after of jobs) {
      const before = seen.get(idOf(after)) ?? { ...after, error_count: '0', ...none(after) }
      seen.set(idOf(after), after)
      const text = after['last_error_message'] ?? after['last_error']
      const usual = !/HourlyRetry|TwoTries|NoSuch|Panic/.test(after['job_class'] ?? '')
      if (!text || !usual || after['expired_at'] || before['error_count'] === after['error_count']) continue
      const past = { ...before, run_at: '2026-11-21 01:00:00+00' }
      // que-go writes the message alone; we write as Ruby does, which que-go never reads.
      if (name === 'que-go-v3')
        failures.push({ before: past, after: { ...after, last_error: `Error: ${text}` }, error: new Error(text) })
      else failures.push({ before: past, after, error: errorOf(text) })
    }
  }
  expect(failures.length).toBeGreaterThan(2)
  return failures
}

function none(row: Columns): Columns {
  return 'last_error' in row ? { last_error: null } : { last_error_message: null, last_error_backtrace: null }
}

/** An error of the name and message that Ruby has written. */
function errorOf(text: string): Error {
  const [, name = '', message = ''] = /^(\w+)(?:: ([^]*?))?(?:\n\/srv[^]*)?$/.exec(text) ?? []
  return Object.assign(new Error(message), { name, stack: new Error(message).stack?.replace(/^Error/, name) })
}

/** The columns but for the backtrace, which is where the original's program and ours differ. */
function withoutTrace(row: Columns): Columns {
  const { last_error: text, ...rest } = row
  const { last_error_backtrace: _, ...others } = rest
  return text === undefined ? others : { ...others, last_error: text?.replace(/\n(?:\/srv|\s+at )[^]*$/, '') ?? null }
}

/** Whether it is as an enqueue has left it, and holds nothing that only Ruby can write. */
function isEnqueued(row: Columns): boolean {
  const ours = !row['data'] || row['data'] === '{}'
  return row['error_count'] === '0' && !row['finished_at'] && !row['expired_at'] && ours
}

function toAdd(given: ReturnType<typeof read>): Job {
  const { failed: _, ...rest } = given
  return {
    ...rest,
    state: 'pending',
    maxAttempts: 16,
    rev: 0,
    lease: undefined,
    leaseUntil: undefined,
    createdAt: now,
    startedAt: undefined,
    finishedAt: undefined,
    forgetAt: undefined,
    unique: undefined,
    concurrencyKey: undefined,
    cancel: undefined,
    failures: [],
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}
