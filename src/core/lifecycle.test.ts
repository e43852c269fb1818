import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { aJob, ends, held, letGo, policy, running, T } from '../testing/contract/builders.ts'
import { StateError, UsageError } from './errors.ts'
import { finished, type Job, type State, states, type Unique } from './job.ts'
import { cancel, claimed, edit, fault, type Outcome, remove, retry, settle, type Write } from './lifecycle.ts'
import { defaultRetention, type RetentionPolicy } from './retention.ts'

fc.configureGlobal({ seed: Number(process.env['SEED'] ?? 1) }) // printed by vitest, and by a property that fails

const smoke = { attempt: 1, at: T, name: 'string', message: 'smoke' }
const lost = { attempt: 1, at: T, name: 'LeaseExpiredError', message: expect.stringContaining('The lease ran out') }
const notKept: RetentionPolicy = { completed: 0, failed: 0, cancelled: 0, payload: 'all' }

/** A job with one attempt of three used up, and running. */
const first = running(aJob({ maxAttempts: 3, runAt: T - 50 }))
const last = { ...first, attempt: 3 }
const stopped = { ...first, cancel: 'stop' }

const waiting = { state: 'pending', rev: 2, lease: undefined, leaseUntil: undefined } as const
function over(state: State, keptMs: number): Partial<Job> {
  return { state, rev: 2, lease: undefined, leaseUntil: undefined, finishedAt: T, forgetAt: T + keptMs }
}
const completed = over('completed', 3_600_000)
const failed = over('failed', 604_800_000)
const cancelled = over('cancelled', 86_400_000)

/** Every outcome of a run, and what it makes of a job with attempts left, of one on its last, and of one that was asked to stop. */
const table: readonly (readonly [string, Outcome, Partial<Job>, Partial<Job>, Partial<Job>])[] = [
  [
    'succeeded',
    { kind: 'succeeded', result: '1' },
    { ...completed, result: '1' },
    { ...completed, result: '1' },
    { ...completed, result: '1' },
  ],
  [
    'failed',
    { kind: 'failed', error: 'smoke' },
    { ...waiting, runAt: T + 5_000, failures: [smoke] },
    { ...failed, failures: [{ ...smoke, attempt: 3 }] },
    { ...cancelled, failures: [smoke] },
  ],
  [
    'failed, with a delay of its own',
    { kind: 'failed', error: 'smoke', delayMs: 7 },
    { ...waiting, runAt: T + 7, failures: [smoke] },
    { ...failed, failures: [{ ...smoke, attempt: 3 }] },
    { ...cancelled, failures: [smoke] },
  ],
  [
    'failed, with nothing remaining',
    { kind: 'failed', error: 'smoke', remaining: 0 },
    { ...failed, maxAttempts: 1, failures: [smoke] },
    { ...failed, failures: [{ ...smoke, attempt: 3 }] },
    { ...cancelled, failures: [smoke] },
  ],
  [
    'failed, with more remaining',
    { kind: 'failed', error: 'smoke', remaining: 5 },
    { ...waiting, runAt: T + 5_000, maxAttempts: 6, failures: [smoke] },
    { ...waiting, runAt: T + 20_000, maxAttempts: 8, failures: [{ ...smoke, attempt: 3 }] },
    { ...cancelled, failures: [smoke] },
  ],
  [
    'cancelled',
    { kind: 'cancelled', reason: 'no use' },
    { ...cancelled, cancel: 'no use' },
    { ...cancelled, cancel: 'no use' },
    cancelled,
  ],
  [
    'snoozed',
    { kind: 'snoozed', runAt: T + 9 },
    { ...waiting, runAt: T + 9, attempt: 0 },
    { ...waiting, runAt: T + 9, attempt: 2 },
    cancelled,
  ],
  ['released', { kind: 'released' }, { ...waiting, attempt: 0 }, { ...waiting, attempt: 2 }, cancelled],
  [
    'expired',
    { kind: 'expired' },
    { ...waiting, runAt: T + 5_000, failures: [lost] },
    { ...failed, failures: [{ ...lost, attempt: 3 }] },
    { ...cancelled, failures: [lost] },
  ],
]

describe.each(table)('a run that %s', (_, outcome, ofFirst, ofLast, ofStopped) => {
  it('with attempts left is followed by what the table says', () => {
    expect(ends(first, outcome)).toEqual({ before: first, after: { ...first, ...ofFirst } })
  })

  it('on its last attempt is followed by what the table says', () => {
    expect(ends(last, outcome)).toEqual({ before: last, after: { ...last, ...ofLast } })
  })

  it('when asked to stop is cancelled, unless it succeeded', () => {
    expect(ends(stopped, outcome)).toEqual({ before: stopped, after: { ...stopped, ...ofStopped } })
  })
})

describe('settle', () => {
  it('removes a job at its end when retention does not keep it', () => {
    for (const outcome of [
      { kind: 'succeeded', result: undefined },
      { kind: 'cancelled', reason: '' },
      { kind: 'failed', error: '', remaining: 0 },
    ] as const)
      expect(settle(first, outcome, { ...policy, retention: notKept }, T, 0)).toEqual({
        before: first,
        after: undefined,
      })
  })

  it('keeps a job at its end as long as the window of its key is open, even when retention would not', () => {
    const job = { ...first, unique: held('a', T + 500) }
    expect(
      settle(job, { kind: 'succeeded', result: undefined }, { ...policy, retention: notKept }, T, 0).after,
    ).toMatchObject({ forgetAt: T + 500, unique: job.unique })
    expect(settle(job, { kind: 'succeeded', result: undefined }, policy, T, 0).after?.forgetAt).toBe(T + 3_600_000)
    const long = { ...first, unique: held('a', T + 9_999_999_999) }
    expect(settle(long, { kind: 'succeeded', result: undefined }, policy, T, 0).after?.forgetAt).toBe(T + 9_999_999_999)
    const forever = { ...policy, retention: { ...defaultRetention, completed: null } }
    expect(settle(long, { kind: 'succeeded', result: undefined }, forever, T, 0).after?.forgetAt).toBeUndefined()
    const passed = { ...first, unique: held('a', T) }
    expect(
      settle(passed, { kind: 'succeeded', result: undefined }, { ...policy, retention: notKept }, T, 0).after,
    ).toBeUndefined()
  })

  it('drops the payload at the end when retention says so, and never before', () => {
    const retention = { ...defaultRetention, payload: 'failed' } as const
    const kept = (outcome: Outcome): boolean =>
      settle(first, outcome, { ...policy, retention }, T, 0).after?.payload !== undefined
    expect(kept({ kind: 'succeeded', result: undefined })).toBe(false)
    expect(kept({ kind: 'cancelled', reason: '' })).toBe(false)
    expect(kept({ kind: 'failed', error: '', remaining: 0 })).toBe(true)
    expect(kept({ kind: 'failed', error: '' })).toBe(true)
  })

  it('lets go of a key at the end and asks for it back when the job waits again', () => {
    const job = { ...first, unique: letGo(held('a')) }
    expect(ends(job, { kind: 'failed', error: '' }).after?.unique).toEqual(held('a'))
    const settled = { ...first, unique: held('a', 'settled') }
    expect(ends(settled, { kind: 'succeeded', result: undefined }).after?.unique).toEqual(letGo(held('a', 'settled')))
  })

  it('takes the chance it is given for the jitter of the backoff', () => {
    const jittery = { ...policy, backoff: { type: 'fixed', delayMs: 1_000, maxMs: 1_000, jitter: 1 } } as const
    expect(settle(first, { kind: 'expired' }, jittery, T, 0.75).after?.runAt).toBe(T + 250)
  })

  it('asks a backoff function with the attempt and what was thrown', () => {
    const error = new Error('busy')
    const asked = { ...policy, backoff: (attempt: number, thrown: unknown) => (thrown === error ? attempt * 111 : 0) }
    expect(settle(first, { kind: 'failed', error }, asked, T, 0).after?.runAt).toBe(T + 111)
  })
})

describe('claimed', () => {
  it('makes a waiting job run: one attempt and one revision more, with a lease, started now', () => {
    const job = aJob({ rev: 3, attempt: 1, unique: held('a') })
    expect(claimed(job, 'lease-a', T + 30, T + 5)).toEqual({
      ...job,
      state: 'running',
      attempt: 2,
      rev: 4,
      lease: 'lease-a',
      leaseUntil: T + 30,
      startedAt: T + 5,
      unique: letGo(held('a')),
    })
  })
})

const done = ends(first, { kind: 'succeeded', result: '1' }).after!

describe('cancel', () => {
  it('ends a waiting job at once', () => {
    const job = aJob()
    expect(cancel(job, 'no', defaultRetention, T)).toEqual({
      before: job,
      after: { ...job, ...cancelled, cancel: 'no', rev: 1 },
    })
    expect(cancel(job, 'no', notKept, T)).toEqual({ before: job, after: undefined })
  })

  it('asks a running job to stop, once: the first reason stays', () => {
    expect(cancel(first, 'stop', defaultRetention, T)).toEqual({
      before: first,
      after: { ...first, cancel: 'stop', rev: 2 },
    })
    expect(cancel(stopped, 'again', defaultRetention, T)).toBeUndefined()
  })

  it('leaves a finished job as it is', () => {
    expect(cancel(done, 'no', defaultRetention, T)).toBeUndefined()
  })
})

describe('retry', () => {
  it('gives a finished job another attempt, due now; its history stays', () => {
    const job = { ...ends(last, { kind: 'failed', error: 'smoke' }).after!, cancel: 'x', result: '1' }
    expect(retry(job, T + 5)).toEqual({
      before: job,
      after: {
        ...job,
        ...waiting,
        rev: 3,
        runAt: T + 5,
        maxAttempts: 4,
        finishedAt: undefined,
        forgetAt: undefined,
        cancel: undefined,
        result: undefined,
      },
    })
  })

  it('leaves the attempts as they are when there are some left', () => {
    expect(retry(done, T).after).toMatchObject({ attempt: 1, maxAttempts: 3 })
  })

  it('makes a job that waits for a later attempt due now', () => {
    const job = aJob({ runAt: T + 60_000, attempt: 1 })
    expect(retry(job, T)).toEqual({ before: job, after: { ...job, runAt: T, rev: 1 } })
  })

  it('refuses while the job runs, and when its payload was dropped', () => {
    expect(() => retry(first, T)).toThrow(StateError)
    expect(() => retry({ ...done, payload: undefined }, T)).toThrow(
      'its payload was dropped by retention, so it cannot be retried',
    )
  })
})

describe('edit', () => {
  it('changes what is given of a job that waits', () => {
    const job = aJob({ attempt: 1 })
    const changes = { payload: '2', runAt: T + 5, priority: -1, maxAttempts: 2 }
    expect(edit(job, changes)).toEqual({ before: job, after: { ...job, ...changes, rev: 1 } })
    expect(edit(job, {})).toEqual({ before: job, after: { ...job, rev: 1 } })
  })

  it('refuses when no attempt would be left', () => {
    expect(() => edit(aJob({ attempt: 2 }), { maxAttempts: 2 })).toThrow(UsageError)
  })

  it('refuses unless the job waits', () => {
    for (const job of [first, done]) expect(() => edit(job, { priority: 1 })).toThrow(StateError)
  })
})

describe('remove', () => {
  it('removes a job that waits or has finished', () => {
    for (const job of [aJob(), done]) expect(remove(job)).toEqual({ before: job, after: undefined })
  })

  it('refuses while the job runs', () => {
    expect(() => remove(first)).toThrow(StateError)
  })
})

describe('fault', () => {
  it.each<[string, Job]>([
    ['a lease without running', { ...aJob(), lease: 'a' }],
    ['an end of a lease without running', { ...aJob(), leaseUntil: T }],
    ['running without a lease', { ...first, lease: undefined }],
    ['running without an end of the lease', { ...first, leaseUntil: undefined }],
    ['running without an attempt', { ...first, attempt: 0 }],
    ['a negative attempt', aJob({ attempt: -1 })],
    ['an end without being finished', aJob({ finishedAt: T })],
    ['being finished without an end', { ...done, finishedAt: undefined }],
    ['being forgotten without being finished', aJob({ forgetAt: T })],
    ['waiting without an attempt left', aJob({ attempt: 3 })],
    ['waiting without a payload', aJob({ payload: undefined })],
    ['running without a payload', { ...first, payload: undefined }],
    ['a key held by a finished job, but for a window', { ...done, unique: held('a', 'settled') }],
  ])('finds %s', (_, job) => {
    expect(fault(job)).toBeTypeOf('string')
  })

  it('finds nothing wrong with what the rules make', () => {
    for (const job of [aJob(), first, last, stopped, done, { ...done, unique: held('a', T + 5) }])
      expect(fault(job)).toBeUndefined()
  })
})

const keep = fc.constantFrom(0, null, 1, 3_600_000)
const retention = fc.record<RetentionPolicy>({
  completed: keep,
  failed: keep,
  cancelled: keep,
  payload: fc.constantFrom('all', 'failed', 'none'),
})
const unique: fc.Arbitrary<Job['unique']> = fc.option(
  fc.record<Unique>({
    key: fc.constant('a'),
    until: fc.constantFrom<Unique['until'][]>('claimed', 'settled', T - 1, T, T + 1),
    held: fc.boolean(),
  }),
  { nil: undefined },
)
const outcome = fc.constantFrom(...table.map(([, one]) => one), {
  kind: 'failed',
  error: new Error('x'),
  remaining: 1,
} as const)

/** Any row without a fault. */
const anyJob: fc.Arbitrary<Job> = fc
  .record({
    state: fc.constantFrom(...states),
    attempt: fc.integer({ min: 0, max: 5 }),
    maxAttempts: fc.integer({ min: 1, max: 5 }),
    rev: fc.nat({ max: 9 }),
    payload: fc.constantFrom('', '1', undefined),
    cancel: fc.constantFrom('stop', undefined),
    unique,
    failures: fc.array(fc.constant(smoke), { maxLength: 25 }).map((notes) => notes.slice(0, 20)),
  })
  .map(({ state, attempt, ...rest }) => {
    const runs = { attempt: Math.max(1, attempt), lease: 'lease-a', leaseUntil: T + 5, startedAt: T }
    return aJob({
      state,
      attempt,
      ...rest,
      ...(state === 'running' ? runs : finished(state) ? { finishedAt: T, forgetAt: T + 1 } : {}),
    })
  })
  .filter((job) => fault(job) === undefined && job.attempt <= job.maxAttempts)

type Rule = (job: Job, given: { outcome: Outcome; retention: RetentionPolicy }) => Write | undefined

/** Every rule, with the states that it can lead to from each. */
const rules: readonly (readonly [string, Rule, Partial<Record<State, readonly (State | 'gone')[]>>])[] = [
  [
    'settle',
    (job, given) => settle(job, given.outcome, { ...policy, retention: given.retention }, T, 0.5),
    { running: ['pending', 'completed', 'failed', 'cancelled', 'gone'] },
  ],
  [
    'cancel',
    (job, given) => cancel(job, 'no', given.retention, T),
    { pending: ['cancelled', 'gone'], running: ['running'] },
  ],
  [
    'retry',
    (job) => retry(job, T),
    { pending: ['pending'], completed: ['pending'], failed: ['pending'], cancelled: ['pending'] },
  ],
  ['edit', (job) => edit(job, { priority: 3, runAt: T + 9 }), { pending: ['pending'] }],
  ['remove', remove, { pending: ['gone'], completed: ['gone'], failed: ['gone'], cancelled: ['gone'] }],
  ['claimed', (job) => ({ before: job, after: claimed(job, 'lease-b', T + 9, T) }), { pending: ['running'] }],
]

describe.each(rules)('whatever %s is given', (_, rule, ways) => {
  it('it makes a row without fault, one revision on, of the same job, and changes nothing that it was given', () => {
    fc.assert(
      fc.property(anyJob, outcome, retention, (job, what, kept) => {
        const possible = ways[job.state]
        fc.pre(possible !== undefined)
        const before = Object.freeze({ ...job, failures: Object.freeze([...job.failures]) })
        const write = refusedOr(() => rule(before, { outcome: what, retention: kept }))
        if (write === undefined) return
        expect(write.before).toBe(before)
        expect(possible).toContain(write.after?.state ?? 'gone')
        if (write.after !== undefined) expectNext(before, write.after)
      }),
    )
  })
})

/** What every rule promises of the row it makes. */
function expectNext(before: Job, after: Job): void {
  expect(fault(after)).toBeUndefined()
  expect(after.rev).toBe(before.rev + 1)
  expect(after.attempt).toBeLessThanOrEqual(after.maxAttempts)
  expect(after.attempt).toBeGreaterThanOrEqual(0)
  expect(after.failures.length).toBeLessThanOrEqual(20)
  const { id, task, queue, createdAt, parent, concurrencyKey } = before
  expect(after).toMatchObject({ id, task, queue, createdAt, parent, concurrencyKey })
  expect(Object.keys(after).toSorted()).toEqual(Object.keys(before).toSorted())
  expect(after.unique?.key).toBe(before.unique?.key)
}

/** The rule may refuse by throwing a StateError. */
function refusedOr(rule: () => Write | undefined): Write | undefined {
  try {
    return rule()
  } catch (error) {
    expect(error).toBeInstanceOf(StateError)
    return undefined
  }
}
