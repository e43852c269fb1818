import { deepStrictEqual } from 'node:assert/strict'

import * as fc from 'fast-check'

import { replaced } from '../../src/core/dedupe.ts'
import { QueueError } from '../../src/core/errors.ts'
import type { Instant, Job } from '../../src/core/job.ts'
import {
  cancel,
  edit,
  type Outcome,
  remove,
  retry,
  settle,
  type SettlePolicy,
  type Write,
} from '../../src/core/lifecycle.ts'
import type { RetentionPolicy } from '../../src/core/retention.ts'
import type { Awaitable, Batch, BatchResult, Renewal, Store } from '../../src/store.ts'
import { MemoryStore } from '../../src/stores/memory/index.ts'
import { aJob, T } from '../../src/testing/contract/builders.ts'
import { dump, expectSound } from '../../src/testing/contract/dump.ts'
import type { Fixture } from '../../src/testing/contract/index.ts'
import {
  backoffMs,
  type BatchOf,
  type Decision,
  type JobOf,
  leaseMs,
  script,
  type Turn,
  type Which,
  type WriteOf,
} from './steps.ts'

/** What the runs came to: `undefined` when the stores agreed in every step. */
export interface Disagreement {
  readonly runs: number
  /** The shortest script found, each step with its answer, and what was not the same at its end. */
  readonly trace: string
}

/**
 * Plays random scripts on a store and on the memory store, and compares each answer, and all that can be seen, after every step.
 * Where the same jobs can be opened twice, the steps are taken now through the one, now through the other.
 * @param shrink whether to look for a short script once one was found on which they disagree
 */
export async function disagreement(
  open: () => Awaitable<Fixture>,
  { seed, runs, shrink = true }: { readonly seed: number; readonly runs: number; readonly shrink?: boolean },
): Promise<Disagreement | undefined> {
  const property = fc.asyncProperty(script, async (turns) => {
    const { store, another, close } = await open()
    try {
      await store.migrate()
      await new Play(another === undefined ? [store] : [store, await another()]).run(turns)
    } finally {
      await store.close()
      await close?.()
    }
  })
  const found = await fc.check(property, { seed, numRuns: runs, endOnFailure: !shrink })
  if (!found.failed) return undefined
  const { errorInstance, numRuns } = found
  return { runs: numRuns, trace: errorInstance instanceof Error ? errorInstance.message : String(errorInstance) }
}

const tasks = ['mail', 'call', '__proto__']
const queues = ['main', 'side', 'other']
const keys = ['a', "b'🦉"]

const retention: RetentionPolicy = { completed: leaseMs, failed: backoffMs, cancelled: 1, payload: 'failed' }
const policy: SettlePolicy = {
  backoff: { type: 'linear', delayMs: backoffMs, maxMs: 10 * backoffMs, jitter: 0.5 },
  retention,
}

/** The same row as each of the two stores gave it: the object, too, because a store may know its own again. */
interface Pair {
  readonly mine: Job
  readonly theirs: Job
}

type Side = 'mine' | 'theirs'

/** One script, played on both. */
class Play {
  readonly #memory = new MemoryStore()
  readonly #stores: readonly Store<unknown>[]
  #store: Store<unknown>
  #now: Instant = T
  /**
   * From then on `nextRunAt` is not compared. SQLite puts a job aside that was due and whose key was busy, and does not see it when it is
   * not due any more; once the key is free it is back in turn, so that all that could be lost is a hint.
   */
  #wentBack = false
  readonly #ids: string[] = []
  /** The latest first. */
  readonly #kept: Pair[] = []
  /** Jobs that have or had a log: it must go with them. */
  readonly #logged = new Set<string>()
  #leases = 0
  readonly #trace: string[] = []

  constructor(stores: readonly Store<unknown>[]) {
    this.#stores = stores
    this.#store = stores[0]!
  }

  /** @throws Error with the whole trace when the stores disagree */
  async run(turns: readonly Turn[]): Promise<void> {
    for (const turn of turns) {
      const line = `${this.#trace.length + 1}. T+${this.#now - T} ${show(turn)}`
      this.#trace.push(line)
      try {
        this.#store = this.#stores[turn.via % this.#stores.length]!
        const answer = await this.#step(turn)
        if (answer !== undefined) this.#trace[this.#trace.length - 1] = `${line}\n      → ${show(answer)}`
        deepStrictEqual(await dump(this.#store), await dump(this.#memory))
        for (const id of this.#logged) await this.#both((store) => store.logs(id, 100))
        await expectSound(this.#memory)
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause)
        throw new Error(`${this.#trace.join('\n')}\n\nactual: ${this.#store.name}, expected: memory\n${message}`, {
          cause,
        })
      }
    }
  }

  async #step(turn: Turn): Promise<unknown> {
    switch (turn.do) {
      case 'insert':
        return await this.#insert(turn.batches)
      case 'claim':
        return await this.#claim(turn)
      case 'apply': {
        const writes = await this.#writes(turn.writes)
        return await this.#both((store, side) => store.apply(writes[side], this.#now))
      }
      case 'renew':
        return await this.#renew(turn.of, turn.forMs)
      case 'rescue':
        return await this.#rescue(turn.limit)
      case 'prune':
        return await this.#prune(turn.limit)
      case 'configure':
        return await this.#both((store) => store.configure(at(queues, turn.queue), turn.settings))
      case 'log': {
        const rows = await Promise.all(turn.of.map(async (which) => await this.#row(which)))
        const lines = rows.flatMap((row) =>
          row === undefined
            ? []
            : [
                {
                  jobId: row.mine.id,
                  attempt: row.mine.attempt,
                  at: this.#now,
                  level: 'info' as const,
                  message: 'line',
                  data: undefined,
                },
              ],
        )
        for (const { jobId } of lines) this.#logged.add(jobId)
        return await this.#both((store) => store.log(lines))
      }
      case 'list': {
        const [queue, uniqueKey] = [name(queues, turn.queue), name(keys, turn.key)]
        return (await this.#both((store) => store.list({ queue, uniqueKey, limit: turn.limit }))).map((job) => job.id)
      }
      case 'look': {
        const row = await this.#row({ row: 'now', at: turn.at })
        if (row !== undefined) this.#kept.unshift(row)
        return row?.mine.id
      }
      case 'tick':
        this.#now += turn.ms
        this.#wentBack ||= turn.ms < 0
        return undefined
    }
  }

  /** Asks both; their answers must be the same. */
  async #both<A>(ask: (store: Store<unknown>, side: Side) => Awaitable<A>): Promise<A> {
    const theirs = await ask(this.#store, 'theirs')
    const mine = await ask(this.#memory, 'mine')
    deepStrictEqual(theirs, mine)
    return mine
  }

  async #insert(batches: readonly BatchOf[]): Promise<unknown> {
    const jobs = batches.map((batch) => batch.jobs.map((job) => ({ job: this.#job(job), ifHeld: job.ifHeld })))
    const writes: (Record<Side, readonly Write[]> | undefined)[] = []
    for (const batch of batches) writes.push(batch.writes === undefined ? undefined : await this.#writes(batch.writes))
    const batchesOf = (side: Side): readonly Batch[] =>
      jobs.map((own, i) => ({ jobs: own, ...(writes[i] === undefined ? {} : { writes: writes[i][side] }) }))
    return await this.#both(async (store, side) =>
      (await store.insert(batchesOf(side), this.#now)).map((result, i) => whole(result, jobs[i]!.length)),
    )
  }

  async #claim(turn: Extract<Turn, { do: 'claim' }>): Promise<unknown> {
    const settled = await this.#writes(turn.settle)
    const request = {
      tasks: turn.most && new Map(turn.most.map((most, i) => [at(tasks, i), most])),
      queues: turn.queue === undefined ? undefined : [at(queues, turn.queue)],
      limit: turn.limit,
      lease: `lease-${++this.#leases}`,
      now: this.#now,
      until: this.#now + turn.forMs,
    }
    const taken: Partial<Record<Side, readonly Job[]>> = {}
    const answer = await this.#both(async (store, side) => {
      const claimed = await store.claim({ ...request, settle: settled[side] })
      taken[side] = claimed.jobs
      return this.#wentBack ? { ...claimed, nextRunAt: undefined } : claimed
    })
    for (const [i, mine] of taken.mine!.entries()) this.#kept.unshift({ mine, theirs: taken.theirs![i]! })
    return {
      jobs: answer.jobs.map((job) => job.id),
      settled: answer.settled,
      nextRunAt: answer.nextRunAt && `T+${answer.nextRunAt - T}`,
    }
  }

  async #renew(of: readonly Which[], forMs: number): Promise<unknown> {
    const renewals = new Map<string, Renewal>()
    for (const which of of) {
      const { id, lease } = (await this.#row(which))?.mine ?? {}
      if (id !== undefined && lease !== undefined) renewals.set(lease + id, { id, lease })
    }
    return await this.#both((store) => store.renew([...renewals.values()], this.#now + forMs, this.#now))
  }

  async #prune(asked: number): Promise<unknown> {
    const limit = this.#withTies(asked, (job) => job.forgetAt)
    return await this.#both((store) => store.prune(this.#now, limit))
  }

  /** Looks for expired leases and takes the jobs back, as the upkeep of a worker does. */
  async #rescue(asked: number): Promise<unknown> {
    const limit = this.#withTies(asked, (job) => job.leaseUntil)
    const lost: Partial<Record<Side, readonly Job[]>> = {}
    await this.#both(async (store, side) => {
      const expired = await store.expired(this.#now, limit)
      lost[side] = expired.jobs
      return expired
    })
    return await this.#both((store, side) =>
      store.apply(
        lost[side]!.flatMap((job) => decide(job, { to: 'expire' }, this.#now) ?? []),
        this.#now,
      ),
    )
  }

  /** So many jobs of those that are due, and all that are due at the same instant as the last: which of them comes first is not promised. */
  #withTies(limit: number, instantOf: (job: Job) => Instant | undefined): number {
    const jobs = this.#memory.list({ limit: 1_000 })
    const due = jobs.flatMap((job) => instantOf(job) ?? []).toSorted((a, b) => a - b)
    const last = due[limit - 1] ?? -Infinity
    return Math.max(limit, due.filter((instant) => instant <= last).length)
  }

  /** The writes that these decisions come to, on the rows of each side; those that the core refuses are left out. */
  async #writes(given: readonly WriteOf[]): Promise<Record<Side, readonly Write[]>> {
    const writes: Record<Side, Write[]> = { mine: [], theirs: [] }
    for (const { which, decisions } of given) {
      const row = await this.#row(which)
      if (row === undefined) continue
      for (const side of ['mine', 'theirs'] as const) {
        let before: Job | undefined = row[side]
        for (const decision of decisions) {
          const write: Write | undefined = before && decide(before, decision, this.#now)
          if (write === undefined) break
          writes[side].push(write)
          before = write.after
        }
      }
    }
    return writes
  }

  async #row({ row, at: place }: Which): Promise<Pair | undefined> {
    if (row === 'kept') return this.#kept[place]
    const id = this.#ids[place % this.#ids.length]
    if (id === undefined) return undefined
    const [[mine], [theirs]] = [this.#memory.get([id]), await this.#store.get([id])]
    deepStrictEqual(theirs, mine)
    return mine && theirs && { mine, theirs }
  }

  #job(given: JobOf): Job {
    const id = `job-${String(this.#ids.length + 1).padStart(3, '0')}`
    this.#ids.push(id)
    return { ...jobOf(given, this.#now), id }
  }
}

/** What somebody who has this row would store; `undefined` when the core refuses. */
function decide(job: Job, decision: Decision, now: Instant): Write | undefined {
  try {
    switch (decision.to) {
      case 'complete':
        return ended(job, { kind: 'succeeded', result: '"done"' }, now)
      case 'fail':
        return ended(job, { kind: 'failed', error: 'smoke' }, now)
      case 'fail for good':
        return ended(job, { kind: 'failed', error: 'smoke', remaining: 0 }, now)
      case 'give up':
        return ended(job, { kind: 'cancelled', reason: 'given up' }, now)
      case 'snooze':
        return ended(job, { kind: 'snoozed', runAt: now + decision.ms }, now)
      case 'release':
        return ended(job, { kind: 'released' }, now)
      case 'expire':
        return ended(job, { kind: 'expired' }, now)
      case 'discard':
        return { before: job, after: undefined }
      case 'cancel':
        return cancel(job, 'no use', retention, now)
      case 'retry':
        return retry(job, now)
      case 'remove':
        return remove(job)
      case 'edit':
        return edit(job, { priority: decision.priority, runAt: now + decision.delayMs })
      case 'replace': {
        const after = replaced(job, jobOf(decision.by, now))
        return after && { before: job, after }
      }
    }
  } catch (error) {
    if (error instanceof QueueError) return undefined // nothing is stored then
    throw error
  }
}

function ended(job: Job, outcome: Outcome, now: Instant): Write | undefined {
  return job.state === 'running' ? settle(job, outcome, policy, now, 0.5) : undefined
}

function jobOf({ task, queue, priority, delayMs, maxAttempts, key, until, concurrencyKey }: JobOf, now: Instant): Job {
  const held = typeof until === 'number' ? now + until : until
  return aJob({
    task: at(tasks, task),
    queue: at(queues, queue),
    priority,
    runAt: now + delayMs,
    createdAt: now,
    maxAttempts,
    unique: key === undefined ? undefined : { key: at(keys, key), until: held, held: true },
    concurrencyKey: name(keys, concurrencyKey),
  })
}

/** No entry and `undefined` mean the same. */
function whole({ ok, holders }: BatchResult, count: number): BatchResult {
  return { ok, holders: Array.from({ length: count }, (_, i) => holders[i]) }
}

function at(names: readonly string[], index: number): string {
  return names[index % names.length]!
}

function name(names: readonly string[], index: number | undefined): string | undefined {
  return index === undefined ? undefined : at(names, index)
}

/** One line: rows as their id and revision, absent fields left out. */
function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? value : String(value)
  if ('rev' in value && 'id' in value && 'state' in value)
    return `${String(value.id)} rev ${String(value.rev)} ${String(value.state)}`
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return `{ ${fields.map(([key, field]) => `${key}: ${show(field)}`).join(', ')} }`
}
