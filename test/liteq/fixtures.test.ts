import { describe, expect, it } from 'vitest'

import { type Outcome, settle } from '../../src/core/lifecycle.ts'
import type { Job } from '../../src/core/job.ts'
import type { LiteqStore } from '../../src/stores/liteq/index.ts'
import { fixtures, type Fixture, openFixture } from './fixture.ts'
import { type ForeignJob, ForeignProgram } from './foreign.ts'
import { type Cells, type Liteq, newLiteq } from './kit.ts'

describe.for(fixtures)('a file of liteq $name', (fixture) => {
  const second = fixture.madeAt + 1
  const now = second * 1_000

  it('is known by its indexes', () => {
    expect(openFixture(fixture).store().flavour).toBe(fixture.flavour)
  })

  it('is read row by row: nothing of it is lost', async () => {
    const liteq = openFixture(fixture)
    const seen = await liteq.store().list({ limit: 1_000, order: 'oldest' })
    expect(seen.map(read)).toEqual(liteq.values().map((row) => expected(row, fixture)))
    expect(seen.map(({ state }) => state)).toEqual(fixture.rows.map(({ state }) => stateSaid(state)))
  })

  it('is worked: exactly the workable rows, in its order, and no other is touched', async () => {
    const liteq = openFixture(fixture)
    const store = liteq.store()
    const before = liteq.rows()
    const taken = await claim(store, now)
    const workable = fixture.rows.filter((row) => row.workable).map(({ id }) => String(id))
    const due = (id: string): number =>
      Number(before.find((row) => String(row['id']?.[1]) === id)?.['execute_after']?.[1])
    expect(taken.map(({ id }) => id)).toEqual(workable.toSorted((a, b) => due(a) - due(b) || Number(a) - Number(b)))
    for (const [i, row] of liteq.rows().entries()) {
      const id = String(row['id']?.[1])
      const fetched = {
        job_status: ['text', 'fetched'],
        consumer_fetched_at: ['integer', second + 29], // so that no timeout takes it before its lease ends
        updated_at: ['integer', second],
      }
      expect(row).toEqual(workable.includes(id) ? { ...before[i], ...fetched } : before[i])
    }
  })

  it('is worked queue by queue, each by the task of its name', async () => {
    const store = openFixture(fixture).store()
    const seen: string[] = []
    for (const queue of new Set(fixture.rows.map((row) => row.queue))) {
      const task = queue === '' ? 'default' : queue
      const request = {
        tasks: new Map([[task, 1_000]]),
        queues: [queue],
        limit: 1_000,
        lease: queue,
        until: now + 1,
        now,
      }
      const { jobs } = await store.claim(request)
      expect(jobs.every((job) => job.task === task && job.queue === queue)).toBe(true)
      seen.push(...jobs.map(({ id }) => id))
    }
    expect(seen.toSorted()).toEqual(
      fixture.rows
        .filter(({ workable }) => workable)
        .map(({ id }) => String(id))
        .toSorted(),
    )
  })

  it.for(
    fixture.rows.filter(
      ({ did }) => /failed|reset|completed/.test(did) && !/completed;|again after|in another/.test(did),
    ),
  )('is what we make of the same: $did', async ({ id, did }) => {
    const row = openFixture(fixture)
      .rows()
      .find((one) => one['id']?.[1] === id)!
    const [madeAt, endedAt] = [Number(row['created_at']?.[1]) * 1_000, Number(row['updated_at']?.[1]) * 1_000]
    const errors = JSON.parse(String(row['errors']?.[1])) as string[]
    const liteq = newLiteq(fixture.flavour)
    const store = liteq.store({ visibilityTimeout: '1s', payload: 'text' })
    const job = { ...toJob(row, fixture), maxAttempts: Number(/(\d+) attempt/.exec(did)?.[1] ?? 1), runAt: madeAt }
    await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], madeAt)
    let at = madeAt
    const steps = [...errors, ...(row['job_status']?.[1] === 'completed' ? [undefined] : [])]
    for (const [i, message] of steps.entries()) {
      const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: `at ${at}`, until: at + 1_000, now: at })
      expect(jobs).toHaveLength(1)
      if (did.includes('was queued')) await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], madeAt)
      if (message === 'visibility timeout expired' || i === steps.length - 1) at = endedAt
      if (message === 'visibility timeout expired')
        await settleAll(store, (await store.expired(at, 9)).jobs, { kind: 'expired' }, at)
      else if (message === undefined) await settleAll(store, jobs, { kind: 'succeeded', result: undefined }, at)
      else await settleAll(store, jobs, { kind: 'failed', error: new Error(message) }, at)
    }
    expect(liteq.rows()[0]).toEqual({ ...row, id: ['integer', 1] })
  })

  const ends: Readonly<Record<string, readonly [Outcome, (go: ForeignProgram, job: ForeignJob) => void]>> = {
    completed: [{ kind: 'succeeded', result: '"kept nowhere"' }, (go, job) => go.complete(job)],
    failed: [
      { kind: 'failed', error: new Error('smtp <mx1> & "it" – zażółć 🚀\n') },
      (go, job) => go.fail(job, 'smtp <mx1> & "it" – zażółć 🚀\n'),
    ],
  }

  it.for(Object.keys(ends))('is left %s as liteq itself leaves it, column for column, type for type', async (end) => {
    const [ours, theirs] = [openFixture(fixture), openFixture(fixture)]
    const [outcome, play] = ends[end]!
    const store = ours.store()
    const taken = await claim(store, now)
    await settleAll(store, taken, outcome, now)

    const go = new ForeignProgram(theirs.db, fixture.flavour, () => second)
    for (const queue of new Set(fixture.rows.map((row) => row.queue)))
      for (const job of go.grab(queue, 100)) play(go, job)
    expect(ours.rows()).toEqual(theirs.rows())
  })

  it('gets back what the dead have had as liteq does it, column for column, once the timeout is over, and not before', async () => {
    const [ours, theirs] = [openFixture(fixture), openFixture(fixture)]
    const store = ours.store({ visibilityTimeout: '20s' })
    const fetched = fixture.rows.filter(({ state }) => state.startsWith('fetched'))
    const first = Math.min(
      ...theirs
        .values()
        .filter((row) => row['job_status'] === 'fetched')
        .map((row) => Number(row['consumer_fetched_at'])),
    )
    expect(await store.expired((first + 21) * 1_000 - 1, 100)).toEqual({ jobs: [], nextAt: (first + 21) * 1_000 })

    const later = (fixture.madeAt + 21) * 1_000
    const { jobs, nextAt } = await store.expired(later, 100)
    expect(jobs.map(({ id }) => Number(id)).toSorted()).toEqual(fetched.map(({ id }) => id).toSorted())
    expect(nextAt).toBeUndefined()
    await settleAll(store, jobs, { kind: 'expired' }, later)
    const go = new ForeignProgram(theirs.db, fixture.flavour, () => later / 1_000)
    if (fixture.flavour === 'raw') clearKey(theirs, 26) // v0.1 itself dies of it: its index allows no second that waits
    for (const { queue } of fetched) go.reset(queue, 20)
    expect(ours.rows()).toEqual(theirs.rows())
  })

  it('keeps what Go programs have taken, where no timeout is given', async () => {
    const store = openFixture(fixture).store()
    expect(await store.expired(4e12, 100)).toEqual({ jobs: [], nextAt: undefined })
  })

  it('takes what we enqueue, column for column, type for type', async () => {
    const liteq = openFixture(fixture)
    const added = liteq
      .rows()
      .filter((row) =>
        fixture.rows.some(
          ({ id, state }) => id === row['id']?.[1] && /^(queued|delayed|queued, deduped.*)$/.test(state),
        ),
      )
    expect(added.length).toBeGreaterThan(9)
    const made = newLiteq(fixture.flavour)
    const store = made.store({ payload: 'text' })
    for (const row of added) {
      const job = toJob(row, fixture)
      const at = job.createdAt
      await store.insert([{ jobs: [{ job, ifHeld: 'keep' }] }], at)
    }
    // A time that has passed already is written as at once.
    const past = (row: Cells): Cells =>
      Number(row['execute_after']?.[1]) < fixture.madeAt ? { ...row, execute_after: ['integer', 0] } : row
    const fresh = (row: Cells, n: number): Cells => ({ ...past(row), id: ['integer', n + 1] })
    expect(made.rows()).toEqual(added.map(fresh))
  })
})

function clearKey({ db }: Liteq, id: number): void {
  db.prepare(`update jobs set deduping_key = '' where id = ?`).run(id)
}

async function claim(store: LiteqStore, now: number): Promise<readonly Job[]> {
  return (await store.claim({ tasks: undefined, limit: 1_000, lease: 'ours', until: now + 30_000, now })).jobs
}

async function settleAll(store: LiteqStore, jobs: readonly Job[], outcome: Outcome, now: number): Promise<void> {
  const results = await store.apply(
    jobs.map((job) => settle(job, outcome, store.rules, now, 0)),
    now,
  )
  expect(results.every(({ ok }) => ok)).toBe(true)
}

/** The part of a Job that is worked out here from the columns, in another way. */
function expected(row: Readonly<Record<string, unknown>>, { flavour }: Fixture): ReturnType<typeof read> {
  const errors = JSON.parse(String(row['errors'])) as string[]
  const text = String(row['job'])
  const status = String(row['job_status'])
  const key = String(row['deduping_key'])
  const left = Number(row['remaining_attempts'])
  const runs = status === 'fetched' || status === 'completed'
  const attempt = errors.length + (runs ? 1 : 0)
  return {
    id: String(row['id']),
    queue: row['queue'],
    task: row['queue'] === '' ? 'default' : row['queue'],
    payload: text.startsWith('{') || text === '' ? text : JSON.stringify(text),
    attempt,
    maxAttempts: Math.max(errors.length + left, attempt, 1),
    runAt: 1_000 * (Number(row['execute_after']) || Number(row['created_at'])),
    createdAt: 1_000 * Number(row['created_at']),
    errors,
    key: key === '' ? undefined : flavour === 'raw' ? key : key.split(':').slice(2).join(':'),
    finishedAt:
      status === 'completed'
        ? 1_000 * Number(row['finished_at'])
        : status === 'failed' || left < 0
          ? 1_000 * Number(row['updated_at'])
          : undefined,
  }
}

function read(job: Job) {
  const { id, queue, task, payload, attempt, maxAttempts, runAt, createdAt, failures, unique, finishedAt } = job
  const errors = failures.map(({ message }) => message)
  const known: Readonly<Record<string, unknown>> = { queue, task }
  return {
    id,
    queue: known['queue'],
    task: known['task'],
    payload,
    attempt,
    maxAttempts,
    runAt,
    createdAt,
    errors,
    key: unique?.key,
    finishedAt,
  }
}

function stateSaid(state: string): string {
  if (state === 'queued, never workable') return 'failed'
  if (state.startsWith('queued') || state === 'delayed') return 'pending'
  return state.startsWith('fetched') ? 'running' : (/^(failed|completed)/.exec(state)?.[0] ?? state)
}

/** The job that a Go program had in mind. */
function toJob(row: Cells, { flavour }: Fixture): Job {
  const value = (name: string): number => Number(row[name]?.[1])
  const queue = String(row['queue']?.[1])
  const column = String(row['deduping_key']?.[1])
  const key = flavour === 'raw' ? column : column.split(':').slice(2).join(':')
  const createdAt = value('created_at') * 1_000
  return {
    id: '',
    task: queue === '' ? 'default' : queue,
    queue,
    state: 'pending',
    priority: 0,
    runAt: value('execute_after') === 0 ? createdAt : value('execute_after') * 1_000,
    payload: JSON.stringify(row['job']?.[1]),
    attempt: 0,
    maxAttempts: value('remaining_attempts'),
    rev: 0,
    lease: undefined,
    leaseUntil: undefined,
    createdAt,
    startedAt: undefined,
    finishedAt: undefined,
    forgetAt: undefined,
    unique: column === '' ? undefined : { key, until: 'claimed', held: true },
    concurrencyKey: undefined,
    cancel: undefined,
    failures: [],
    result: undefined,
    parent: undefined,
    policy: undefined,
  }
}
