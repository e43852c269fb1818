import { describe, expect, it } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import { cancel, type Outcome, settle } from '../../src/core/lifecycle.ts'
import { policyOf } from '../../src/runtime/definition.ts'
import type { SqlqStore } from '../../src/stores/sqlq/index.ts'
import { aJob } from '../../src/testing/contract/index.ts'
import { microseconds, millis, millisUp, printed, put, rowOf, stepOf, steps } from './fixture.ts'
import { type Columns, newSqlq, type Sqlq } from './kit.ts'

/** Later than every row. */
const now = Date.parse('2026-11-21T12:00:00Z')

describe('what a Go program has left', () => {
  it('is read row by row, its log with it: nothing of it is lost', async () => {
    const { sqlq, store } = await opened()
    for (const step of steps) {
      await put(sqlq.client, step)
      const seen = await store.list({ limit: 1_000, order: 'oldest' })
      expect(seen.map(read), step.did).toEqual(inOrder(step.jobs).map(asJob))
      for (const { id } of step.jobs)
        expect(
          (await store.logs(id ?? '', 100)).map(({ at, level, message }) => ({ at, level, message })),
          step.did,
        ).toEqual(
          step.logs
            .filter(({ job }) => job === id)
            .map(({ logged_at: at, level, message }) => ({ at: millis(at), level, message })),
        )
      expect((await store.queues()).map(({ queue, priority, concurrency }) => [queue, priority, concurrency])).toEqual(
        step.queues.map(({ name, priority }) => [name, Number(priority), null]).toSorted(),
      )
    }
  })

  it('is worked in the right order, every workable row, and no other is touched', async () => {
    const { sqlq, store } = await opened()
    for (const step of steps) {
      await put(sqlq.client, step)
      const workable = step.jobs.filter(({ status }) => status === 'pending').toSorted(inTurn)
      const jobs = await take(store, 1_000)
      expect(
        jobs.map(({ id }) => id),
        step.did,
      ).toEqual(workable.map(({ id }) => id))
      expect(untouched(await sqlq.rows(), workable), step.did).toEqual(untouched(inOrder(step.jobs), workable))
      await end(store, jobs, { kind: 'succeeded', result: undefined })
      const after = await sqlq.rows()
      expect(after.map(({ status }) => status)).toEqual(
        inOrder(step.jobs).map(({ status }) => (status === 'pending' ? 'success' : status)),
      )
      expect(untouched(after, workable), step.did).toEqual(untouched(inOrder(step.jobs), workable))
    }
  })
})

describe('what we leave is what sqlq leaves, column for column, when', () => {
  it('a job is enqueued, with every option that it has', async () => {
    const { sqlq, store } = await opened()
    const rows = inOrder(stepOf('Enqueue with parameters null').jobs)
    for (const row of rows) {
      const own = await sqlq.store({ keepAlive: Number(row['keepalive_interval']) / 1e6 })
      const ttl = Number(row['retention_ttl']) / 1e6
      const at = millis(row['created_at'])
      const job = aJob({
        queue: row['queue']!,
        task: row['typename']!,
        payload: row['parameters'] ?? '',
        runAt: at,
        createdAt: at,
        priority: Number(row['priority']),
        maxAttempts: Math.max(1, Number(row['max_retries'])),
        ...(ttl === 0 ? {} : { policy: keptFor(ttl) }),
      })
      expect(store.refusal(job)).toBeUndefined()
      await own.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], at)
    }
    const given = (await sqlq.rows()).map(anonymous)
    expect(given).toEqual(
      rows.map(anonymous).map((row) => {
        const at = printed(millis(row['created_at']))
        // Nobody who says that there is to be no attempt means it: sqlq makes one, too.
        return {
          ...row,
          created_at: at,
          last_queued_at: at,
          max_retries: row['max_retries'] === '0' ? '1' : row['max_retries'],
        }
      }),
    )
    const queues = await sqlq.client.query(
      'select name, description, concurrency, priority from sqlq.queues order by name',
    )
    expect(queues.rows).toEqual(
      ['default', 'mail/high'].map((name) => ({ name, description: null, concurrency: null, priority: 1 })),
    )
  })

  it('a job is dequeued', async () => {
    const { sqlq, store } = await opened()
    const [before, after] = [stepOf('a Worker on queue "default"'), stepOf('Dequeue on queue "mail/high"')]
    await put(sqlq.client, before)
    const taken = after.jobs.find(({ status }) => status === 'running')!
    const at = millis(taken['started_at'])
    // For as long as its own keepalive: our lease, otherwise, while we run it.
    await take(store, 1, { queues: ['mail/high'], at, lease: 1_500 })
    expect(await sqlq.rows()).toEqual(
      inOrder(after.jobs).map((row) =>
        row === taken ? { ...row, started_at: printed(at), last_keepalive: printed(at) } : row,
      ),
    )
  })

  it('a job is pinged: last_keepalive has moved, nothing else', async () => {
    const { sqlq, store } = await opened()
    const [before, after] = [stepOf('Enqueue type "slow" with WithKeepAlive(2s)'), stepOf('a second later')]
    const [was, is] = [rowOf(before, 'slow'), rowOf(after, 'slow')]
    await put(sqlq.client, { ...before, jobs: [{ ...was, ...unstarted }] })
    const started = millis(was['started_at'])
    const [job] = await take(store, 1, { at: started, lease: 2_000 })
    const at = millis(is['last_keepalive'])
    expect(await store.renew([{ id: job!.id, lease: job!.lease! }], at + 2_000, at)).toEqual([
      { rev: expect.any(Number) as number, cancel: undefined },
    ])
    expect(await sqlq.rows()).toEqual([{ ...is, started_at: printed(started), last_keepalive: printed(at) }])
  })

  it.each<[step: string, typename: string, outcome: Outcome]>([
    ['Enqueue type "add"', 'add', { kind: 'succeeded', result: '{"sum":300,"note":"é ✓","list":[]}' }],
    ['the handler returned nil', 'slow', { kind: 'succeeded', result: undefined }],
    ['Enqueue type "boom" with default options', 'boom', { kind: 'failed', error: new Error('boom') }],
    ['Enqueue type "skip"', 'skip', { kind: 'failed', error: new Error('skip'), remaining: 0 }],
    ['Enqueue type "panic"', 'panic', { kind: 'failed', error: new Error('panic'), delayMs: 33_000 }],
    ['(second database again)', 'boom', { kind: 'failed', error: new Error('boom') }],
  ])('a run has ended: %s', async (did, typename, outcome) => {
    const { sqlq, store } = await opened()
    const step = stepOf(did)
    const after = rowOf(step, typename)
    await put(sqlq.client, { ...step, jobs: [asPending(after)], logs: [] })
    const started = millis(after['started_at'])
    const [job] = await take(store, 1, { at: started, lease: Number(after['keepalive_interval']) / 1e6 })
    const ended = millis(after['completed_at'] ?? after['last_queued_at'])
    await end(store, [job!], outcome, ended)
    const [row = {}] = await sqlq.rows()
    expect(row).toEqual({ ...inMillis(after), last_keepalive: printed(started) })
  })

  it('a running job is asked to stop, and has stopped', async () => {
    const { sqlq, store } = await opened()
    const asked = stepOf('Enqueue type "slow"; while a Worker runs it, sqlq.cancelling_job(id) was called')
    const [cancelling, cancelled] = [rowOf(asked, 'slow'), rowOf(stepOf('the Worker saw it'), 'slow')]
    await put(sqlq.client, { ...asked, jobs: [asPending(cancelling)] })
    const started = millis(cancelling['started_at'])
    const [job] = await take(store, 1, { at: started, lease: 20_000 })
    expect(await store.apply([cancel(job!, 'unwanted', store.rules.retention, started)!], started)).toEqual([
      { ok: true },
    ])
    expect(await sqlq.rows()).toEqual([inMillis(cancelling)])
    const [told] = await store.get([job!.id])
    const stopped = millis(cancelled['completed_at'])
    await end(store, [told!], { kind: 'failed', error: new Error('stopped') }, stopped)
    expect(await sqlq.rows()).toEqual([inMillis(cancelled)])
  })

  it.each([
    ['Reap on queue "mail/high"', 'plain', 0],
    ['Enqueue type "slow" with WithKeepAlive(1s) and WithMaxRetries(2)', 'slow', 0],
  ])('a worker has died: %s', async (did, typename, delayMs) => {
    const { sqlq, store } = await opened()
    const step = stepOf(did)
    const after = step.jobs.find(({ id }) => id === step.logs.at(-1)?.['job'])!
    expect(after['typename']).toBe(typename)
    const line = step.logs.at(-1)!
    await put(sqlq.client, { ...step, jobs: [{ ...after, status: 'running', completed_at: null }], logs: [] })
    const reaped = millis(line['logged_at'])
    const { jobs } = await store.expired(reaped, 9)
    expect(jobs.map(({ id }) => id)).toEqual([after['id']])
    const policy = { ...store.rules, backoff: () => delayMs }
    const writes = jobs.map((job) => settle(job, { kind: 'expired' }, policy, reaped, 0))
    expect(await store.apply(writes, reaped)).toEqual([{ ok: true }])
    const [row = {}] = await sqlq.rows()
    const pending = after['status'] === 'pending'
    // A job that waits has no end with us, and waits from now; sqlq leaves it the end of the run that died.
    expect(row).toEqual({
      ...after,
      completed_at: pending ? null : printed(reaped),
      ...(pending ? { last_queued_at: printed(reaped) } : {}),
    })
    const [log = {}] = await sqlq.logs()
    expect({ ...log, id: line['id'], position: line['position'] }).toEqual({
      ...line,
      logged_at: printed(reaped),
      message: pending ? 'job has timed out and is now marked as pending' : line['message'],
    })
  })

  it('a handler has logged a line of each level', async () => {
    const { sqlq, store } = await opened()
    const step = stepOf('Enqueue type "log"')
    await put(sqlq.client, { ...step, logs: [] })
    await sqlq.client.query('alter sequence sqlq.job_log_ordering restart')
    const lines = step.logs.map(({ job, level, message, logged_at: at }) => ({
      jobId: job!,
      attempt: 1,
      at: millis(at),
      level: level as 'info',
      message: message!,
      data: undefined,
    }))
    await store.log(lines)
    expect((await sqlq.logs()).map(anonymous)).toEqual(
      step.logs.map(anonymous).map((line) => ({ ...line, logged_at: printed(millis(line['logged_at'])) })),
    )
  })
})

const unstarted = { status: 'pending', attempt: '0', started_at: null, last_keepalive: null } as const

async function opened(): Promise<{ sqlq: Sqlq; store: SqlqStore }> {
  const sqlq = await newSqlq()
  return { sqlq, store: await sqlq.store() }
}

async function take(
  store: SqlqStore,
  limit: number,
  { at = now, lease = 30_000, queues }: { at?: number; lease?: number; queues?: string[] } = {},
): Promise<readonly Job[]> {
  return (await store.claim({ tasks: undefined, queues, limit, lease: `lease ${at}`, until: at + lease, now: at })).jobs
}

async function end(store: SqlqStore, jobs: readonly Job[], outcome: Outcome, at: number = now): Promise<void> {
  const writes = jobs.map((job) => settle(job, outcome, policyOf(job, store.rules), at, 0))
  expect(await store.apply(writes, at)).toEqual(jobs.map(() => ({ ok: true })))
}

/** A row as it was before the run that has left it so, and due. */
function asPending(after: Columns): Columns {
  const attempt = String(Number(after['attempt']) - 1)
  const before = { ...after, ...unstarted, attempt, completed_at: null, result: null }
  return after['status'] === 'pending' ? { ...before, last_queued_at: after['created_at']!, run_after: '0' } : before
}

/** A row with its ends and beginnings in whole milliseconds, as ours are. */
function inMillis(row: Columns): Columns {
  const ours = new Set(['started_at', 'completed_at', 'last_keepalive'])
  if (row['status'] === 'pending') ours.add('last_queued_at')
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value !== null && ours.has(name) ? printed(millis(value)) : value,
    ]),
  )
}

/** Without the id, which the database draws. */
function anonymous(row: Columns): Columns {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'id'))
}

/** What is to be read of a row, worked out here from its columns as printed. */
function asJob(row: Columns): ReturnType<typeof read> {
  const attempt = Number(row['attempt'])
  const never = row['status'] === 'cancelling' && attempt === 0
  const states = { success: 'completed', errored: 'failed', cancelling: never ? 'cancelled' : 'running' }
  const state = states[row['status'] as keyof typeof states] ?? row['status']
  const finished = ['completed', 'failed', 'cancelled'].includes(state)
  const ttl = Number(row['retention_ttl']) / 1e6
  const ended = row['completed_at'] ?? row['last_queued_at']
  const leaseUs =
    microseconds(row['last_keepalive'] ?? row['last_queued_at']) + BigInt(row['keepalive_interval']!) / 1_000n
  return {
    id: row['id']!,
    task: row['typename']!,
    queue: row['queue']!,
    priority: Number(row['priority']),
    runAt: millisUp(microseconds(row['last_queued_at']) + BigInt(row['run_after']!) / 1_000n),
    payload: row['parameters'] ?? '',
    attempt,
    maxAttempts: Math.max(1, Number(row['max_retries'])),
    state,
    createdAt: millis(row['created_at']),
    startedAt: row['started_at'] === null ? undefined : millis(row['started_at']),
    finishedAt: finished ? millis(ended) : undefined,
    forgetAt: finished && ttl > 0 ? millisUp(microseconds(ended) + BigInt(row['retention_ttl']!) / 1_000n) : undefined,
    leaseUntil: state === 'running' ? millisUp(leaseUs) + (row['status'] === 'cancelling' ? 10_000 : 0) : undefined,
    cancel: row['status'] === 'cancelling' ? 'cancelled' : undefined,
    result: row['result'] ?? undefined,
    policy: ttl > 0 ? keptFor(ttl) : undefined,
  }
}

function read(job: Job) {
  return {
    id: job.id,
    task: job.task,
    queue: job.queue,
    priority: job.priority,
    runAt: job.runAt,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    forgetAt: job.forgetAt,
    leaseUntil: job.leaseUntil,
    cancel: job.cancel,
    result: job.result,
    policy: job.policy,
    payload: String(job.payload),
    state: job.state as string,
  }
}

function keptFor(ms: number): NonNullable<Job['policy']> {
  return { retention: { completed: ms, failed: ms, cancelled: ms, payload: 'all' } }
}

function inOrder(rows: readonly Columns[]): readonly Columns[] {
  return rows.toSorted((a, b) => (microseconds(a['created_at']) < microseconds(b['created_at']) ? -1 : 1))
}

function inTurn(a: Columns, b: Columns): number {
  const byPriority = Number(a['priority']) - Number(b['priority'])
  if (byPriority !== 0) return byPriority
  return microseconds(a['created_at']) < microseconds(b['created_at']) ? -1 : 1
}

function untouched(rows: readonly Columns[], touched: readonly Columns[]): readonly Columns[] {
  return rows.filter(({ id }) => touched.every((row) => row['id'] !== id))
}
