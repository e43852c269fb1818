import type { Capability } from '../../core/capability.ts'
import { UnsupportedError, UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { claimed, expectFaultless, type Write } from '../../core/lifecycle.ts'
import type {
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  NewJob,
  QueueStats,
  Renewal,
  RenewResult,
  Rules,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { toWire } from '../redis-client/connect.ts'
import { Link } from '../redis-client/link.ts'
import type { Wire } from '../redis-client/wire.ts'
import { Arrivals } from './arrivals.ts'
import { fromPayload, toId } from './bytes.ts'
import { redisWorkQueueCapabilities } from './capabilities.ts'
import { changeOf } from './change.ts'
import { Cleaner } from './cleaner.ts'
import { type Addition, type Change, type Exchanged, Items, type Taking, toAddArguments } from './items.ts'
import { Leases } from './leases.ts'
import { Lister } from './lister.ts'
import { Session } from './names.ts'
import {
  expectOneSlot,
  type RedisWorkQueueOptions,
  type RedisWorkQueueSettings,
  redisWorkQueueSettings,
} from './options.ts'
import { appendTo, nobody } from './pipeline.ts'
import { refusal } from './refusal.ts'
import { report } from './report.ts'
import { type Row, toJob, unknown } from './row.ts'
import { rules } from './rules.ts'
import { scripts } from './script.ts'
import { expectServer } from './server.ts'
import { toQueueStats } from './stats.ts'

/**
 * The jobs of one queue of redis-work-queue (protocol 0.3), in its own keys, beside its own clients: Python, Rust, Go, Node and C#.
 *
 * A guest: what they do in several steps is done in one here, and nothing is written that they would not write. What that means for each
 * promise of `Store` is in docs/decisions/021, and for users in docs/guests/redis-work-queue.md.
 */
export class RedisWorkQueueStore implements Store {
  readonly name = 'redis-work-queue'
  readonly capabilities: ReadonlySet<Capability> = redisWorkQueueCapabilities
  readonly rules: Rules = rules
  readonly settings: RedisWorkQueueSettings
  readonly #link: Link
  readonly #items: Items
  readonly #session = new Session()
  readonly #leases = new Leases()
  readonly #lister: Lister
  readonly #cleaner: Cleaner
  readonly #arrivals: Arrivals
  readonly #listeners = new Set<(bell: Bell) => void>()
  #closing: Promise<void> | undefined

  /** Use `RedisWorkQueueStore.open`: it loads the client library, and connects. */
  constructor(wire: Wire, settings: RedisWorkQueueSettings) {
    this.settings = settings
    this.#link = new Link(wire, settings.prefix, nobody, settings.timeoutMs, true)
    this.#items = new Items(this.#link)
    this.#lister = new Lister(this.#items, async (rows) => await this.#toJobs(rows))
    this.#cleaner = new Cleaner(this.#items, settings)
    this.#arrivals = new Arrivals(wire, settings.prefix, () => this.#ring('jobs'))
  }

  /** @throws UsageError for a bad option, or when no client library is installed · StoreError when the server cannot be reached, or is too old */
  static async open(options: RedisWorkQueueOptions): Promise<RedisWorkQueueStore> {
    const settings = redisWorkQueueSettings(options)
    const wire = await toWire(settings)
    if (wire.cluster) expectOneSlot(settings.prefix)
    const store = new RedisWorkQueueStore(wire, settings)
    void wire.connect().catch(() => undefined) // the first call finds out, and waits
    try {
      await expectServer(store.#link)
    } catch (error) {
      await store.close()
      throw error
    }
    return store
  }

  /** Makes nothing: keys come with the first item. */
  migrate(): void {
    this.#expectOpen()
  }

  /** Gives back what is held. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async time(): Promise<Instant> {
    this.#expectOpen()
    return await this.#items.time()
  }

  refusal(job: Job): string | undefined {
    return refusal(job, this.settings)
  }

  async insert(batches: readonly Batch[], now: Instant): Promise<readonly BatchResult[]> {
    this.#expectOpen()
    const additions = batches.map((batch) => this.#toAddition(batch))
    if (additions.every(({ edits, items }) => edits.length + items.length === 0))
      return batches.map(() => ({ ok: true, holders: [], ids: [] }))
    const answers = await this.#items.add(additions)
    const results = await Promise.all(
      answers.map(async ({ ok, holders }, i) => ({
        ok,
        holders: await this.#toJobs(holders, now),
        ids: additions[i]?.items.map(({ id }) => toId(Buffer.from(id))) ?? [],
      })),
    )
    if (results.some(({ ok, holders }) => ok && holders.some((holder) => holder === undefined))) this.#ring('jobs')
    return results
  }

  append(jobs: readonly NewJob[], _now: Instant, pipeline: object): readonly string[] {
    this.#expectOpen()
    const addition = this.#toAddition({ jobs })
    const args = [scripts.add.text, '1', this.settings.prefix, nobody, '0', ...toAddArguments([addition])]
    if (jobs.length > 0) appendTo(pipeline, this.settings.prefix, 'EVAL', args)
    return addition.items.map(({ id }) => id)
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#expectOpen()
    const { settle = [], lease, until, now } = request
    expectFaultless(settle.flatMap(({ after }) => after ?? []))
    const limit = this.#limitOf(request)
    const value = this.#session.lease(lease)
    const due = limit === undefined ? [] : this.#leases.due(now).ids
    const asked = limit ?? 0
    const { stored, ended, taken, empty } = await this.#exchange(settle, now, {
      lease: value,
      ms: until - now,
      limit: asked,
      due,
    })
    this.#leases.woken(due)
    const jobs = taken.map(({ id, data }) => {
      const waiting = toJob({ id, data, lease: '', leftMs: 0, place: 'queue' }, this.settings, now)
      const job = claimed(waiting.createdAt === unknown ? { ...waiting, runAt: now } : waiting, lease, until, now)
      this.#leases.add(job, value)
      return job
    })
    if (empty && this.#listeners.size > 0) this.#arrivals.await()
    const full = limit === undefined || (asked > 0 && jobs.length === asked)
    const nextRunAt = full ? undefined : asked > 0 && !empty ? now : this.#leases.due(now).nextAt
    return { jobs, nextRunAt, settled: await this.#results(settle, stored, ended) }
  }

  async apply(writes: readonly Write[], now: Instant): Promise<readonly WriteResult[]> {
    this.#expectOpen()
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    if (writes.length === 0) return []
    const { stored, ended } = await this.#exchange(writes, now, nothing)
    if (writes.some(({ after }, i) => stored[i] === true && after?.state === 'pending')) this.#ring('jobs')
    return await this.#results(writes, stored, ended)
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly RenewResult[]> {
    this.#expectOpen()
    const held = renewals.map((one) => this.#leases.of(one))
    const ours = held.filter((one) => one !== undefined)
    const answers = await this.#items.renew(
      ours.map(({ job: { id }, value }) => ({ id, lease: value })),
      until - now,
    )
    const renewed = new Map(ours.map((one, i) => [one, answers[i] === true]))
    return held.map((one) => {
      const lease = one && this.#leases.of(one.job)
      if (one === undefined || lease === undefined) return undefined
      if (renewed.get(one) === true) return this.#leases.renew(lease, until)
      this.#leases.remove(one.job.id)
      return undefined
    })
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    this.#expectOpen()
    const { rows, nextAt } = await this.#cleaner.abandoned(now, limit)
    return { jobs: rows.map((row) => toJob(row, this.settings, now)), nextAt }
  }

  /** Nothing finished is kept. What others have left astray is put right here, now and then. */
  async prune(now: Instant): Promise<number> {
    this.#expectOpen()
    if ((await this.#cleaner.clean(now)) > 0) this.#ring('jobs')
    return 0
  }

  async get(ids: readonly string[]): Promise<readonly (Job | undefined)[]> {
    this.#expectOpen()
    return await this.#toJobs(await this.#items.get(ids))
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    this.#expectOpen()
    const { task, queue } = this.settings
    if ((filter.task ?? task) !== task || (filter.queue ?? queue) !== queue) return []
    return await this.#lister.list(filter)
  }

  /** One, this one. What is being worked on is counted anew. */
  async queues(): Promise<readonly QueueStats[]> {
    this.#expectOpen()
    return toQueueStats(await this.#items.counts(), this.settings, await this.#items.time())
  }

  configure(): void {
    throw new UnsupportedError('limits', this.name)
  }

  log(): void {
    throw new UnsupportedError('logs', this.name)
  }

  logs(): readonly StoredLogLine[] {
    throw new UnsupportedError('logs', this.name)
  }

  /** Own jobs ring at once; those of others once a claim has found the queue empty. */
  listen(ring: (bell: Bell) => void): () => void {
    this.#expectOpen()
    const listener = (bell: Bell): void => ring(bell)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async report(): Promise<readonly Finding[]> {
    this.#expectOpen()
    return await report(this.#link, this.#items, this.settings)
  }

  async #close(): Promise<void> {
    this.#listeners.clear()
    await this.#arrivals.close()
    const back = this.#leases.all.map(({ job: { id }, value }): Change => ({ what: 'back', id, lease: value }))
    await this.#items.change(back).catch(() => undefined) // they run out by themselves
    this.#link.close()
    await this.#link.wire.close()
  }

  /**
   * Makes what the writes come to, and says for each whether it was stored. Whatever came of them, their runs are over.
   *
   * `ended` are jobs whose end was asked for before, in a call that failed and may have stored it.
   */
  async #exchange(
    writes: readonly Write[],
    now: Instant,
    taking: Taking,
  ): Promise<Omit<Exchanged, 'made'> & { readonly stored: readonly boolean[]; readonly ended: ReadonlySet<string> }> {
    const met = new Set<string>()
    const planned = writes.map((write) => {
      const { id } = write.before
      if (met.has(id)) return undefined // what builds on another write of this call is decided again on what that has left
      met.add(id)
      return changeOf(write, this.#leases, this.#session, now)
    })
    const held = writes.flatMap(({ before }, i) => (planned[i] === undefined ? [] : (this.#leases.of(before) ?? [])))
    const changes = planned.filter((one) => one !== undefined)
    const answer = await this.#items.exchange(changes, taking).catch((error: unknown) => {
      for (const lease of held) this.#leases.doubt(lease)
      throw error
    })
    for (const { job } of held) this.#leases.remove(job.id)
    const made = new Map(changes.map((change, i) => [change, answer.made[i] === true]))
    for (const [change, is] of made)
      if (is && change.what === 'wait' && (change.ms ?? 0) > 0) this.#leases.waits(change.id, now + (change.ms ?? 0))
    return {
      stored: planned.map((change) => change !== undefined && made.get(change) === true),
      ended: new Set(held.filter(({ doubtful }) => doubtful).map(({ job }) => job.id)),
      taken: answer.taken,
      empty: answer.empty,
    }
  }

  async #results(
    writes: readonly Write[],
    stored: readonly boolean[],
    ended: ReadonlySet<string>,
  ): Promise<readonly WriteResult[]> {
    const refused = writes.filter((_, i) => stored[i] !== true).map(({ before }) => before.id)
    if (refused.length === 0) return writes.map(() => ({ ok: true }))
    const current = new Map((await this.get(refused)).map((job, i) => [refused[i], job]))
    return writes.map(({ before: { id } }, i) => {
      const found = current.get(id)
      return stored[i] === true || (found === undefined && ended.has(id)) ? { ok: true } : { ok: false, current: found }
    })
  }

  /** As they are to whoever asks this store. */
  async #toJobs<R extends Row | undefined>(
    rows: readonly R[],
    at?: Instant,
  ): Promise<readonly (R extends Row ? Job : Job | undefined)[]>
  async #toJobs(rows: readonly (Row | undefined)[], at?: Instant): Promise<readonly (Job | undefined)[]> {
    const timed = rows.some((row) => row !== undefined && row.place !== 'queue')
    const now = at ?? (timed ? await this.#items.time() : 0)
    return rows.map((row) => row && this.#leases.overlay(toJob(row, this.settings, now), row.lease))
  }

  #toAddition({ jobs: given, writes = [] }: Pick<Batch, 'jobs' | 'writes'>): Addition {
    const jobs = given.map(({ job }) => job)
    expectFaultless([...jobs, ...writes.flatMap(({ after }) => after ?? [])])
    for (const job of [...jobs, ...writes.flatMap(({ after }) => after ?? [])]) {
      const reason = this.refusal(job)
      if (reason !== undefined) throw new UsageError(`The ${this.name} store cannot hold this job: ${reason}`)
    }
    return {
      edits: writes.flatMap(({ before, after }) =>
        after === undefined ? [] : [{ id: before.id, data: fromPayload(after.payload) }],
      ),
      items: given.map(({ job, ifHeld }) => ({
        taken: job.unique === undefined ? 'fail' : ifHeld,
        id: job.unique?.key ?? job.id,
        data: fromPayload(job.payload),
      })),
    }
  }

  /** How many may be taken; `undefined` when nothing of this queue is asked for. */
  #limitOf({ tasks, queues, limit }: ClaimRequest): number | undefined {
    const { task, queue } = this.settings
    if (queues?.includes(queue) === false) return undefined
    const most = tasks === undefined ? limit : tasks.get(task)
    return most === undefined ? undefined : Math.min(limit, most)
  }

  #ring(bell: Bell): void {
    for (const ring of this.#listeners) ring(bell)
  }

  #expectOpen(): void {
    if (this.#closing !== undefined) throw new UsageError(`The ${this.name} store is closed.`)
  }
}

const nothing: Taking = { lease: '', ms: 1, limit: 0, due: [] }
