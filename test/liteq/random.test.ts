import type { DatabaseSync } from 'node:sqlite'

import { expect, it } from 'vitest'

import type { Job } from '../../src/core/job.ts'
import { edit, type Outcome, remove, retry, settle } from '../../src/core/lifecycle.ts'
import type { LiteqStore } from '../../src/stores/liteq/index.ts'
import { ManualClock } from '../../src/testing/index.ts'
import { aJob } from '../../src/testing/contract/index.ts'
import { type ForeignJob, ForeignProgram } from './foreign.ts'
import { connect, newLiteq, T } from './kit.ts'
import { type Flavour, flavours } from './schema.ts'

const seed = Number(process.env['JOBFERRY_SEED'] ?? process.env['SEED'] ?? 1)

/** What a program knows that has a job: nobody else may get it before that is over. */
interface Right {
  readonly who: unknown
  readonly until: number
}

/** What each of our workers asks for when it claims or renews; what the others are told of Go's; after what time its handlers have surely ended. */
const [leaseMs, visibilityS, goRunsMs] = [10_000, 20, 19_000]

it.for(flavours)(
  `is shared by two stores and a Go program that do anything at any time: no job is got that another has (%s, JOBFERRY_SEED=${seed})`,
  async (flavour) => {
    const world = new World(flavour)
    for (let n = 0; n < 3_000; n++) await world.step()
    expect(world.clashes).toEqual([])
    expect(world.broken()).toEqual([])
    expect(world.ended).toBeGreaterThan(100)
  },
)

/** Three programs on one file, a clock that all go by, and dice. */
class World {
  readonly clashes: string[] = []
  ended = 0
  readonly #flavour: Flavour
  readonly #db: DatabaseSync
  readonly #stores: readonly LiteqStore[]
  readonly #go: ForeignProgram
  readonly #dice = new ManualClock({ seed })
  readonly #rights = new Map<string, Right>()
  readonly #held = new Map<LiteqStore, Job[]>()
  #goHas: { readonly job: ForeignJob; readonly since: number }[] = []
  #now = T

  constructor(flavour: Flavour) {
    const liteq = newLiteq(flavour)
    this.#flavour = flavour
    this.#db = connect(liteq.file)
    this.#stores = [liteq.store(), liteq.store({ visibilityTimeout: `${visibilityS}s` })]
    this.#go = new ForeignProgram(this.#db, flavour, () => Math.floor(this.#now / 1_000))
  }

  async step(): Promise<void> {
    this.#now += this.#below(3) * 700
    const store = this.#stores[this.#below(2)]!
    const acts: readonly (() => unknown)[] = [
      () => this.#insert(store),
      () => this.#queueJob(),
      () => this.#claim(store),
      () => this.#claim(store),
      () => this.#grab(),
      () => this.#goEnds(),
      () => this.#settle(store),
      () => this.#settle(store),
      () => this.#renew(store),
      () => this.#rescue(store),
      () => this.#steer(store),
    ]
    await acts[this.#below(acts.length)]!()
  }

  /** Rows that Go could not scan, or that no program of liteq would have left. */
  broken(): readonly unknown[] {
    const integers = [
      'execute_after',
      'remaining_attempts',
      'consumer_fetched_at',
      'finished_at',
      'created_at',
      'updated_at',
    ]
    return this.#db
      .prepare(
        `select * from jobs where ${integers.map((name) => `typeof(${name}) != 'integer'`).join(' or ')}
           or typeof(job) != 'text' or json_type(cast(errors as text)) != 'array' or (job_status != 'fetched' and consumer_fetched_at != 0)
           or (job_status = 'completed' and (finished_at = 0 or remaining_attempts != 0)) or (job_status != 'completed' and finished_at != 0)`,
      )
      .all()
  }

  #below(n: number): number {
    return Math.floor(this.#dice.random() * n)
  }

  #got(id: string, who: unknown, until: number): void {
    const other = this.#rights.get(id)
    if (other !== undefined && other.until > this.#now) this.clashes.push(`${id} at ${this.#now}, until ${other.until}`)
    this.#rights.set(id, { who, until })
  }

  /** Somebody has no job any more who should have it. */
  #lost(job: Job, who: unknown): void {
    const own = this.#rights.get(job.id)
    if (own === undefined || own.who !== who) return
    if (own.until > this.#now && own.until === job.leaseUntil) this.clashes.push(`${job.id} lost at ${this.#now}`)
  }

  async #insert(store: LiteqStore): Promise<void> {
    const queue = `q${this.#below(3)}`
    const runAt = this.#now + (this.#below(3) === 0 ? this.#below(20) * 1_000 : 0)
    const unique =
      this.#below(2) === 0 ? undefined : ({ key: `k${this.#below(3)}`, until: 'claimed', held: true } as const)
    const job = aJob({ task: queue, queue, runAt, createdAt: this.#now, unique, maxAttempts: 1 + this.#below(4) })
    await store.insert([{ jobs: [{ job, ifHeld: this.#below(2) === 0 ? 'keep' : 'refuse' }] }], this.#now)
  }

  #queueJob(): void {
    this.#go.queueJob({
      queue: `q${this.#below(3)}`,
      job: '{}',
      remainingAttempts: 1 + this.#below(4),
      executeAfter: this.#below(3) === 0 ? Math.floor(this.#now / 1_000) + this.#below(20) : 0,
      ...(this.#below(2) === 0 ? {} : { key: `k${this.#below(3)}` }),
      duplicate: this.#below(2) === 0 ? 'ignore' : 'replace',
    })
  }

  async #claim(store: LiteqStore): Promise<void> {
    const until = this.#now + leaseMs
    const tasks = new Map([[`q${this.#below(3)}`, 3]])
    const lease = `lease ${this.#dice.random()}`
    const { jobs } = await store.claim({ tasks, limit: 1 + this.#below(3), lease, until, now: this.#now })
    for (const job of jobs) this.#got(job.id, store, until)
    this.#held.set(store, [...(this.#held.get(store) ?? []), ...jobs])
  }

  #grab(): void {
    const queue = `q${this.#below(3)}`
    // v0.1 dies of a second job of a key that is to wait; then somebody has to help it.
    if (this.#flavour === 'raw') this.#db.exec(`update jobs set deduping_key = '' where job_status = 'fetched'`)
    this.#go.reset(queue, visibilityS)
    for (const job of this.#go.grab(queue, 2)) {
      this.#got(String(job.id), this.#go, this.#now + visibilityS * 1_000)
      this.#goHas.push({ job, since: this.#now })
    }
  }

  #goEnds(): void {
    const first = this.#goHas.shift()
    if (first === undefined || this.#now - first.since > goRunsMs) return // it is late: liteq would overwrite what has become of the job
    if (this.#below(2) === 0 || this.#flavour === 'raw') this.#go.complete(first.job)
    else this.#go.fail(first.job, 'no <luck>')
    this.#rights.delete(String(first.job.id))
  }

  async #settle(store: LiteqStore): Promise<void> {
    const job = this.#held.get(store)?.shift()
    if (job === undefined) return
    const outcomes: readonly Outcome[] = [
      { kind: 'succeeded', result: undefined },
      { kind: 'failed', error: new Error('no luck') },
      { kind: 'released' },
      { kind: 'snoozed', runAt: this.#now + 3_000 },
    ]
    const [result] = await store.apply([settle(job, outcomes[this.#below(4)]!, store.rules, this.#now, 0)], this.#now)
    if (result?.ok !== true) return this.#lost(job, store)
    const right = this.#rights.get(job.id)
    if (right !== undefined && right.who !== store && right.until > this.#now)
      this.clashes.push(`${job.id} ended for another`)
    this.#rights.delete(job.id)
    this.ended++
  }

  async #renew(store: LiteqStore): Promise<void> {
    const held = this.#held.get(store) ?? []
    const until = this.#now + leaseMs
    const renewed = await store.renew(
      held.map(({ id, lease }) => ({ id, lease: lease! })),
      until,
      this.#now,
    )
    const kept: Job[] = []
    for (const [i, job] of held.entries()) {
      const answer = renewed[i]
      if (answer === undefined || !('rev' in answer)) {
        this.#lost(job, store)
        continue
      }
      this.#rights.set(job.id, { who: store, until })
      kept.push({ ...job, rev: answer.rev, leaseUntil: until })
    }
    this.#held.set(store, kept)
  }

  async #rescue(store: LiteqStore): Promise<void> {
    const { jobs } = await store.expired(this.#now, 50)
    for (const { id } of jobs)
      if ((this.#rights.get(id)?.until ?? 0) > this.#now) this.clashes.push(`${id} expired early`)
    const expired = { kind: 'expired' } as const
    await store.apply(
      jobs.map((job) => settle(job, expired, store.rules, this.#now, 0)),
      this.#now,
    )
  }

  async #steer(store: LiteqStore): Promise<void> {
    const jobs = (await store.list({ limit: 20 })).filter(({ state }) => state !== 'running')
    const job = jobs[this.#below(jobs.length)]
    if (job === undefined) return
    const choice = this.#below(3)
    if (choice === 0) await store.apply([remove(job)], this.#now)
    else if (choice === 1) await store.apply([retry(job, this.#now)], this.#now)
    else if (job.state === 'pending')
      await store.apply([edit(job, { payload: '"else"', runAt: this.#now + 2_000 })], this.#now)
  }
}
