import type { Capability } from '../../core/capability.ts'
import { StoreError, UnsupportedError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { expectFaultless, settle as decide, type Write } from '../../core/lifecycle.ts'
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
  OwnTransaction,
  QueueSettings,
  QueueStats,
  Renewal,
  RenewResult,
  Rules,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { Connections } from '../pg/connections.ts'
import { Link } from '../pg/link.ts'
import { OwnTransactions } from '../pg/own-transactions.ts'
import { type Driver, loadDriver, type PgClient } from '../pg/pg.ts'
import type { Row } from '../pg/query.ts'
import { withUrlOptions } from '../pg/url.ts'
import { expectKnownVersion, refuseMissing, sqlqCapabilities, sqlqRules, tablesQuery, versionQuery } from './format.ts'
import { inTx, type RunSql } from './in-tx.ts'
import { insertValues } from './insertion.ts'
import { Leases } from './leases.ts'
import { inOrder, isId, listQuery, Places, toLines, toQueueStats } from './looking.ts'
import { Moments } from './moments.ts'
import { type SqlqOptions, type SqlqSettings, sqlqSettings } from './options.ts'
import { clean } from './note.ts'
import { refusal } from './parameters.ts'
import { report } from './report.ts'
import { toInstant, toRead, toText } from './row.ts'
import { Serializable } from './serializable.ts'
import { ends, plan, type Planned, settleValues } from './settlement.ts'
import * as statements from './statements.ts'
import { names, takeJobs } from './taker.ts'

/** What came of writes: which are stored, and whether one of them has made room in a queue with a limit, or waits again. */
interface Settled {
  readonly stored: ReadonlySet<string>
  readonly frees: boolean
}

/** How long a run is remembered that was completed in a transaction, in milliseconds after its lease: nobody tells what came of that. */
const rememberedMs = 3_600_000

/**
 * The jobs of sqlq, in its own schema, beside its Go workers.
 *
 * A guest: a job is dequeued as sqlq does it, in a serializable transaction, its lease is sqlq's keepalive, and what becomes of a row is what
 * sqlq makes of it. What that means for each promise of `Store` is in docs/decisions/022, and for users in docs/guests/sqlq.md.
 */
export class SqlqStore implements Store<object> {
  readonly name = 'sqlq'
  readonly capabilities: ReadonlySet<Capability> = sqlqCapabilities
  readonly rules: Rules = sqlqRules
  readonly #settings: SqlqSettings
  readonly #connections: readonly Connections[]
  readonly #link: Link
  readonly #own: OwnTransactions
  readonly #serializable: Serializable
  readonly #leases = new Leases()
  readonly #moments = new Moments()
  readonly #places = new Places()
  readonly #listeners = new Set<(bell: Bell) => void>()
  #closing: Promise<void> | undefined

  /**
   * Connects, and finds the version.
   * @throws UsageError for a bad option, or when the package `pg` is not installed · StoreError when there is no schema of the version known here
   */
  static async open(url: string, options: SqlqOptions = {}): Promise<SqlqStore> {
    const { url: rest, options: all } = withUrlOptions(url.replace(/^sqlq:/, ''), options)
    const settings = sqlqSettings(all)
    const driver = await loadDriver(rest, settings)
    const connections = new Connections(driver.pool(settings.connections))
    try {
      const link = new Link(connections, false, 'sqlq')
      const [tables] = await link.run({ name: '', text: tablesQuery }, [])
      if (tables?.[0] !== 'true') refuseMissing()
      expectKnownVersion(await link.run({ name: '', text: versionQuery }, []))
      return new SqlqStore(driver, connections, link, settings)
    } catch (error) {
      await connections.end()
      throw error
    }
  }

  /** Made by `open`. */
  private constructor(driver: Driver, connections: Connections, link: Link, settings: SqlqSettings) {
    const own = new Connections(driver.pool(settings.transactions, 'unhurried'))
    this.#settings = settings
    this.#connections = [connections, own]
    this.#link = link
    this.#own = new OwnTransactions(own, { most: settings.transactions, timeoutMs: settings.timeoutMs })
    this.#serializable = new Serializable(connections)
  }

  /** Makes nothing: the schema is sqlq's, and was found when the store was opened. */
  migrate(): void {
    this.#link.expectOpen()
  }

  /** What is still held is given back first: the next worker need not wait for the lease to run out. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async time(): Promise<Instant> {
    const [row] = await this.#run('select floor(extract(epoch from clock_timestamp()) * 1000)::bigint::text as c0', [])
    return Number(row?.[0])
  }

  async begin(): Promise<OwnTransaction<PgClient>> {
    this.#link.expectOpen()
    return await this.#own.begin()
  }

  refusal(job: Job): string | undefined {
    return refusal(job)
  }

  async insert(batches: readonly Batch[], now: Instant, tx?: object): Promise<readonly BatchResult[]> {
    this.#link.expectOpen()
    const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
    expectFaultless(jobs)
    if (batches.some(({ writes = [] }) => writes.length > 0)) throw new UnsupportedError('dedupe', this.name)
    if (jobs.length === 0) return batches.map(() => ({ ok: true, holders: [] }))
    const values = insertValues(jobs, this.#settings.keepAliveMs, this.#moments, now)
    const rows = await (tx === undefined ? this.#insert(values) : inTx(tx)(statements.insert, values))
    const ids = rows.map((row) => toText(row[0]))
    if (tx === undefined) this.#ring('jobs')
    return batches.map((batch) => ({ ok: true, holders: [], ids: ids.splice(0, batch.jobs.length) }))
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#link.expectOpen()
    const { settle = [], now } = request
    const { stored, frees } = await this.#apply(settle, now, 'skip')
    const settled = await this.#results(settle, stored)
    if (frees) this.#ring('jobs')
    try {
      return { ...(await this.#claim(request)), settled }
    } catch (error) {
      if (stored.size === 0) throw error
      return { jobs: [], nextRunAt: now, settled } // what has been settled must be told; the next claim says what is wrong
    }
  }

  async apply(writes: readonly Write[], now: Instant, tx?: object): Promise<readonly WriteResult[]> {
    this.#link.expectOpen()
    if (writes.length === 0) return []
    const { stored } = await this.#apply(writes, now, 'wait', tx)
    if (tx === undefined && stored.size > 0) {
      this.#ring('jobs')
      if (writes.some(({ after }) => after?.state === 'running')) this.#ring('control')
    }
    return await this.#results(writes, stored, tx)
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly RenewResult[]> {
    this.#link.expectOpen()
    const held = renewals.flatMap(({ id, lease }) => this.#leases.holding(id, lease) ?? [])
    if (held.length === 0) return renewals.map(() => undefined)
    const rows = await this.#run(statements.renew, [
      names(held.map(({ job }) => job.id)),
      numberArray(held.map(({ run }) => run.attempt)),
      textArray(held.map(({ run }) => run.startedUs)),
      String(now),
      String(Math.max(1, until - now)),
    ])
    const asked = new Map(rows.map((row) => [toText(row[0]), row[1] === 'true' ? 'cancelled' : undefined]))
    return renewals.map(({ id, lease }) =>
      asked.has(id) ? this.#leases.renew(id, lease, until, asked.get(id)) : undefined,
    )
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    const found = this.#toJobs(await this.#run(statements.expired, [String(now), String(limit)]))
    const jobs = found.filter(({ leaseUntil = 0 }) => leaseUntil <= now)
    return { jobs, nextAt: found.find(({ leaseUntil = 0 }) => leaseUntil > now)?.leaseUntil }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    return (await this.#run(statements.prune, [String(now), String(limit)])).length
  }

  async get(ids: readonly string[], tx?: object): Promise<readonly (Job | undefined)[]> {
    this.#link.expectOpen()
    const known = ids.filter(isId)
    if (known.length === 0) return ids.map(() => undefined)
    const run = tx === undefined ? this.#run : inTx(tx)
    return inOrder(ids, this.#toJobs(await run(statements.get, [textArray(known)])))
  }

  /** By when jobs were added, whatever their ids. A page behind a job that is gone is had if this store has shown that job last. */
  async list(filter: JobFilter): Promise<readonly Job[]> {
    this.#link.expectOpen()
    const place = filter.after === undefined ? undefined : await this.#placeOf(filter.after)
    if (filter.after !== undefined && place === undefined) return []
    const { text, values } = listQuery(filter, place)
    const rows = await this.#run(text, values)
    this.#places.remember(rows.at(-1))
    return this.#toJobs(rows)
  }

  /** Counted anew, with a scan. */
  async queues(): Promise<readonly QueueStats[]> {
    return toQueueStats(await this.#run(statements.stats, []))
  }

  async configure(queue: string, { paused, concurrency, priority }: Partial<QueueSettings>): Promise<void> {
    if (paused !== undefined) throw new UnsupportedError('pause', this.name)
    await this.#run(statements.configure, [
      queue,
      concurrency === undefined || concurrency === null ? null : String(concurrency),
      concurrency === undefined ? null : 'set',
      priority === undefined ? null : String(priority),
    ])
    this.#ring('jobs')
  }

  /** A line is a level and a text: data follows the message in it. */
  async log(lines: readonly LogLine[]): Promise<void> {
    const known = lines.filter(({ jobId }) => isId(jobId))
    if (known.length === 0) return this.#link.expectOpen()
    const values = [
      textArray(known.map(({ jobId }) => jobId)),
      numberArray(known.map(({ at }) => at)),
      textArray(known.map(({ level }) => level)),
      textArray(known.map(({ message, data }) => clean(data === undefined ? message : `${message} ${data}`))),
    ]
    // A line twice is worse than a call that failed: what is lost on the way is not tried again.
    if ((await this.#link.tryRun({ name: '', text: statements.log }, values)) === undefined) throw lost('lines')
  }

  async logs(jobId: string, limit: number, after = 0): Promise<readonly StoredLogLine[]> {
    if (!isId(jobId)) {
      this.#link.expectOpen()
      return []
    }
    return toLines(jobId, await this.#run(statements.logs, [jobId, String(after), String(limit)]))
  }

  /** sqlq notifies nobody: only what is done by this store rings. */
  listen(ring: (bell: Bell) => void): () => void {
    this.#link.expectOpen()
    const listener = (bell: Bell): void => ring(bell)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async report(): Promise<readonly Finding[]> {
    return await report(async (text) => await this.#run(text, []))
  }

  async #claim(request: ClaimRequest): Promise<Pick<Claimed, 'jobs' | 'nextRunAt'>> {
    const { limit, now, queues, tasks } = request
    this.#leases.forget(now - rememberedMs)
    const taken = limit === 0 ? [] : await this.#serializable.run(async (ask) => await takeJobs(request, ask))
    for (const lease of taken) this.#leases.add(lease)
    const jobs = taken.map(({ job }) => job)
    if (jobs.length > 0 && jobs.length === limit) return { jobs, nextRunAt: undefined }
    const among = [queues, tasks === undefined ? undefined : [...tasks.keys()]].map((all) =>
      all === undefined ? null : names(all),
    )
    try {
      const [row] = await this.#run(statements.next, [...among, String(now)])
      return { jobs, nextRunAt: toInstant(row?.[0]) }
    } catch (error) {
      if (jobs.length === 0) throw error
      return { jobs, nextRunAt: undefined } // jobs that were taken must be told of
    }
  }

  async #apply(writes: readonly Write[], now: Instant, locked: 'wait' | 'skip', tx?: object): Promise<Settled> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    const planned = plan(writes, this.#leases, now)
    if (planned.length === 0) return { stored: new Set(), frees: false }
    const [text, values] = [statements.settle(locked), settleValues(planned)]
    if (tx !== undefined) return toSettled(planned, await inTx(tx)(text, values))
    const rows = await this.#link.tryRun({ name: '', text }, values)
    const settled = rows === undefined ? await this.#again(planned, text, values) : toSettled(planned, rows)
    for (const one of planned) if (settled.stored.has(one.write.before.id)) this.#settled(one)
    return settled
  }

  /** The connection was lost on the way: what is refused now may be so because it had been stored. Then the row is as it was to be. */
  async #again(planned: readonly Planned[], text: string, values: readonly (string | null)[]): Promise<Settled> {
    const { stored, frees } = toSettled(planned, await this.#run(text, values))
    const open = planned.filter(({ write }) => !stored.has(write.before.id))
    const current = await this.get(open.map(({ write }) => write.before.id))
    const done = open.filter(({ write: { after } }, i) => isAsWritten(current[i], after))
    return {
      stored: new Set([...stored, ...done.map(({ write }) => write.before.id)]),
      frees: frees || done.length > 0,
    }
  }

  /** What has been stored of a run of ours ends it, unless it asked it to stop. */
  #settled(one: Planned): void {
    const { lease, write } = one
    if (lease === undefined) return
    if (ends(one)) this.#leases.remove(lease.job.id)
    else this.#leases.overlay({ ...lease, job: { ...lease.job, cancel: write.after?.cancel } })
  }

  async #results(writes: readonly Write[], stored: ReadonlySet<string>, tx?: object): Promise<readonly WriteResult[]> {
    const met = new Set<string>()
    const done = writes.map(({ before: { id } }) => {
      const first = !met.has(id)
      met.add(id)
      return first && stored.has(id)
    })
    const refused = writes.filter((_, i) => done[i] !== true).map(({ before }) => before.id)
    if (refused.length === 0) return writes.map(() => ({ ok: true }))
    const current = new Map((await this.get(refused, tx)).map((job, i) => [refused[i], job]))
    return writes.map(({ before }, i) => {
      if (done[i] === true) return { ok: true }
      const job = current.get(before.id)
      // Whoever has it now, our run of it is over.
      if (
        tx === undefined &&
        job?.lease !== before.lease &&
        this.#leases.holding(before.id, before.lease) !== undefined
      )
        this.#leases.remove(before.id)
      return { ok: false, current: job }
    })
  }

  async #insert(values: readonly (string | null)[]): Promise<readonly Row[]> {
    const rows = await this.#link.tryRun({ name: '', text: statements.insert }, values)
    if (rows === undefined) throw lost('jobs')
    return rows
  }

  async #placeOf(id: string): Promise<string | undefined> {
    if (!isId(id)) return undefined
    const [row] = await this.#run(statements.place, [id])
    return row === undefined ? this.#places.get(id) : toText(row[0])
  }

  async #close(): Promise<void> {
    this.#listeners.clear()
    const now = Math.max(0, ...this.#leases.all.map(({ job }) => job.startedAt ?? 0))
    const policy = { backoff: sqlqRules.backoff, retention: sqlqRules.retention }
    const releases = this.#leases.all.map(({ job }) => decide(job, { kind: 'released' }, policy, now, 0))
    // What cannot be given back is taken back once its lease has run out.
    await this.#apply(releases, now, 'skip').catch(() => undefined)
    this.#link.close()
    this.#own.abandon()
    await Promise.all(this.#connections.map(async (one) => await one.end()))
  }

  readonly #run: RunSql = async (text, values) => await this.#link.run({ name: '', text }, values)

  #toJobs(rows: readonly Row[]): readonly Job[] {
    return rows.map((row) => this.#leases.overlay(toRead(row)))
  }

  #ring(bell: Bell): void {
    for (const listener of this.#listeners) listener(bell)
  }
}

function toSettled(planned: readonly Planned[], rows: readonly Row[]): Settled {
  const limited = new Map(rows.map((row) => [toText(row[0]), row[1] === 'true']))
  const frees = planned.some(
    ({ write: { before, after } }) =>
      limited.has(before.id) && (after?.state === 'pending' || (before.state === 'running' && limited.get(before.id))),
  )
  return { stored: new Set(limited.keys()), frees }
}

/** Whether the row is as a write was to leave it. */
function isAsWritten(job: Job | undefined, after: Job | undefined): boolean {
  if (job === undefined || after === undefined) return job === after
  return (
    job.state === after.state &&
    job.attempt === after.attempt &&
    job.finishedAt === after.finishedAt &&
    job.runAt === after.runAt
  )
}

function lost(what: 'jobs' | 'lines'): StoreError {
  return new StoreError(`sqlq: the connection was lost; the ${what} may have been added or not`, { retryable: false })
}
