import { existsSync } from 'node:fs'

import type { Capability } from '../../core/capability.ts'
import { StoreError, UnsupportedError, UsageError } from '../../core/errors.ts'
import { finished, type Instant, type Job } from '../../core/job.ts'
import { expectFaultless, type Write } from '../../core/lifecycle.ts'
import type {
  Awaitable,
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  QueueStats,
  Renewal,
  RenewResult,
  Rules,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import type { Connection, SqliteHandle } from '../sqlite-file/connection.ts'
import { type Durability, SqliteFile } from '../sqlite-file/file.ts'
import { fileUrlOptions } from '../sqlite-file/url.ts'
import { Uuids } from './ids.ts'
import { type Lease, Leases } from './leases.ts'
import { listQuery, toQueueStats } from './looking.ts'
import { type BackliteOptions, type BackliteSettings, backliteSettings, urlNames } from './options.ts'
import { refusal } from './payload.ts'
import { report } from './report.ts'
import { capabilities, rules, whyNotWorked } from './rules.ts'
import { install, installed } from './schema.ts'
import { Session, type Taken } from './session.ts'
import { statements } from './statements.ts'

/**
 * The tasks of backlite, in its own tables of a SQLite file that Go programs have open, too.
 *
 * A guest: what becomes of a row is what backlite makes of it. What that means for each promise of `Store` is in docs/decisions/024, and for
 * users in docs/guests/backlite.md.
 */
export class BackliteStore implements Store<SqliteHandle> {
  readonly name = 'backlite'
  readonly capabilities: ReadonlySet<Capability> = capabilities
  readonly rules: Rules = rules
  readonly settings: BackliteSettings
  readonly #file: SqliteFile
  readonly #ids = new Uuids()
  readonly #leases = new Leases()
  readonly #sessions = new WeakMap<Connection, Session>()
  /** Whether the tables have been found. */
  #ready = false
  /** Whether a file may be made. */
  #makes = false

  /** Opens nothing yet. @throws UsageError for bad options */
  constructor(options: BackliteOptions) {
    this.settings = backliteSettings(options)
    this.#file = new SqliteFile(this.settings, (connection) => {
      const isNew = this.#makes && connection.sql('pragma page_count').row()?.[0] === 0
      if (isNew) connection.exec('pragma journal_mode = wal') // as backlite's own page has it
    })
  }

  /** Of a URL: `backlite:app.db?dispatcher=stopped`. @throws UsageError */
  static open(url: string, options: Omit<BackliteOptions, 'file'> = {}): BackliteStore {
    return new BackliteStore(fileUrlOptions(url, options, urlNames))
  }

  /** What `Install` of backlite does: makes its tables where there are none. A file that is new is put into WAL mode. */
  migrate(): Awaitable<void> {
    this.#makes = true
    return this.#file.write('full', (connection) => {
      if (!installed(connection)) connection.exec(install)
      this.#ready = true
    })
  }

  /** Makes no file. @throws StoreError when there is none, or for tables that are not known here */
  check(): Awaitable<void> {
    if (!existsSync(this.settings.file))
      throw new StoreError(`There is no file ${this.settings.file}`, { retryable: false })
    return this.#file.read((connection) => {
      this.#ready = installed(connection)
    })
  }

  /** Gives back what it still holds, attempts not used. */
  close(): Awaitable<void> {
    if (this.#file.closed) return
    const held = this.#leases.all
    this.#leases.clear()
    if (held.length === 0) return this.#file.close()
    return this.#letGo(held)
  }

  refusal(job: Job): string | undefined {
    return refusal(job)
  }

  workRefusal(leaseMs: number): string | undefined {
    return whyNotWorked(this.settings, leaseMs)
  }

  insert(batches: readonly Batch[], now: Instant, tx?: SqliteHandle): Awaitable<readonly BatchResult[]> {
    const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
    expectFaultless(jobs, refusal)
    if (batches.some(({ writes = [] }) => writes.length > 0)) throw new UnsupportedError('dedupe', this.name)
    const ids = jobs.map(() => this.#ids.next(now))
    const left = [...ids]
    const results = batches.map((batch): BatchResult => ({
      ok: true,
      holders: [],
      ids: left.splice(0, batch.jobs.length),
    }))
    const insert = (session: Session): readonly BatchResult[] => {
      session.insert(jobs, ids, now)
      return results
    }
    if (tx !== undefined) return this.#inTx(tx, insert)
    return this.#write('full', insert, () => jobs.length > 0 && this.#file.ring('jobs'))
  }

  claim(request: ClaimRequest): Awaitable<Claimed> {
    const { settle = [], until, now } = request
    this.#expectWorked(until - now)
    expectFaultless(settle.flatMap(({ after }) => after ?? []))
    const nothing = settle.length > 0 ? undefined : this.#takeNothing(request)
    if (nothing !== undefined) return { jobs: [], settled: [], nextRunAt: nothing.nextRunAt }
    return this.#write(
      'relaxed',
      (session) => {
        const gone = this.#leases.completing.filter((lease) => !session.holds(lease))
        const settled = session.apply(settle, now)
        const { leases, nextRunAt } = session.take(request)
        return { settled, nextRunAt, jobs: leases.map(({ job }) => job), leases, gone }
      },
      ({ settled, leases, gone }) => {
        for (const { job } of gone) this.#leases.remove(job.id)
        this.#leases.settled(settle, settled)
        for (const lease of leases) this.#leases.put(lease)
      },
    )
  }

  apply(writes: readonly Write[], now: Instant, tx?: SqliteHandle): Awaitable<readonly WriteResult[]> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    if (writes.some(({ after }) => after?.state === 'running')) throw new UnsupportedError('cancel', this.name)
    if (writes.some(({ before }) => !finished(before.state))) this.#expectWorked(0)
    if (writes.length === 0) return []
    if (tx !== undefined) return this.#applyIn(tx, writes, now)
    const ends = writes.every(({ before }) => before.state === 'running')
    return this.#write(
      ends ? 'relaxed' : 'full',
      (session) => session.apply(writes, now),
      (results) => {
        this.#leases.settled(writes, results)
        const waits = writes.some(({ after }, i) => results[i]?.ok === true && after?.state === 'pending')
        if (waits) this.#file.ring('jobs')
      },
    )
  }

  renew(renewals: readonly Renewal[], until: Instant, now: Instant): Awaitable<readonly RenewResult[]> {
    const held = renewals.map((renewal) => this.#leases.of(renewal))
    if (held.every((lease) => lease === undefined)) return renewals.map(() => undefined)
    this.#expectWorked(until - now)
    return this.#write(
      'relaxed',
      (session) =>
        held.map((lease): RenewResult => {
          if (lease === undefined || (lease.job.leaseUntil ?? 0) <= now || !session.renew(lease, now)) return undefined
          return { rev: lease.job.rev + 1, cancel: undefined }
        }),
      (renewed) => {
        for (const [i, lease] of held.entries()) {
          if (lease === undefined || renewed[i] === undefined) continue
          this.#leases.renew({ ...lease, claimedAt: now }, until)
        }
      },
    )
  }

  /** None: a claim that is over is taken by the next claim, as backlite does it. */
  expired(): Expired {
    return { jobs: [], nextAt: undefined }
  }

  prune(now: Instant, limit: number): Awaitable<number> {
    return this.#file.write('relaxed', (connection) => {
      this.#expectTables(connection)
      return connection.sql(statements.prune).run(now, limit)
    })
  }

  get(ids: readonly string[], tx?: SqliteHandle): Awaitable<readonly (Job | undefined)[]> {
    const get = (session: Session): readonly (Job | undefined)[] => ids.map((id) => session.get(id))
    return tx === undefined ? this.#read(get) : this.#inTx(tx, get)
  }

  list(filter: JobFilter): Awaitable<readonly Job[]> {
    const { text, values } = listQuery(filter)
    return this.#read((session, connection) =>
      connection
        .sql(text)
        .rows(...values)
        .map((row) => session.toJob(row)),
    )
  }

  /** Counted anew, with a scan. */
  queues(): Awaitable<readonly QueueStats[]> {
    return this.#read((_, connection) => toQueueStats(connection.sql(statements.stats).rows()))
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

  /** Own tasks ring at once; those of other programs as soon as the WAL file moves. */
  listen(ring: (bell: Bell) => void): () => void {
    return this.#file.listen(ring)
  }

  report(): Awaitable<readonly Finding[]> {
    return this.#read((_, connection) => report(connection, this.settings))
  }

  /** @throws UsageError saying why nothing can be worked */
  #expectWorked(leaseMs: number): void {
    const reason = whyNotWorked(this.settings, leaseMs)
    if (reason !== undefined) throw new UsageError(`The backlite store works no task here: ${reason}`)
  }

  /** A worker that is woken for nothing must not queue up for the write lock. */
  #takeNothing(request: ClaimRequest): Taken | undefined {
    return this.#file.tryRead((connection) => this.#session(connection).takeNothing(request))
  }

  #applyIn(tx: SqliteHandle, writes: readonly Write[], now: Instant): readonly WriteResult[] {
    const results = this.#inTx(tx, (session) => session.apply(writes, now))
    for (const [i, { before }] of writes.entries())
      if (results[i]?.ok === true && this.#leases.of(before) !== undefined) this.#leases.complete(before.id)
    return results
  }

  async #letGo(held: readonly Lease[]): Promise<void> {
    try {
      await this.#file.write('relaxed', (connection) => {
        for (const lease of held) this.#session(connection).release(lease)
      })
    } catch {
      // The file cannot be written to: the claims are over after their time, as if the process had ended.
    } finally {
      this.#file.close()
    }
  }

  #read<T>(look: (session: Session, connection: Connection) => T): Awaitable<T> {
    return this.#file.read((connection) => look(this.#session(connection), connection))
  }

  #write<T>(durability: Durability, change: (session: Session) => T, committed: (result: T) => unknown): Awaitable<T> {
    return this.#file.write(durability, (connection) => change(this.#session(connection)), committed)
  }

  #inTx<T>(tx: SqliteHandle, change: (session: Session) => T): T {
    return this.#file.inTx(tx, (connection) => change(this.#session(connection)))
  }

  #session(connection: Connection): Session {
    this.#expectTables(connection)
    const known = this.#sessions.get(connection)
    if (known !== undefined) return known
    const made = new Session(connection, this.#leases, {
      releaseMs: this.settings.releaseMs,
      maxAttempts: rules.maxAttempts,
    })
    this.#sessions.set(connection, made)
    return made
  }

  /** Looked for until they are there: whoever makes them may come later. @throws StoreError */
  #expectTables(connection: Connection): void {
    if (this.#ready) return
    if (!installed(connection))
      throw new StoreError(
        `${this.settings.file} has no tables of backlite. They are made by Install() of its client, or by jobferry migrate`,
        { retryable: false },
      )
    this.#ready = true
  }
}
