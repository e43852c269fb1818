import { deepStrictEqual, rejects } from 'node:assert/strict'

import type { Instant, Job } from '../../core/job.ts'
import { cancel, edit, type Outcome, remove, retry, type Write } from '../../core/lifecycle.ts'
import { defaultRetention } from '../../core/retention.ts'
import type { Store } from '../../store.ts'
import {
  aClaim,
  addOne,
  aJob,
  ends,
  fail,
  held,
  ids,
  leaseMs,
  only,
  put,
  read,
  run,
  succeed,
  T,
  take,
  there,
} from './builders.ts'
import type { Case } from './case.ts'
import { dump, expectExact, expectUnchanged } from './dump.ts'

/** Every outcome of a run, by its name. */
const outcomes: readonly (readonly [string, Outcome])[] = [
  ['completed', { kind: 'succeeded', result: undefined }],
  ['completed with a result', { kind: 'succeeded', result: '{"sent":["ü",1]}' }],
  ['failed', { kind: 'failed', error: 'smoke' }],
  ['failed for good', { kind: 'failed', error: 'smoke', remaining: 0 }],
  ['failed with a last chance', { kind: 'failed', error: 'smoke', delayMs: 7, remaining: 1 }],
  ['cancelled', { kind: 'cancelled', reason: 'no use' }],
  ['snoozed', { kind: 'snoozed', runAt: T + 5 }],
  ['released', { kind: 'released' }],
  ['expired', { kind: 'expired' }],
]

/** Every write that somebody can decide on a running job, on one that waits, and on one that has finished. */
const ofRunning: readonly Decision[] = [
  ...outcomes.map(([name, outcome]): Decision => [name, (job) => ends(job, outcome)]),
  ['asked to stop', (job) => there(cancel(job, 'stop', defaultRetention, T))],
  ['not kept', (job) => ({ before: job, after: undefined })],
]
const ofWaiting: readonly Decision[] = [
  ['cancelled while it waits', (job) => there(cancel(job, 'stop', defaultRetention, T))],
  ['made due', (job) => retry(job, T)],
  ['edited', (job) => edit(job, { payload: '2', runAt: T + 1, priority: -1, maxAttempts: 9 })],
  ['removed while it waits', remove],
]
const ofFinished: readonly Decision[] = [
  ['retried', (job) => retry(job, T)],
  ['removed when finished', remove],
]

type Decision = readonly [string, (job: Job) => Write]

/** One case for every kind of write: it is stored, and it is refused when it is stale. */
export const everyWrite: readonly Case[] = [
  ...ofRunning.flatMap((decision) => [...storing(decision, aRunning), ...refusing(decision, aRunning)]),
  ...ofWaiting.flatMap((decision) => [...storing(decision, addOne), ...refusing(decision, addOne)]),
  ...ofFinished.flatMap((decision) => [...storing(decision, aFinished), ...refusing(decision, aFinished)]),
]

export const apply: readonly Case[] = [
  {
    promise: 'refuses a write of a job that is gone or was never there, and changes nothing',
    async run({ store }) {
      const gone = await run(store)
      await put(store, { before: gone, after: undefined })
      const never = aJob({ queue: 'never', task: 'never' })
      const before = await dump(store)
      const answers = await store.apply([succeed(gone), edit(never, { priority: 3 }), remove(never)], T)
      deepStrictEqual(
        answers,
        Array.from({ length: 3 }, () => ({ ok: false, current: undefined })),
      )
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'leaves no queue and no task behind that only a refused write has named',
    async run({ store }) {
      const old = await run(store)
      await put(store, fail(old))
      const before = await dump(store)
      const moved = { ...old, queue: 'strange', task: 'stranger', priority: 5, rev: 2 }
      deepStrictEqual(await store.apply([{ before: old, after: moved }], T), [{ ok: false, current: fail(old).after }])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'stores some writes of a call and refuses others, each on its own',
    async run({ store }) {
      const [first, old, last] = [await run(store), await run(store), await run(store)]
      await put(store, fail(old))
      const answers = await store.apply([succeed(first), succeed(old), fail(last)], T)
      deepStrictEqual(answers, [{ ok: true }, { ok: false, current: fail(old).after }, { ok: true }])
      deepStrictEqual(
        await store.get(ids([first, old, last])),
        [succeed(first), fail(old), fail(last)].map((one) => one.after),
      )
    },
  },
  {
    promise: 'lets a later write build on an earlier one of the same call, and refuses the same write twice',
    async run({ store }) {
      const job = await run(store)
      const failed = fail(job)
      const edited = edit(there(failed.after), { priority: -3 })
      deepStrictEqual(await store.apply([failed, edited, edited, failed], T), [
        { ok: true },
        { ok: true },
        { ok: false, current: edited.after },
        { ok: false, current: edited.after },
      ])
      deepStrictEqual(await read(store, job), edited.after)
    },
  },
  {
    promise: 'refuses a write that builds on a refused one of the same call, though its rev may fit by chance',
    async run({ store }) {
      const old = await run(store)
      await put(store, fail(old))
      const stopped = there(cancel(old, 'stop', defaultRetention, T))
      const [before, current] = [await dump(store), fail(old).after]
      deepStrictEqual(there(stopped.after).rev, current?.rev)
      const refused = { ok: false, current }
      deepStrictEqual(await store.apply([stopped, succeed(there(stopped.after))], T), [refused, refused])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'refuses the whole call for a row that breaks a rule, and changes and claims nothing',
    async run({ store }) {
      const [good, bad] = [await run(store), await run(store)]
      await addOne(store)
      const before = await dump(store)
      const settle = [succeed(good), { before: bad, after: { ...bad, lease: undefined } }]
      await rejects(async () => await store.apply(settle, T))
      await rejects(async () => await store.claim(aClaim({ settle })))
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'does nothing when there is nothing to write',
    async run({ store }) {
      const before = await dump(store)
      deepStrictEqual(await store.apply([], T), [])
      await expectUnchanged(store, before)
    },
  },
  {
    promise: 'stores every field that a write has changed',
    async run({ store }) {
      const job = await addOne(store)
      const after: Job = {
        ...job,
        task: 'other',
        queue: 'elsewhere',
        priority: 12,
        runAt: T + 77,
        payload: new Uint8Array([0, 255]),
        attempt: 2,
        maxAttempts: 8,
        rev: 1,
        startedAt: T + 1,
        unique: held('a', T + 99),
        concurrencyKey: 'b',
        cancel: 'perhaps',
        failures: [{ attempt: 1, at: T, name: 'Error', message: 'no', stack: 'at x' }],
        result: '1',
        parent: 'job-000000',
        policy: { timeoutMs: 5 },
      }
      await put(store, { before: job, after })
      deepStrictEqual(await read(store, job), after)
      const bare: Job = { ...job, rev: 2 }
      await put(store, { before: after, after: bare })
      deepStrictEqual(await read(store, job), bare)
    },
  },
  {
    promise: 'stores every field that the end of a run has changed',
    needs: ['retain'],
    async run({ store }) {
      const job = await run(store, { concurrencyKey: 'a', unique: held('a', 'settled') })
      const done = there(succeed(job).after)
      const after: Job = {
        ...done,
        priority: 3,
        runAt: T + 1,
        startedAt: T + 2,
        concurrencyKey: 'b',
        parent: 'job-000000',
        policy: { timeoutMs: 5 },
      }
      await put(store, { before: job, after })
      deepStrictEqual(await read(store, job), after)
    },
  },
  {
    promise: 'drops a payload that retention does not keep',
    needs: ['retain'],
    async run({ store }) {
      const job = await run(store)
      const after = { ...there(succeed(job).after), payload: undefined }
      await put(store, { before: job, after })
      deepStrictEqual(await read(store, job), after)
    },
  },
  {
    promise: 'lets a worker finish after its lease has run out, as long as nobody has taken the job back',
    async run({ store }) {
      const job = await run(store)
      const late = T + 10 * leaseMs
      await put(store, succeed(job, late))
      deepStrictEqual(await read(store, job), succeed(job, late).after)
    },
  },
  {
    promise: 'refuses whatever a worker decides once its job was taken back and runs elsewhere, whatever its attempt',
    async run({ store }) {
      const zombie = await run(store)
      await put(store, ends(zombie, { kind: 'released' }))
      const second = only(await take(store))
      deepStrictEqual(second.attempt, zombie.attempt)
      for (const [, decide] of ofRunning) {
        deepStrictEqual(await store.apply([decide(zombie)], T), [{ ok: false, current: second }])
      }
      deepStrictEqual(await read(store, second), second)
    },
  },
  {
    promise: 'refuses a write decided before the lease was renewed, and shows the renewed row',
    async run({ store }) {
      const job = await run(store)
      await store.renew([{ id: job.id, lease: there(job.lease) }], T + 2 * leaseMs, T + 1)
      const current = { ...job, leaseUntil: T + 2 * leaseMs, rev: job.rev + 1 }
      deepStrictEqual(await store.apply([succeed(job)], T), [{ ok: false, current }])
      await put(store, succeed(current))
    },
  },
  {
    promise: 'never takes a new job for one that was removed',
    async run({ store }) {
      const first = await run(store)
      await put(store, { before: there(await read(store, first)), after: undefined })
      const second = await run(store)
      for (const write of [succeed(first), { before: first, after: undefined }]) {
        deepStrictEqual(await store.apply([write], T), [{ ok: false, current: undefined }])
      }
      deepStrictEqual(await read(store, second), second)
    },
  },
  {
    promise: 'asks a running job to stop, and lets its worker have the last word',
    needs: ['cancel'],
    async run({ store }) {
      const job = await run(store)
      const asked = there(cancel(job, 'stop', defaultRetention, T))
      await put(store, asked)
      const current = there(asked.after)
      deepStrictEqual(await store.apply([succeed(job)], T), [{ ok: false, current }])
      const ended = ends(current, { kind: 'failed', error: 'stopped' })
      deepStrictEqual(ended.after?.state, 'cancelled')
      await put(store, ended)
      deepStrictEqual(await read(store, job), ended.after)
    },
  },
  {
    promise: 'lets two store what they have decided on the same row at once, and one of them win',
    async run({ store }) {
      for (const [, decide] of ofRunning) {
        const job = await run(store)
        const answers = await Promise.all([store.apply([decide(job)], T), store.apply([decide(job)], T)])
        deepStrictEqual(answers.flat().filter(({ ok }) => ok).length, 1)
        const now = await read(store, job)
        if (now !== undefined) await put(store, { before: now, after: undefined })
      }
    },
  },
]

/** The decision is stored, whether it was made on the row as claimed or on the row as read; counts follow. */
function storing([name, decide]: Decision, arrange: Arrange): readonly Case[] {
  const needs = ['retain', 'schedule', 'priority', 'cancel'] as const
  return [
    {
      promise: `stores a job that is ${name}, and counts it`,
      needs,
      async run({ store }) {
        for (const again of [false, true]) {
          const job = await arrange(store)
          const decision = decide(again ? there(await read(store, job)) : job)
          deepStrictEqual(await store.apply([decision], T), [{ ok: true }])
          deepStrictEqual(await read(store, job), decision.after)
          if (store.capabilities.has('inspect')) expectExact(await store.queues(), await store.list({ limit: 1_000 }))
        }
      },
    },
  ]
}

function refusing([name, decide]: Decision, arrange: Arrange): readonly Case[] {
  return [
    {
      promise: `refuses to store a job as ${name} once it has changed, shows it as it is, and changes nothing`,
      needs: ['retain', 'schedule', 'priority', 'cancel'],
      async run({ store }) {
        const old = await arrange(store)
        const current = { ...old, parent: 'job-000000', rev: old.rev + 1 }
        await put(store, { before: old, after: current })
        const before = await dump(store)
        deepStrictEqual(await store.apply([decide(old)], T), [{ ok: false, current }])
        await expectUnchanged(store, before)
      },
    },
  ]
}

type Arrange = (store: Store<unknown>, given?: Partial<Job>) => Promise<Job>

async function aRunning(store: Store<unknown>): Promise<Job> {
  return await run(store, { unique: undefined })
}

async function aFinished(store: Store<unknown>, _given: Partial<Job> = {}, now: Instant = T): Promise<Job> {
  const done = succeed(await run(store), now)
  await put(store, done)
  return there(done.after)
}
