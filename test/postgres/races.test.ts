import { describe, expect, it, onTestFinished } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import { cancel, edit, settle, type Write } from '../../src/core/lifecycle.ts'
import { defaultRetention } from '../../src/core/retention.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { aJob, T } from '../../src/testing/contract/index.ts'
import { type Mutant, planted } from '../model/mutants.ts'
import { postgresSeam } from '../model/postgres-mutants.ts'
import { connect, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'

/** Two stores that meet: the calls of the first are not committed until the test says so, and it can be seen whether the second waits. */
interface Meeting {
  readonly first: PostgresStore
  readonly commit: () => Promise<unknown>
  readonly second: PostgresStore
  /** Resolves when the call of the second is over, however it ended, or waits for a lock of the first. */
  readonly seen: (call: Promise<unknown>) => Promise<'over' | 'waits'>
}

interface Race {
  readonly promise: string
  /** The same with the protection gone, under which the promise must break. Absent where PostgreSQL itself protects, too. */
  readonly planted?: Mutant['changes']
  /** Rejects when the promise is broken. */
  readonly run: (meeting: Meeting) => Promise<void>
}

const races: readonly Race[] = [
  {
    promise: 'two claims at once take no more of a queue than its limit',
    planted: [[/perform pg_advisory_xact_lock\(\S+::regclass::oid::integer, q\);/, 'null;']],
    async run({ first, second, commit, seen }) {
      await second.configure('main', { concurrency: 1 })
      const [one] = await added(second, aJob(), aJob())
      expect(ids(await claim(first))).toEqual([one?.id])
      const claiming = claim(second)
      await seen(claiming)
      await commit()
      expect(await claiming).toEqual([])
    },
  },
  {
    promise: 'two claims at once never take two jobs of one concurrency key',
    planted: [[/perform pg_advisory_xact_lock\(\S+::regclass::oid::integer, q\);/, 'null;']],
    async run({ first, second, commit, seen }) {
      await added(second, aJob({ concurrencyKey: 'k' }), aJob({ concurrencyKey: 'k', priority: 1 }))
      expect(await claim(first)).toHaveLength(1)
      const claiming = claim(second)
      await seen(claiming)
      await commit()
      expect(await claiming).toEqual([])
    },
  },
  {
    promise: 'a claim over several lanes passes over what another is taking, and does not wait for it',
    planted: [[/(j\.ctid = any \(picked\)[^]*?for update) skip locked/, '$1']],
    async run({ first, second, seen }) {
      const jobs = await added(second, aJob({ task: 'a' }), aJob({ task: 'b' }), aJob({ task: 'a' }))
      expect(ids(await claim(first))).toEqual([jobs[0]?.id])
      const claiming = claim(second)
      expect(await seen(claiming)).toBe('over')
      expect(ids(await claiming)).toEqual([jobs[1]?.id])
    },
  },
  {
    promise: 'a claim over several lanes takes nothing that another has just taken',
    async run({ first, second, commit, seen }) {
      const jobs = await added(second, aJob({ task: 'a' }), aJob({ task: 'b' }))
      expect(ids(await claim(first))).toEqual([jobs[0]?.id])
      const claiming = claim(second)
      await seen(claiming)
      await commit()
      expect(ids(await claiming)).toEqual([jobs[1]?.id])
    },
  },
  {
    promise: 'a claim that is alone with a lane sees what an edit under way has made of its first job',
    async run({ first, second, commit, seen }) {
      const [job] = await added(second, aJob())
      const later = edit(job!, { runAt: T + 5_000 })
      expect(await first.apply([later], T)).toEqual([{ ok: true }])
      const claiming = claim(second)
      await seen(claiming)
      await commit()
      expect(await claiming).toEqual([])
      expect(await second.get([job!.id])).toEqual([later.after])
    },
  },
  {
    promise: 'a claim that is alone with a lane does not take a job that is being cancelled',
    async run({ first, second, commit, seen }) {
      const [job] = await added(second, aJob())
      const cancelled = cancel(job!, 'no use', defaultRetention, T)!
      expect(await first.apply([cancelled], T)).toEqual([{ ok: true }])
      const claiming = claim(second)
      await seen(claiming)
      await commit()
      expect(await claiming).toEqual([])
    },
  },
  {
    promise: 'a job whose key is busy is not put aside while that which would let it back is under way',
    planted: [[/perform from \S+job j where [^;]*for share skip locked;\s+if found then/, 'if true then']],
    async run({ first, second, commit }) {
      const jobs = await added(second, aJob({ concurrencyKey: 'k' }), aJob({ concurrencyKey: 'k' }))
      const [running] = await claim(second)
      expect(await first.apply([completed(running!)], T)).toEqual([{ ok: true }])
      expect(await claim(second)).toEqual([]) // it is still running, as far as can be seen
      await commit()
      expect(ids(await claim(second))).toEqual([jobs[1]?.id])
    },
  },
  {
    promise:
      'of two writes decided on the same revision the second is refused, though it came before the first was committed',
    planted: [[/(is not distinct from w\.decided_under)\s+for update/, '$1']],
    async run({ first, second, commit, seen }) {
      const [job] = await added(second, aJob({ runAt: T + 1 }))
      const [mine, yours] = [edit(job!, { priority: -1 }), edit(job!, { priority: 1 })]
      expect(await first.apply([mine], T)).toEqual([{ ok: true }])
      const writing = second.apply([yours], T)
      await seen(writing)
      await commit()
      expect(await writing).toEqual([{ ok: false, current: mine.after }])
    },
  },
  {
    promise: 'writes of several kinds lock their rows in one order, so that nobody waits in a circle',
    planted: [[/perform from \S+job j\s+where j\.id = any \(gone_ids[^;]*for update;/, 'null;']],
    async run({ first, second, commit, seen }) {
      await added(second, aJob({ id: 'job-a' }), aJob({ id: 'job-b' }))
      const [a, b] = await claim(second, 2)
      const [failed, removed] = [ended(a!, 'failed'), { before: b!, after: undefined }]
      expect(await first.apply([completed(a!)], T)).toEqual([{ ok: true }])
      const writing = second.apply([failed, removed], T)
      expect(await seen(writing)).toBe('waits')
      const renewing = first.renew([{ id: b!.id, lease: b!.lease! }], T + 9_000, T)
      expect(await Promise.race([renewing, writing.then(() => 'undone')])).toEqual([{ rev: 2, cancel: undefined }])
      await commit()
      expect((await writing).map(({ ok }) => ok)).toEqual([false, false])
    },
  },
  {
    promise: 'whoever comes second to sum up the counts does nothing, and does not wait',
    planted: [[/if not pg_try_advisory_xact_lock\(\S+::regclass::oid::integer, 0\) then/, 'if false then']],
    async run({ first, second, commit, seen }) {
      await added(second, aJob(), aJob())
      await first.prune(T, 1)
      const pruning = second.prune(T, 1)
      expect(await seen(pruning)).toBe('over')
      await commit()
      await second.prune(T, 1)
      expect((await second.queues()).map(({ counts }) => counts.pending)).toEqual([2])
    },
  },
]

describe('when two stores meet on PostgreSQL', () => {
  for (const { promise, run } of races) it(promise, async () => await run(await newMeeting()))
})

describe('it would show if it were not so that, when two stores meet,', () => {
  for (const { promise, planted: changes, run } of races)
    if (changes !== undefined)
      it(promise, async () => {
        await planted({ bug: promise, changes }, postgresSeam, async () => {
          await expect(run(await newMeeting())).rejects.toThrow()
        })
      })
})

async function newMeeting(): Promise<Meeting> {
  const { url, schema } = await newSchema()
  const [holder, watcher] = [await connect(url), await connect(url)]
  const applicationName = `second_${schema}`.slice(0, 63)
  const second = await PostgresStore.open(url, { schema, applicationName, notify: false })
  onTestFinished(() => second.close())
  await second.migrate()
  let open = false
  const begun = {
    on: () => undefined,
    off: () => undefined,
    query: async (query: { readonly text: string }) => {
      if (!open) await holder.query(`begin; set local lock_timeout = '500ms'`) // it has no reason to wait for the second
      open = true
      return await holder.query(query)
    },
    release: () => undefined,
  }
  const pool = { connect: async () => begun, end: async () => undefined, on: () => undefined }
  const first = await PostgresStore.open(url, { schema, pool })
  const commit = async (): Promise<void> => {
    if (open) await holder.query('commit')
    open = false
  }
  onTestFinished(async () => {
    await commit()
    await first.close()
  })
  return {
    first,
    second,
    commit,
    async seen(call) {
      let over = false
      const done = (): void => void (over = true)
      call.then(done, done)
      return await until('the second was over, or waited', async () => {
        if (over) return 'over'
        const { rowCount } = await watcher.query(
          `select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`,
          [applicationName],
        )
        return rowCount === 0 ? undefined : 'waits'
      })
    },
  }
}

async function added(store: PostgresStore, ...jobs: readonly Job[]): Promise<readonly Job[]> {
  await store.insert([{ jobs: jobs.map((job) => ({ job, ifHeld: 'keep' })) }], T)
  return jobs
}

let leases = 0

async function claim(store: PostgresStore, limit = 1): Promise<readonly Job[]> {
  const request = { tasks: undefined, limit, lease: `lease-${++leases}`, until: T + 1_000, now: T }
  return (await store.claim(request)).jobs
}

function ended(job: Job, kind: 'succeeded' | 'failed'): Write {
  const backoff = { type: 'fixed', delayMs: 0, maxMs: 0, jitter: 0 } as const
  const outcome = kind === 'failed' ? { kind, error: 'smoke' } : { kind, result: undefined }
  return settle(job, outcome, { backoff, retention: defaultRetention }, T, 0)
}

function completed(job: Job): Write {
  return ended(job, 'succeeded')
}

function ids(jobs: readonly Job[]): readonly string[] {
  return jobs.map(({ id }) => id)
}
