import type { Capability } from '../../core/capability.ts'
import { StoreError, UnsupportedError, UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { endsRun, expectFaultless, settle, type Write } from '../../core/lifecycle.ts'
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
import * as statements from './statements.ts'
import { names, takeJobs } from './taker.ts'
import { Writer } from './writer.ts'

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
  readonly #writer: Writer
  readonly #moments = new Moments()
  readonly #places = new Places()
  readonly #listeners = new Set<(bell: Bell) => void>()
  /** Claims follow one another: side by side they would only undo each other. */
  #claims: Promise<unknown> = Promise.resolve()
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
    this.#writer = new Writer(link, this.#leases, async (ids, tx) => await this.#get(ids, tx))
  }

  /** Makes nothing: the schema is sqlq's, and was found when the store was opened. */
  migrate(): void {
    this.#expectOpen()
  }

  /** What is still held is given back first: the next worker need not wait for the lease to run out. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async time(): Promise<Instant> {
    this.#expectOpen()
    const [row] = await this.#run('select floor(extract(epoch from clock_timestamp()) * 1000)::bigint::text as c0', [])
    return Number(row?.[0])
  }

  async begin(): Promise<OwnTransaction<PgClient>> {
    this.#expectOpen()
    return await this.#own.begin()
  }

  refusal(job: Job): string | undefined {
    return refusal(job)
  }

  async insert(batches: readonly Batch[], _now: Instant, tx?: object): Promise<readonly BatchResult[]> {
    this.#expectOpen()
    const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
    expectFaultless(jobs, refusal)
    if (batches.some(({ writes = [] }) => writes.length > 0)) throw new UnsupportedError('dedupe', this.name)
    if (jobs.length === 0) return batches.map(() => ({ ok: true, holders: [] }))
    const values = insertValues(jobs, this.#settings.keepAliveMs, this.#moments)
    const rows = await (tx === undefined ? this.#insert(values) : inTx(tx)(statements.insert, values))
    const ids = rows.map((row) => toText(row[0]))
    if (tx === undefined) this.#ring('jobs')
    return batches.map((batch) => ({ ok: true, holders: [], ids: ids.splice(0, batch.jobs.length) }))
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#expectOpen()
    const { settle: writes = [], now } = request
    const { results: settled, any, frees } = await this.#writer.write(writes, now, 'skip')
    if (frees) this.#ring('jobs')
    try {
      return { ...(await this.#claim(request)), settled }
    } catch (error) {
      if (!any) throw error
      return { jobs: [], nextRunAt: now, settled } // what has been settled must be told; the next claim says what is wrong
    }
  }

  async apply(writes: readonly Write[], now: Instant, tx?: object): Promise<readonly WriteResult[]> {
    this.#expectOpen()
    // Who takes back the dead does not wait for one that may be completing in a transaction: there is another time.
    const rescues = writes.every((write) => endsRun(write) && (write.before.leaseUntil ?? now) <= now)
    const { results, any } = await this.#writer.write(writes, now, rescues ? 'skip' : 'wait', tx)
    if (tx === undefined && any) {
      this.#ring('jobs')
      if (writes.some(({ after }) => after?.state === 'running')) this.#ring('control')
    }
    return results
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly RenewResult[]> {
    this.#expectOpen()
    const held = renewals.flatMap((renewal) => this.#leases.of(renewal) ?? [])
    if (held.length === 0) return renewals.map(() => undefined)
    const rows = await this.#run(statements.renew, [
      names(held.map(({ job }) => job.id)),
      numberArray(held.map(({ run }) => run.attempt)),
      textArray(held.map(({ run }) => run.startedUs)),
      textArray(held.map(({ keepalive }) => keepalive)),
      String(now),
      String(Math.max(1, until - now)),
    ])
    const asked = new Map(rows.map((row) => [toText(row[0]), row[1] === 'true' ? 'cancelled' : undefined]))
    return renewals.map((renewal) => {
      const lease = this.#leases.of(renewal)
      return lease && asked.has(renewal.id) ? this.#leases.renew(lease, until, asked.get(renewal.id)) : undefined
    })
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    this.#expectOpen()
    const found = (await this.#run(statements.expired, [String(now), String(limit)])).map(toRead)
    // By the rows, which is what everybody goes by: a lease of ours may be shorter.
    const over = found.filter(({ job }) => (job.leaseUntil ?? 0) <= now)
    const nextAt = found.find(({ job }) => (job.leaseUntil ?? 0) > now)?.job.leaseUntil
    return { jobs: over.map((read) => this.#leases.overlay(read)), nextAt }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    this.#expectOpen()
    return (await this.#run(statements.prune, [String(now), String(limit)])).length
  }

  async get(ids: readonly string[], tx?: object): Promise<readonly (Job | undefined)[]> {
    this.#expectOpen()
    return await this.#get(ids, tx)
  }

  /** By when jobs were added, whatever their ids. A page behind a job that is gone is had if this store has shown that job last. */
  async list(filter: JobFilter): Promise<readonly Job[]> {
    this.#expectOpen()
    const place = filter.after === undefined ? undefined : await this.#placeOf(filter.after)
    if (filter.after !== undefined && place === undefined) return []
    const { text, values } = listQuery(filter, place)
    const rows = await this.#link.run({ name: '', text, withinMs: filter.withinMs }, values)
    this.#places.remember(rows.at(-1))
    return this.#toJobs(rows)
  }

  /** Counted anew, with a scan. */
  async queues(): Promise<readonly QueueStats[]> {
    this.#expectOpen()
    return toQueueStats(await this.#run(statements.stats, []))
  }

  async configure(queue: string, { paused, concurrency, priority }: Partial<QueueSettings>): Promise<void> {
    this.#expectOpen()
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
    this.#expectOpen()
    const known = lines.filter(({ jobId }) => isId(jobId))
    if (known.length === 0) return
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
    this.#expectOpen()
    if (!isId(jobId)) return []
    return toLines(jobId, await this.#run(statements.logs, [jobId, String(after), String(limit)]))
  }

  /** sqlq notifies nobody: only what is done by this store rings. */
  listen(ring: (bell: Bell) => void): () => void {
    this.#expectOpen()
    const listener = (bell: Bell): void => ring(bell)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async report(): Promise<readonly Finding[]> {
    this.#expectOpen()
    return await report(async (text) => await this.#run(text, []))
  }

  async #claim(request: ClaimRequest): Promise<Pick<Claimed, 'jobs' | 'nextRunAt'>> {
    const { limit, now, queues, tasks } = request
    this.#leases.forget(now - rememberedMs)
    const jobs = limit === 0 ? [] : await this.#take(request)
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

  async #take(request: ClaimRequest): Promise<readonly Job[]> {
    const turn = this.#claims.then(async () => {
      this.#expectOpen() // or nobody would give back what is taken now
      const taken = await this.#serializable.run(async (ask) => await takeJobs(request, ask))
      for (const lease of taken) this.#leases.put(lease)
      return taken.map(({ job }) => job)
    })
    this.#claims = turn.catch(() => undefined) // its caller hears of it
    return await turn
  }

  async #insert(values: readonly (string | null)[]): Promise<readonly Row[]> {
    const rows = await this.#link.tryRun({ name: '', text: statements.insert }, values)
    if (rows === undefined) throw lost('jobs')
    return rows
  }

  async #get(ids: readonly string[], tx?: object): Promise<readonly (Job | undefined)[]> {
    const known = ids.filter(isId)
    if (known.length === 0) return ids.map(() => undefined)
    const run = tx === undefined ? this.#run : inTx(tx)
    return inOrder(ids, this.#toJobs(await run(statements.get, [textArray(known)])))
  }

  async #placeOf(id: string): Promise<string | undefined> {
    if (!isId(id)) return undefined
    const [row] = await this.#run(statements.place, [id])
    return row === undefined ? this.#places.get(id) : toText(row[0])
  }

  async #close(): Promise<void> {
    this.#listeners.clear()
    await this.#claims
    const now = Math.max(0, ...this.#leases.all.map(({ job }) => job.startedAt ?? 0))
    const policy = { backoff: sqlqRules.backoff, retention: sqlqRules.retention }
    const releases = this.#leases.all.map(({ job }) => settle(job, { kind: 'released' }, policy, now, 0))
    // What cannot be given back is taken back once its lease has run out.
    await this.#writer.write(releases, now, 'skip').catch(() => undefined)
    this.#link.close()
    this.#own.abandon()
    await Promise.all(this.#connections.map(async (one) => await one.end()))
  }

  /** @throws UsageError once closed, and while it closes */
  #expectOpen(): void {
    if (this.#closing !== undefined) throw new UsageError(`The ${this.name} store is closed.`)
  }

  readonly #run: RunSql = async (text, values) => await this.#link.run({ name: '', text }, values)

  #toJobs(rows: readonly Row[]): readonly Job[] {
    return rows.map((row) => this.#leases.overlay(toRead(row)))
  }

  #ring(bell: Bell): void {
    for (const listener of this.#listeners) listener(bell)
  }
}

function lost(what: 'jobs' | 'lines'): StoreError {
  return new StoreError(`sqlq: the connection was lost; the ${what} may have been added or not`, { retryable: false })
}
