import { deepStrictEqual, ok } from 'node:assert/strict'

import { defaultRetention } from '../../core/retention.ts'
import type { Instant, Job, Unique } from '../../core/job.ts'
import { claimed, type Outcome, settle, type SettlePolicy, type Write } from '../../core/lifecycle.ts'
import type { BatchResult, Claimed, ClaimRequest, Store } from '../../store.ts'

/** The instant at which every case begins. */
export const T: Instant = 1_750_000_000_000

/** How long a lease is, in milliseconds, where nothing else is said. */
export const leaseMs = 30_000

/** Waits 5 s, then 10 s, 20 s and so on; keeps finished jobs. No jitter, so that every instant is known. */
export const policy: SettlePolicy = {
  backoff: { type: 'exponential', delayMs: 5_000, maxMs: 3_600_000, jitter: 0 },
  retention: defaultRetention,
}

let made = 0

/** A job that waits and is due at `T`, every field present; each has an id of its own, and they grow. */
export function aJob(given: Partial<Job> = {}): Job {
  return {
    id: `job-${String(++made).padStart(6, '0')}`,
    task: 'mail',
    queue: 'main',
    state: 'pending',
    priority: 0,
    runAt: T,
    payload: '{"to":"ada"}',
    attempt: 0,
    maxAttempts: 3,
    rev: 0,
    lease: undefined,
    leaseUntil: undefined,
    createdAt: T,
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
    ...given,
  }
}

/** A key that is held, until claimed if nothing else is said. */
export function held(key: string, until: Unique['until'] = 'claimed'): Unique {
  return { key, until, held: true }
}

/** The same key, not held. */
export function letGo(unique: Unique | undefined): Unique | undefined {
  return unique === undefined ? undefined : { ...unique, held: false }
}

/** Adds jobs as one batch, each left out if its key is held. */
export async function offer(store: Store<unknown>, jobs: readonly Job[], now: Instant = T): Promise<BatchResult> {
  return only(await store.insert([{ jobs: jobs.map((job) => ({ job, ifHeld: 'keep' })) }], now))
}

/** Adds jobs that nothing is in the way of. */
export async function add(store: Store<unknown>, ...jobs: readonly Job[]): Promise<readonly Job[]> {
  const result = await offer(store, jobs)
  deepStrictEqual(
    holders(result, jobs.length),
    jobs.map(() => undefined),
  )
  ok(result.ok)
  return jobs
}

/** Adds a job that nothing is in the way of. */
export async function addOne(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  return only(await add(store, aJob(given)))
}

/** The holders of a result for `count` jobs: no entry and `undefined` mean the same. */
export function holders(result: BatchResult, count: number): readonly (Job | undefined)[] {
  return Array.from({ length: count }, (_, i) => result.holders[i])
}

/** A job with the key is not added: this one holds it. */
export async function expectHeldBy(store: Store<unknown>, key: Unique, holder: Job): Promise<void> {
  deepStrictEqual(only(holders(await offer(store, [aJob({ unique: key })]), 1)), holder)
}

/** A job with the key can be added; it is taken away again. */
export async function expectFree(store: Store<unknown>, key: Unique): Promise<void> {
  const job = await addOne(store, { unique: key })
  await put(store, { before: job, after: undefined })
}

let leases = 0

/** A claim at `T` of up to 100 jobs of any task, with a token of its own. */
export function aClaim(given: Partial<ClaimRequest> = {}): ClaimRequest {
  const now = given.now ?? T
  return { tasks: undefined, limit: 100, lease: `lease-${++leases}`, until: now + leaseMs, now, ...given }
}

export async function claim(store: Store<unknown>, given: Partial<ClaimRequest> = {}): Promise<Claimed> {
  return await store.claim(aClaim(given))
}

/** Claims and gives the jobs alone. */
export async function take(store: Store<unknown>, given: Partial<ClaimRequest> = {}): Promise<readonly Job[]> {
  return (await claim(store, given)).jobs
}

/** Adds a job and claims it at `T` for `leaseMs`. */
export async function run(store: Store<unknown>, given: Partial<Job> = {}): Promise<Job> {
  const job = await addOne(store, given)
  return only(await take(store, { tasks: new Map([[job.task, 1]]), queues: [job.queue] }))
}

/** A row as a claim makes it, without a store. */
export function running(job: Job, now: Instant = T): Job {
  return claimed(job, `lease-${++leases}`, now + leaseMs, now)
}

export async function read(store: Store<unknown>, { id }: Pick<Job, 'id'>): Promise<Job | undefined> {
  return only(await store.get([id]))
}

/** Applies writes at `now` and says of each whether it was stored. */
export async function write(store: Store<unknown>, writes: readonly Write[], now: Instant = T): Promise<boolean[]> {
  return (await store.apply(writes, now)).map((result) => result.ok)
}

/** Applies writes that nobody has overtaken. */
export async function put(store: Store<unknown>, ...writes: readonly (Write | undefined)[]): Promise<void> {
  const given = writes.filter((one) => one !== undefined)
  deepStrictEqual(
    await write(store, given),
    given.map(() => true),
  )
}

/** What `core/lifecycle.ts` makes of a run's end, with the fixed policy and no chance. */
export function ends(job: Job, outcome: Outcome, now: Instant = T): Write {
  return settle(job, outcome, policy, now, 0)
}

export const succeeded: Outcome = { kind: 'succeeded', result: undefined }

export function succeed(job: Job, now: Instant = T): Write {
  return ends(job, succeeded, now)
}

/** A failure whose note has no stack, so that it is the same everywhere. */
export function fail(job: Job, now: Instant = T): Write {
  return ends(job, { kind: 'failed', error: 'smoke' }, now)
}

/** The one entry of a list that must have one. */
export function only<V>(list: readonly V[]): V {
  deepStrictEqual(list.length, 1)
  return at(list, 0)
}

/** The entry at an index that must be there. `undefined` is an entry too. */
export function at<V>(list: readonly V[], index: number): V {
  const entries = list.slice(index, index + 1)
  for (const entry of entries) return entry
  throw new RangeError(`There is no entry ${index} in a list of ${list.length}`)
}

/** A value that must be there. */
export function there<V>(value: V | undefined): V {
  if (value === undefined) throw new TypeError('Expected a value, got undefined')
  return value
}

export function ids(jobs: readonly Pick<Job, 'id'>[]): readonly string[] {
  return jobs.map((job) => job.id)
}

/** Names that have broken other programs: none may be mistaken for another, or for anything but a name. */
export const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  "o'brien",
  '"quoted"',
  '`ticks`',
  "'; drop table job; --",
  '%',
  '_',
  '%s %d $1 ?1 :name @name',
  '{braces}',
  '*',
  ':',
  'a:b',
  'a/b',
  '\\',
  ' ',
  'two  spaces',
  'Mail',
  'mail',
  'mail ',
  '0',
  '-1',
  'null',
  'undefined',
  '🦉',
  '👩‍👩‍👧',
  'é',
  'e\u0301',
  'ß',
  'שלום',
  '\u202Eright to left',
  '\uFFFD',
  '\uE000',
  '\u{1F980}',
  'x'.repeat(255),
]
