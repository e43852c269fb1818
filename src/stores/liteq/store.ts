import { existsSync } from 'node:fs'

import type { Capability } from '../../core/capability.ts'
import { StoreError, UnsupportedError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { endsRun, expectFaultless, type Write } from '../../core/lifecycle.ts'
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
import { whenFree } from '../sqlite-file/busy.ts'
import type { Connection, SqliteHandle } from '../sqlite-file/connection.ts'
import { type Durability, SqliteFile } from '../sqlite-file/file.ts'
import { fileUrlOptions } from '../sqlite-file/url.ts'
import { type Flavour, findFlavour, liteqCapabilities, liteqRules } from './format.ts'
import { type Lease, Leases } from './leases.ts'
import { listQuery, toQueueStats } from './looking.ts'
import { type LiteqOptions, type LiteqSettings, liteqSettings, liteqUrlNames } from './options.ts'
import { refusal } from './payload.ts'
import { report } from './report.ts'
import { toStored } from './row.ts'
import { Session } from './session.ts'
import { statements } from './statements.ts'
import { fetchedSecond, take, takeNothing } from './taker.ts'

/**
 * The jobs of liteq, in its own table of a SQLite file, beside the Go programs that enqueue into it and work it.
 *
 * A guest: what becomes of a row is what liteq makes of it. What that means for each promise of `Store` is in docs/decisions/023, and for
 * users in docs/guests/liteq.md. Answers at once, as the SQLite store does.
 */
export class LiteqStore implements Store<SqliteHandle> {
  readonly name = 'liteq'
  readonly capabilities: ReadonlySet<Capability> = liteqCapabilities
  readonly rules: Rules = liteqRules
  readonly settings: LiteqSettings
  readonly #file: SqliteFile
  readonly #leases = new Leases()
  #sessions = new WeakMap<Connection, Session>()
  #flavour: Flavour = 'scoped'
  /** Changes with the tables: a newer liteq may come to the file while we have it open. */
  #schema: unknown

  /** @throws UsageError for bad options · StoreError when there is no such file, or no table of liteq in it */
  constructor(options: LiteqOptions) {
    this.settings = liteqSettings(options)
    const { file } = this.settings
    if (!existsSync(file))
      throw new StoreError(
        `There is no file ${file}. Start the Go program first: Setup of liteq makes file and table`,
        {
          retryable: false,
        },
      )
    this.#file = new SqliteFile(this.settings, (connection) => this.#find(connection))
    void this.#file.connection
  }

  /** Of a URL: `liteq:app.db?visibilityTimeout=20s`. Waits, as every call does, for another process that holds the lock of the file. */
  static open(url: string, options: Omit<LiteqOptions, 'file'> = {}): Awaitable<LiteqStore> {
    const all = fileUrlOptions(url, options, liteqUrlNames)
    return whenFree(() => new LiteqStore(all), liteqSettings(all).busyMs)
  }

  get flavour(): Flavour {
    return this.#flavour
  }

  /** Makes nothing: v0.1 of liteq refuses a table that it has not made itself. It was found when the store was opened. */
  migrate(): void {
    void this.#file.connection
  }

  /** Gives back what it still holds, attempts not used. */
  close(): Awaitable<void> {
    if (this.#file.closed) return
    const held = this.#leases.all
    return held.length === 0 ? this.#file.close() : this.#letGo(held)
  }

  refusal(job: Job): string | undefined {
    return refusal(job, this.settings.payload, this.#flavour)
  }

  insert(batches: readonly Batch[], now: Instant, tx?: SqliteHandle): Awaitable<readonly BatchResult[]> {
    const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
    expectFaultless(jobs, (job) => this.refusal(job))
    const insert = (session: Session): readonly BatchResult[] => session.insert(batches, now)
    if (tx !== undefined) return this.#inTx(tx, insert)
    return this.#write('full', insert, (results) => results.some(({ ok }) => ok) && this.#file.ring('jobs'))
  }

  claim(request: ClaimRequest): Awaitable<Claimed> {
    const { settle = [], now } = request
    expectFaultless(settle.flatMap(({ after }) => after ?? []))
    const nothing = settle.length > 0 ? undefined : this.#takeNothing(request)
    if (nothing !== undefined) return { jobs: [], settled: [], nextRunAt: nothing.nextRunAt }
    return this.#write(
      'relaxed',
      (session) => {
        const settled = session.apply(settle, now)
        const { leases, nextRunAt } = take(session, request)
        return { settled, nextRunAt, jobs: leases.map(({ job }) => job), leases }
      },
      ({ settled, leases }) => {
        this.#leases.settled(settle, settled)
        if (settle.some(({ before, after }) => before.unique !== undefined || after?.state === 'pending'))
          this.#file.ring('jobs')
        for (const lease of leases) this.#leases.put(lease)
      },
    )
  }

  apply(writes: readonly Write[], now: Instant, tx?: SqliteHandle): Awaitable<readonly WriteResult[]> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    if (writes.some(({ after }) => after?.state === 'running')) throw new UnsupportedError('cancel', this.name)
    if (writes.length === 0) return []
    if (tx !== undefined) return this.#inTx(tx, (session) => session.apply(writes, now))
    return this.#write(
      writes.every(endsRun) ? 'relaxed' : 'full',
      (session) => session.apply(writes, now),
      (results) => {
        this.#leases.settled(writes, results)
        if (results.some(({ ok }) => ok)) this.#file.ring('jobs') // it waits again, or has freed its key
      },
    )
  }

  renew(renewals: readonly Renewal[], until: Instant, now: Instant): Awaitable<readonly RenewResult[]> {
    const held = renewals.map((renewal) => this.#leases.of(renewal))
    if (held.every((lease) => lease === undefined)) return renewals.map(() => undefined)
    const fetchedAt = fetchedSecond(until, now)
    return this.#write(
      'relaxed',
      (session) =>
        held.map((lease): RenewResult => {
          const over = lease === undefined || (lease.job.leaseUntil ?? 0) <= now
          return over || !session.renew(lease, fetchedAt) ? undefined : { rev: lease.job.rev + 1, cancel: undefined }
        }),
      (renewed) => {
        for (const [i, lease] of held.entries()) {
          if (lease === undefined || renewed[i] === undefined) continue
          this.#leases.renew({ ...lease, fetchedAt }, until)
        }
      },
    )
  }

  expired(now: Instant, limit: number): Awaitable<Expired> {
    return this.#read((session) => session.expired(now, limit))
  }

  /** Nothing says until when a job is kept. */
  prune(): number {
    void this.#file.connection
    return 0
  }

  get(ids: readonly string[], tx?: SqliteHandle): Awaitable<readonly (Job | undefined)[]> {
    const get = (session: Session): readonly (Job | undefined)[] => ids.map((id) => session.get(id))
    return tx === undefined ? this.#read(get) : this.#inTx(tx, get)
  }

  list(filter: JobFilter): Awaitable<readonly Job[]> {
    return this.#read((session) => {
      const { text, values } = listQuery(filter, session.reading.flavour)
      const rows = session.connection.sql(text).rows(...values)
      return rows.map((row) => session.toJob(toStored(row)))
    })
  }

  /** Counted anew, with a scan. */
  queues(): Awaitable<readonly QueueStats[]> {
    return this.#read(({ connection }) => toQueueStats(connection.sql(statements.stats).rows()))
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

  /** Own jobs ring at once; those of other programs as soon as the WAL file moves. */
  listen(ring: (bell: Bell) => void): () => void {
    return this.#file.listen(ring)
  }

  report(): Awaitable<readonly Finding[]> {
    return this.#read(({ connection, reading }) => report(connection, this.settings, reading.flavour))
  }

  /** A worker that is woken for nothing must not queue up for the write lock. */
  #takeNothing(request: ClaimRequest): ReturnType<typeof takeNothing> {
    return this.#file.tryRead((connection) => takeNothing(this.#session(connection), request))
  }

  async #letGo(held: readonly Lease[]): Promise<void> {
    try {
      await this.#write('relaxed', (session) => {
        for (const lease of held) session.release(lease)
      })
    } catch {
      // The file cannot be written to: the leases run out, as if the process had ended.
    } finally {
      this.#leases.clear()
      this.#file.close()
    }
  }

  #read<T>(look: (session: Session) => T): Awaitable<T> {
    return this.#file.read((connection) => look(this.#session(connection)))
  }

  #write<T>(
    durability: Durability,
    change: (session: Session) => T,
    committed: (result: T) => unknown = () => undefined,
  ): Awaitable<T> {
    return this.#file.write(durability, (connection) => change(this.#session(connection)), committed)
  }

  #inTx<T>(tx: SqliteHandle, change: (session: Session) => T): T {
    return this.#file.inTx(tx, (connection) => change(this.#session(connection)))
  }

  /** The session of a connection that is in a transaction: the tables do not change in it. */
  #session(connection: Connection): Session {
    const schema = connection.sql('pragma schema_version').row()?.[0]
    if (schema !== this.#schema) this.#find(connection)
    const known = this.#sessions.get(connection)
    if (known !== undefined) return known
    const { payload, visibilityS } = this.settings
    const made = new Session(connection, { flavour: this.#flavour, payload, visibilityS }, this.#leases)
    this.#sessions.set(connection, made)
    return made
  }

  #find(connection: Connection): void {
    this.#flavour = findFlavour(connection, this.settings.file)
    this.#schema = connection.sql('pragma schema_version').row()?.[0]
    this.#sessions = new WeakMap()
  }
}
