import { randomUUID } from 'node:crypto'

import { type Capability, capabilities } from '../../core/capability.ts'
import { StoreError, UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { fault, type Write } from '../../core/lifecycle.ts'
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
  QueueSettings,
  QueueStats,
  Renewal,
  Renewed,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { numberArray, textArray } from './array.ts'
import { Listener } from './bell.ts'
import { Heads } from './heads.ts'
import { Lanes } from './lanes.ts'
import { Link } from './link.ts'
import { listQuery } from './list.ts'
import { expectKnown, type Installation, migrate, readInstallation } from './migrate.ts'
import { type PostgresOptions, type PostgresSettings, postgresSettings } from './options.ts'
import { type Driver, loadDriver, type PgPool } from './pg.ts'
import { batchesJson, isPlainBatch, plainColumns } from './insert.ts'
import { type Row, fromJson, toJob, toLogLine, toOptionalNumber, toOptionalText, toTaken, toText } from './row.ts'
import { settlementColumns, toSettlement, writesJson } from './settlement.ts'
import { channelOf, inSchema, makeStatements, type Statements } from './statements.ts'
import { toQueueStats } from './stats.ts'
import { toStoreError } from './trouble.ts'
import { toQuery } from './tx.ts'
import { withUrlOptions } from './url.ts'

/** After so many transactions of ours the lines of the tally are summed up. */
const sumUpEvery = 500

/** Settles nothing: the first ten parameters of `exchange`. */
const nothingSettled: readonly null[] = Array.from({ length: 10 }, () => null)

/** Claims nothing: its last nine. */
const nothingClaimed: readonly null[] = Array.from({ length: 9 }, () => null)

/** What the functions for a caller's transaction answer with. */
type InTx<Answer> = Partial<Answer> & { readonly code?: string; readonly message?: string }

/**
 * Jobs in one schema of a PostgreSQL database, 13 or later.
 *
 * Every call is one statement, most of them a call of a function that lives beside the tables (`functions/`), and so one transaction. `tx` is
 * a caller's open transaction of any of the clients that `tx.ts` knows.
 */
export class PostgresStore implements Store<unknown> {
  readonly name = 'postgres'
  readonly capabilities: ReadonlySet<Capability>
  readonly settings: PostgresSettings
  readonly #driver: Driver | undefined
  readonly #pool: PgPool
  readonly #link: Link
  readonly #lanes: Lanes
  readonly #heads = new Heads()
  readonly #statements: Statements
  readonly #channel: string
  /** Tells our own notifications from those of others: we ring for ourselves at once. */
  readonly #sign: string
  readonly #rings = new Set<(bell: Bell) => void>()
  #listener: Listener | undefined
  #installation: Installation | undefined
  #transactions = 0
  #closing: Promise<void> | undefined

  /** Opens nothing yet: the first connection is made by the first call. @throws UsageError for a bad option, or when `pg` is not installed */
  static async open(url: string, options: PostgresOptions = {}): Promise<PostgresStore> {
    const { url: rest, options: all } = withUrlOptions(url, options)
    const settings = postgresSettings(all)
    return new PostgresStore(settings, settings.pool === undefined ? await loadDriver(rest, settings) : undefined)
  }

  /** Made by `open`. */
  constructor(settings: PostgresSettings, driver: Driver | undefined) {
    this.settings = settings
    this.#driver = driver
    const pool = settings.pool ?? driver?.pool(settings.connections)
    if (pool === undefined) throw new UsageError('Expected a URL or a `pool` to connect with')
    this.#pool = pool
    this.capabilities = new Set(capabilities.filter((capability) => capability !== 'listen' || (settings.notify && driver !== undefined)))
    this.#link = new Link(this.#pool, settings.prepare)
    this.#statements = makeStatements(settings.schema)
    this.#channel = channelOf(settings.schema)
    this.#sign = ` ${randomUUID().slice(0, 8)}`
    this.#lanes = new Lanes(async (text, values) =>
      await this.#link.run({ name: '', text: inSchema(text, settings.schema) }, values, 'repeat'),
    )
  }

  async migrate(): Promise<void> {
    this.#installation = await this.#link.hold((client) => migrate(client, this.settings.schema))
  }

  async close(): Promise<void> {
    this.#link.close()
    this.#closing ??= this.#close()
    await this.#closing
  }

  async insert(batches: readonly Batch[], now: Instant, tx?: unknown): Promise<readonly BatchResult[]> {
    this.#link.expectOpen()
    checkRows(batches.flatMap(({ jobs, writes = [] }) => [...jobs.map(({ job }) => job), ...rowsOf(writes)]))
    if (batches.every(({ jobs, writes = [] }) => jobs.length === 0 && writes.length === 0))
      return batches.map(() => ({ ok: true, holders: [] }))
    await this.#lanes.prepare(batches.flatMap(({ jobs, writes = [] }) => [...jobs.map(({ job }) => job), ...rowsOf(writes)]))
    if (tx !== undefined) return await this.#insertInTx(batches, now, tx)
    const results = batches.every(isPlainBatch) ? await this.#add(batches) : await this.#insertBatches(batches, now)
    if (results.some(({ ok }) => ok)) this.#ringAll('jobs')
    return results
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#link.expectOpen()
    const { settle = [] } = request
    checkRows(rowsOf(settle))
    const { tasks, queues, limit, lease, until, now } = request
    const from = this.#heads.from(now)
    const rows = await this.#exchange(settle, [
      tasks === undefined ? null : (textArray([...tasks.keys()]) ?? '{}'),
      tasks === undefined ? null : numberArray([...tasks.values()].map((most) => Math.max(0, Math.min(most, limit)))),
      queues === undefined ? null : (textArray(queues) ?? '{}'),
      String(Math.max(0, limit)),
      lease,
      String(until),
      String(now),
      ...from,
    ])
    const [head, ...taken] = [rows.jobs.at(-1), ...rows.jobs.slice(0, -1)]
    await this.#lanes.learn(taken.map((row) => Number(row[1])))
    const jobs = taken.map((row) => {
      const lane = this.#lanes.byId(Number(row[1]))
      this.#heads.took(lane, Number(row[2]))
      return toTaken(row, lane, lease, until, now)
    })
    if (from[0] === null) {
      const [, , , , inVain, , us] = head ?? []
      this.#heads.looked({ inVain: Number(inVain), us: Number(us), now })
    }
    const settled = await this.#answers(settle, rows.refused)
    const short = jobs.length < limit || limit === 0
    return { jobs, settled, nextRunAt: short ? earliest(toOptionalNumber(head?.[2]), from[0] === null ? undefined : this.#heads.nextWholeAt) : undefined }
  }

  async apply(writes: readonly Write[], _now: Instant, tx?: unknown): Promise<readonly WriteResult[]> {
    this.#link.expectOpen()
    checkRows(rowsOf(writes))
    if (writes.length === 0) return []
    if (tx !== undefined) return await this.#applyInTx(writes, tx)
    const { refused } = await this.#exchange(writes, nothingClaimed)
    return await this.#answers(writes, refused)
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly (Renewed | undefined)[]> {
    this.#link.expectOpen()
    if (renewals.length === 0) return []
    const sorted = renewals.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const rows = await this.#link.run(
      this.#statements.renew,
      [
        textArray(sorted.map(({ id }) => id)),
        textArray(sorted.map(({ lease }) => lease)),
        String(until),
        String(now),
        this.#relaxed,
      ],
      'repeat',
    )
    const byId = new Map(rows.map(([id, rev, cancel]) => [toText(id), { rev: Number(rev), cancel: toOptionalText(cancel) }]))
    const leases = new Map(renewals.map(({ id, lease }) => [id, lease]))
    return renewals.map(({ id, lease }) => (leases.get(id) === lease ? byId.get(id) : undefined))
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    const rows = await this.#link.run(this.#statements.expired, [String(now), String(limit)], 'repeat')
    const [next] = await this.#link.run(this.#statements.nextExpiry, [String(now)], 'repeat')
    return { jobs: rows.map(toJob), nextAt: toOptionalNumber(next?.[0]) }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    const [row] = await this.#link.run(this.#statements.prune, [String(now), String(limit)])
    await this.#counted(sumUpEvery)
    return Number(row?.[0])
  }

  async get(ids: readonly string[], tx?: unknown): Promise<readonly (Job | undefined)[]> {
    this.#link.expectOpen()
    if (ids.length === 0) return []
    const values = [textArray(ids)]
    const rows =
      tx === undefined
        ? await this.#link.run(this.#statements.get, values, 'repeat')
        : await this.#inTx(tx, this.#statements.get.text, values)
    const byId = new Map(rows.map((row) => [toText(row[0]), toJob(row)]))
    return ids.map((id) => byId.get(id))
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    const { text, values } = listQuery(filter)
    return (await this.#link.run({ name: '', text: inSchema(text, this.settings.schema) }, values, 'repeat')).map(toJob)
  }

  async queues(): Promise<readonly QueueStats[]> {
    return toQueueStats(await this.#link.run(this.#statements.queues, [], 'repeat'))
  }

  async configure(queue: string, settings: Partial<QueueSettings>): Promise<void> {
    const { paused, concurrency, priority } = settings
    await this.#link.run(
      this.#statements.configure,
      [
        queue,
        paused === undefined ? null : String(paused),
        concurrency === undefined || concurrency === null ? null : String(concurrency),
        String(concurrency !== undefined),
        priority === undefined ? null : String(priority),
        this.settings.notify ? this.#channel : null,
        `jobs${this.#sign}`,
        `control${this.#sign}`,
      ],
      'repeat',
    )
    this.#ringAll('control')
    this.#ringAll('jobs')
  }

  async log(lines: readonly LogLine[]): Promise<void> {
    this.#link.expectOpen()
    if (lines.length === 0) return
    await this.#link.run(this.#statements.log, [
      textArray(lines.map(({ jobId }) => jobId)),
      numberArray(lines.map(({ attempt }) => attempt)),
      numberArray(lines.map(({ at }) => at)),
      textArray(lines.map(({ level }) => level)),
      textArray(lines.map(({ message }) => message)),
      textArray(lines.map(({ data }) => data)),
    ])
  }

  async logs(jobId: string, limit: number, after = 0): Promise<readonly StoredLogLine[]> {
    return (await this.#link.run(this.#statements.logs, [jobId, String(after), String(limit)], 'repeat')).map(toLogLine)
  }

  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    this.#link.expectOpen()
    const own = (bell: Bell): void => ring(bell)
    this.#rings.add(own)
    if (this.#listener === undefined && this.settings.notify && this.#driver !== undefined) {
      const { listener } = this.#driver
      this.#listener = new Listener(listener, this.#channel, this.#sign, (bell) => this.#ringAll(bell))
      await this.#listener.start()
    }
    return () => void this.#rings.delete(own)
  }

  async report(): Promise<readonly Finding[]> {
    this.#link.expectOpen()
    return await Promise.resolve([])
  }

  /** The server's clock: that of the machine it runs on, which need not be ours. */
  async time(): Promise<Instant> {
    const [row] = await this.#link.run(this.#statements.time, [], 'repeat')
    return Number(row?.[0])
  }

  get #relaxed(): string {
    return String(this.settings.durability.settle === 'relaxed')
  }

  async #close(): Promise<void> {
    this.#rings.clear()
    await this.#listener?.end()
    if (this.settings.pool === undefined) await this.#pool.end()
  }

  async #add(batches: readonly Batch[]): Promise<readonly BatchResult[]> {
    await this.#link.run(this.#statements.add, [...plainColumns(batches, this.#lanes), this.#channel, this.#bell('jobs')])
    await this.#counted()
    return batches.map(() => ({ ok: true, holders: [] }))
  }

  async #insertBatches(batches: readonly Batch[], now: Instant): Promise<readonly BatchResult[]> {
    const bell = this.#bell('jobs')
    const values = [batchesJson(batches, this.#lanes), String(now), String(bell !== null), this.#channel, bell]
    const [row] = await this.#link.run(this.#statements.insertBatches, values)
    await this.#counted()
    return toResults(fromJson(row?.[0]))
  }

  async #insertInTx(batches: readonly Batch[], now: Instant, tx: unknown): Promise<readonly BatchResult[]> {
    const { id } = await this.#known()
    const { answers = [] } = await this.#callInTx<{ answers: readonly BatchAnswer[] }>(tx, this.#statements.insertInTx.text, [
      id,
      batchesJson(batches, this.#lanes),
      String(now),
      this.#channel,
      'jobs',
    ])
    return toResults(answers)
  }

  async #applyInTx(writes: readonly Write[], tx: unknown): Promise<readonly WriteResult[]> {
    const { id } = await this.#known()
    await this.#lanes.prepare(rowsOf(writes))
    const { refused = [] } = await this.#callInTx<{ refused: readonly string[] }>(tx, this.#statements.applyInTx.text, [
      id,
      writesJson(writes, this.#lanes),
      this.#channel,
      'jobs',
      String(writes.some(wakes)),
    ])
    return await this.#answers(writes, refused, tx)
  }

  /** Settles and claims; the rows of the claim end with its head. */
  async #exchange(
    settle: readonly Write[],
    claim: readonly (string | null)[],
  ): Promise<{ readonly refused: readonly string[]; readonly jobs: readonly Row[] }> {
    const settlement = toSettlement(settle)
    await this.#lanes.prepare(rowsOf(settlement.others))
    const woken = settle.some(wakes)
    const rows = await this.#link.run(this.#statements.exchange, [
      ...(settle.length === 0 ? nothingSettled : settlementColumns(settlement, this.#lanes)),
      this.#relaxed,
      this.#channel,
      this.#bell('jobs'),
      String(woken),
      ...claim,
    ])
    const answer = rows.at(-1)
    const refused = new Set(fromJson<readonly string[]>(answer?.[8]))
    if (settle.length > 0) await this.#counted()
    if (woken || answer?.[7] === 'freed') this.#ringAll('jobs')
    if (settle.some((write) => stops(write) && !refused.has(write.before.id))) await this.#ringControl()
    return { refused: fromJson<readonly string[]>(answer?.[8]), jobs: rows.slice(0, -1) }
  }

  /** What became of each write; of the refused, the job as it is now. Several writes of one job come one after the other. */
  async #answers(writes: readonly Write[], refused: readonly string[], tx?: unknown): Promise<readonly WriteResult[]> {
    if (refused.length === 0) return writes.map(() => ({ ok: true }))
    const current = await this.get([...new Set(refused)], tx)
    const byId = new Map(current.flatMap((job) => (job === undefined ? [] : [[job.id, job]])))
    const times = new Map<string, number>()
    for (const id of refused) times.set(id, (times.get(id) ?? 0) + 1)
    // Once one write of a job was refused, so were all that followed: the refused are the last.
    const results = writes.toReversed().map(({ before: { id } }): WriteResult => {
      const left = times.get(id) ?? 0
      times.set(id, left - 1)
      return left > 0 ? { ok: false, current: byId.get(id) } : { ok: true }
    })
    return results.toReversed()
  }

  /** A transaction of ours has added a line to the tally. */
  async #counted(by = 1): Promise<void> {
    this.#transactions += by
    if (this.#transactions < sumUpEvery) return
    this.#transactions = 0
    await this.#link.run(this.#statements.sumUp, [])
  }

  async #known(): Promise<Installation> {
    this.#installation ??= expectKnown(await this.#link.hold((client) => readInstallation(client, this.settings.schema)))
    return this.#installation
  }

  async #inTx(tx: unknown, text: string, values: readonly (string | null)[]): Promise<readonly Row[]> {
    try {
      return await toQuery(tx)(text, values)
    } catch (error) {
      throw toStoreError(error)
    }
  }

  async #callInTx<Answer>(tx: unknown, text: string, values: readonly (string | null)[]): Promise<Partial<Answer>> {
    const [row] = await this.#inTx(tx, text, values)
    const answer = fromJson<InTx<Answer>>(row?.[0])
    if (answer.code === undefined) return answer
    if (answer.code === 'JF002')
      throw new UsageError('Expected `tx` to be on the database and schema where the jobs are; it is on another installation of jobferry')
    throw new StoreError(`PostgreSQL: ${answer.message}`, { retryable: false, cause: answer })
  }

  #bell(bell: Bell): string | null {
    return this.settings.notify ? `${bell}${this.#sign}` : null
  }

  async #ringControl(): Promise<void> {
    const bell = this.#bell('control')
    if (bell !== null) await this.#link.run({ name: '', text: 'select pg_notify($1::text, $2::text)::text' }, [this.#channel, bell])
    this.#ringAll('control')
  }

  #ringAll(bell: Bell): void {
    for (const ring of this.#rings) ring(bell)
  }
}

/** One batch's answer as the functions give it. */
interface BatchAnswer {
  readonly ok: boolean
  readonly holders: readonly (Row | null)[]
}

function toResults(answers: readonly BatchAnswer[]): readonly BatchResult[] {
  return answers.map(({ ok, holders }) => ({ ok, holders: holders.map((row) => (row === null ? undefined : toJob(row))) }))
}

function rowsOf(writes: readonly Write[]): readonly Job[] {
  return writes.flatMap(({ after }) => after ?? [])
}

/** Whether a worker may have something to do once it is stored. */
function wakes({ after }: Write): boolean {
  return after?.state === 'pending'
}

/** Whether it asks a running job to stop. */
function stops({ after }: Write): boolean {
  return after?.state === 'running' && after.cancel !== undefined
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

/** A row that breaks a rule is the core's mistake; it must not get as far as the database. */
function checkRows(jobs: readonly Job[]): void {
  for (const job of jobs) {
    const wrong = fault(job)
    if (wrong !== undefined) throw new UsageError(`Refused to store job ${job.id}: ${wrong}`)
  }
}
