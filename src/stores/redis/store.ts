import { randomBytes } from 'node:crypto'

import type { Capability } from '../../core/capability.ts'
import { StoreError, UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { claimed, expectFaultless, type Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import type {
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  LogLine,
  NewJob,
  QueueSettings,
  QueueStats,
  Renewal,
  Renewed,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { Bells } from './bell.ts'
import { mostInCall, toAdd, toBatchResult, toClaim, toInsert, Writes } from './calls.ts'
import { redisCapabilities } from './capabilities.ts'
import { confirmed } from './confirm.ts'
import { toWire } from '../redis-client/connect.ts'
import { Link } from '../redis-client/link.ts'
import { listJobs } from './list.ts'
import { expectServer, prepare } from './migrate.ts'
import { appendTo } from './pipeline.ts'
import { type RedisOptions, type RedisSettings, redisSettings } from './options.ts'
import { report } from './report.ts'
import {
  escape,
  fromRow,
  toJob,
  toList,
  toLogLine,
  toLogText,
  toOptionalNumber,
  toPresentWorker,
  toText,
  toTurn,
} from './row.ts'
import { scripts } from './script.ts'
import { toQueueStats } from './stats.ts'
import type { Wire } from '../redis-client/wire.ts'

/** How many finished jobs one call forgets, and how many lines it logs: others must get a turn. */
const mostPruned = 1_000
const mostLogged = 1_000

/**
 * Jobs in Redis 6.2 or later, or Valkey.
 *
 * Each call is one script, so that it happens whole or not at all, and calls of any number of processes come one after the other. All keys
 * of a namespace share a hash tag: a cluster keeps them on one node. How durable a job is that was added is the server's affair; `report`
 * says it, and the option `confirm` asks for more.
 */
export class RedisStore implements Store {
  readonly name = 'redis'
  readonly capabilities: ReadonlySet<Capability> = redisCapabilities
  readonly settings: RedisSettings
  readonly #link: Link
  readonly #bells: Bells
  /** The seq of jobs that were claimed here. */
  readonly #turns = new WeakMap<Job, string>()
  #closed = false

  /** Use `RedisStore.open`: it loads the client library, and connects. */
  constructor(wire: Wire, settings: RedisSettings) {
    this.settings = settings
    const caller = randomBytes(9).toString('base64url')
    const namespace = `{${settings.namespace}}:`
    this.#link = new Link(wire, namespace, caller, settings.timeoutMs)
    this.#bells = new Bells(wire, `${wire.keyPrefix}${namespace}bell`, caller, settings.timeoutMs)
  }

  /** @throws UsageError when neither client library is installed · StoreError when the server cannot be reached, or is too old */
  static async open(options: RedisOptions): Promise<RedisStore> {
    const settings = redisSettings(options)
    const wire = await toWire(settings)
    const store = new RedisStore(wire, settings)
    void wire.connect().catch(() => undefined) // the first call finds out, and waits
    try {
      await expectServer(store.#link, settings)
    } catch (error) {
      await store.close()
      throw error
    }
    return store
  }

  async migrate(): Promise<void> {
    this.#expectOpen()
    await prepare(this.#link)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#bells.close()
    this.#link.close()
    await this.#link.wire.close()
  }

  async insert(batches: readonly Batch[], now: Instant): Promise<readonly BatchResult[]> {
    this.#expectOpen()
    const jobs = batches.flatMap((batch) => batch.jobs.map((entry) => entry.job))
    expectFaultless(jobs)
    expectFaultless(batches.flatMap(({ writes = [] }) => rowsOf(writes)))
    expectFresh(jobs)
    if (batches.every((batch) => batch.jobs.length === 0 && (batch.writes ?? []).length === 0))
      return batches.map(() => allAdded)
    const add = toAdd(batches)
    let connection = 0
    const noting = (number: number): void => void (connection = number)
    const results =
      add === undefined ? await this.#insertCarefully(batches, now, noting) : await this.#add(batches, add, noting)
    if (this.settings.confirm !== undefined) await confirmed(this.#link, this.settings.confirm, connection)
    return results
  }

  append(jobs: readonly NewJob[], now: Instant, pipeline: object): void {
    this.#expectOpen()
    expectFaultless(jobs.map(({ job }) => job))
    expectFresh(jobs.map(({ job }) => job))
    if (jobs.length > 0) appendTo(pipeline, this.#link.namespace, [String(now), ...toInsert([{ jobs }])])
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#expectOpen()
    const settle = request.settle ?? []
    expectFaultless(rowsOf(settle))
    const writes = new Writes(settle, this.#turns)
    const jobs: Job[] = []
    let asked = request
    let args = writes.args
    let settled: readonly WriteResult[] = []
    for (;;) {
      const answer = toList(await this.#link.run(scripts.claim, [...toClaim(asked), ...args]))
      this.#ring(answer[0])
      if (args === writes.args) settled = writes.results(answer[1])
      const taken = toList(answer[2])
      const before = asked === request ? undefined : new Set(jobs.map(({ id }) => id)) // a replay finds all of this lease
      for (let i = 0; i < taken.length; i += 2) {
        const id = toText(taken[i])
        if (before?.has(id) === true) continue
        const row = toText(taken[i + 1])
        const job = toClaimed(id, row, request)
        this.#turns.set(job, toTurn(row))
        jobs.push(job)
      }
      if (answer[4] !== 1) return { jobs, settled, nextRunAt: toOptionalNumber(toText(answer[3])) }
      asked = rest(request, jobs)
      args = nothingToSettle
    }
  }

  async apply(writes: readonly Write[], _now: Instant): Promise<readonly WriteResult[]> {
    this.#expectOpen()
    expectFaultless(rowsOf(writes))
    if (writes.length === 0) return []
    const call = new Writes(writes, this.#turns)
    const [bells, refused] = toList(await this.#link.run(scripts.apply, call.args))
    this.#ring(bells)
    return call.results(refused)
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly (Renewed | undefined)[]> {
    this.#expectOpen()
    if (renewals.length === 0) return []
    const args = [String(now), String(until), ...renewals.flatMap(({ id, lease }) => [id, escape(lease)])]
    return toList(await this.#link.run(scripts.renew, args)).map((answer, i) => {
      const [rev, row] = toList(answer).map(toText)
      if (rev === undefined) return undefined
      const cancel = row === undefined || row === '' ? undefined : fromRow(renewals[i]?.id ?? '', row).cancel
      return { rev: Number.parseInt(rev, 16), cancel }
    })
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    this.#expectOpen()
    const [jobs, nextAt] = toList(await this.#link.run(scripts.expired, [String(now), String(limit)]))
    return { jobs: toJobs(jobs), nextAt: toOptionalNumber(toText(nextAt)) }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    this.#expectOpen()
    for (let count = 0; ;) {
      const size = Math.min(limit - count, mostPruned)
      const pruned = size <= 0 ? 0 : Number(await this.#link.run(scripts.prune, [String(now), String(size)]))
      count += pruned
      if (pruned < mostPruned) return count
    }
  }

  async get(ids: readonly string[]): Promise<readonly (Job | undefined)[]> {
    this.#expectOpen()
    if (ids.length === 0) return []
    const texts = toList(await this.#link.run(scripts.get, ids)).map(toText)
    return ids.map((id, i) => {
      const row = texts[2 * i] ?? ''
      return row === '' ? undefined : toJob(id, row, texts[2 * i + 1] ?? '')
    })
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    this.#expectOpen()
    return await listJobs(this.#link, filter)
  }

  async queues(): Promise<readonly QueueStats[]> {
    this.#expectOpen()
    return toQueueStats(await this.#link.run(scripts.queues, []))
  }

  async configure(queue: string, { paused, concurrency, priority }: Partial<QueueSettings>): Promise<void> {
    this.#expectOpen()
    const values = [
      paused === undefined ? '~' : paused ? '1' : '0',
      concurrency === undefined ? '~' : concurrency === null ? '' : String(concurrency),
      priority === undefined ? '~' : String(priority),
    ]
    this.#ring(await this.#link.run(scripts.configure, [escape(queue), ...values]))
  }

  async log(lines: readonly LogLine[]): Promise<void> {
    this.#expectOpen()
    for (let from = 0; from < lines.length; from += mostLogged) {
      const some = lines.slice(from, from + mostLogged)
      await this.#link.run(
        scripts.log,
        some.flatMap((line) => [line.jobId, toLogText(line)]),
      )
    }
  }

  async logs(jobId: string, limit: number, after = 0): Promise<readonly StoredLogLine[]> {
    this.#expectOpen()
    if (limit <= 0) return []
    const texts = toList(await this.#link.run(scripts.logs, [jobId, String(after), String(limit)])).map(toText)
    return Array.from({ length: texts.length / 2 }, (_, i) =>
      toLogLine(jobId, texts[2 * i] ?? '', texts[2 * i + 1] ?? ''),
    )
  }

  /** Own writes ring at once, those of other stores by pub/sub. */
  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    this.#expectOpen()
    return await this.#bells.listen(ring)
  }

  async present(presence: Presence, now: Instant, until: Instant): Promise<void> {
    this.#expectOpen()
    const told = JSON.stringify({ ...presence, toldAt: now })
    await this.#link.run(scripts.present, [String(now), String(until), presence.id, told])
  }

  async workers(now: Instant): Promise<readonly PresentWorker[]> {
    this.#expectOpen()
    const texts = toList(await this.#link.run(scripts.workers, [String(now)])).map(toText)
    return Array.from({ length: texts.length / 2 }, (_, i) =>
      toPresentWorker(texts[2 * i] ?? '', texts[2 * i + 1] ?? ''),
    ).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  async report(): Promise<readonly Finding[]> {
    this.#expectOpen()
    return await report(this.#link, this.settings)
  }

  /** The clock of the server: with it, machines whose clocks differ agree on what is due. */
  async time(): Promise<Instant> {
    this.#expectOpen()
    const [seconds, microseconds] = toList(await this.#link.run(scripts.time, [])).map(Number)
    return (seconds ?? 0) * 1_000 + Math.floor((microseconds ?? 0) / 1_000)
  }

  async #add(
    batches: readonly Batch[],
    args: readonly string[],
    noting: (connection: number) => void,
  ): Promise<readonly BatchResult[]> {
    await this.#link.run(scripts.add, args, noting)
    this.#bells.ring('jobs')
    return batches.map(() => allAdded)
  }

  async #insertCarefully(
    batches: readonly Batch[],
    now: Instant,
    noting: (connection: number) => void,
  ): Promise<readonly BatchResult[]> {
    const [bells, results] = toList(await this.#link.run(scripts.insert, [String(now), ...toInsert(batches)], noting))
    this.#ring(bells)
    return toList(results).map(toBatchResult)
  }

  #ring(bells: unknown): void {
    const set = Number(bells)
    if (set % 2 === 1) this.#bells.ring('jobs')
    if (set >= 2) this.#bells.ring('control')
  }

  #expectOpen(): void {
    if (this.#closed) throw new UsageError('The redis store is closed.')
  }
}

const allAdded: BatchResult = { ok: true, holders: [] }
const nothingToSettle = ['0', '0']

function rowsOf(writes: readonly Write[]): readonly Job[] {
  return writes.flatMap(({ after }) => after ?? [])
}

function expectFresh(jobs: readonly Job[]): void {
  if (jobs.length > mostInCall)
    throw new UsageError(`Expected at most ${mostInCall} jobs to be added in one call, got ${jobs.length}`)
  if (jobs.length < 2) return
  const ids = new Set<string>()
  for (const { id } of jobs) {
    if (ids.has(id)) throw new StoreError(`There is a job ${id} already`, { retryable: false })
    ids.add(id)
  }
}

function toClaimed(id: string, row: string, { lease, until, now }: ClaimRequest): Job {
  return claimed(fromRow(id, row), lease, until, now)
}

/** What is left to ask for when so many jobs lay in the way that the script has left off. */
function rest(request: ClaimRequest, taken: readonly Job[]): ClaimRequest {
  const tasks = request.tasks && new Map(request.tasks)
  for (const { task } of taken) {
    const most = tasks?.get(task)
    if (most !== undefined) tasks?.set(task, most - 1)
  }
  return { ...request, tasks, limit: request.limit - taken.length }
}

function toJobs(reply: unknown): readonly Job[] {
  const texts = toList(reply).map(toText)
  return Array.from({ length: texts.length / 3 }, (_, i) =>
    toJob(texts[3 * i] ?? '', texts[3 * i + 1] ?? '', texts[3 * i + 2] ?? ''),
  )
}
