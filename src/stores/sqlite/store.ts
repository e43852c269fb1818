import { type Capability, capabilities } from '../../core/capability.ts'
import { UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { endsRun, expectFaultless, type Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
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
  LogLine,
  QueueSettings,
  QueueStats,
  Renewal,
  Renewed,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { watch } from '../sqlite-file/bell.ts'
import { Line, whenFree } from '../sqlite-file/busy.ts'
import { Connection, isBusy, type SqliteHandle } from '../sqlite-file/connection.ts'
import { type SqliteOptions, type SqliteSettings, sqliteSettings } from './options.ts'
import { openFile, useWal } from './open-file.ts'
import { listJobs } from './list.ts'
import { migrate } from './migrate.ts'
import { report } from './report.ts'
import { makeStatements, type Statements } from './statements.ts'
import { queueStats } from './stats.ts'
import { checkTx } from '../sqlite-file/tx.ts'
import { Session } from './session.ts'
import { toLogLine, toPresentWorker } from './row.ts'

export type { Durability, SqliteOptions } from './options.ts'

/**
 * Jobs in one SQLite file, through one connection of its own. Any number of processes may have the file open.
 *
 * Answers at once, without a promise; only when another process holds the file's lock for longer than a moment does the answer become one.
 */
export class SqliteStore implements Store<SqliteHandle> {
  readonly name = 'sqlite'
  readonly capabilities: ReadonlySet<Capability>
  readonly settings: SqliteSettings
  /** The connection, for reports on the file; `undefined` once closed. */
  #connection: Connection | undefined
  readonly #statements: Statements
  readonly #line: Line
  readonly #session: Session
  readonly #sessions = new WeakMap<SqliteHandle, Session>()
  readonly #rings = new Set<(bell: Bell) => void>()
  #endWatch: (() => void) | undefined
  #control: unknown
  #synchronous: 'full' | 'relaxed' | undefined

  /** @throws UsageError for bad options, or a SQLite with the WAL-reset fault · StoreError if the file cannot be opened */
  constructor(options: SqliteOptions) {
    this.settings = sqliteSettings(options)
    this.capabilities = capabilitiesOf(this.settings.file)
    this.#line = new Line(this.settings.busyMs)
    this.#statements = makeStatements(this.settings.prefix)
    this.#connection = openFile(this.settings)
    this.#session = new Session(this.#connection, this.#statements)
  }

  /** The same, but waits, as every call does, for another process that holds the lock of a file it is just making. */
  static open(options: SqliteOptions): Awaitable<SqliteStore> {
    return whenFree(() => new SqliteStore(options), sqliteSettings(options).busyMs)
  }

  migrate(): Awaitable<void> {
    return this.#line.whenFree(() => {
      useWal(this.connection, this.settings)
      this.#transact('full', () => migrate(this.connection, this.settings.prefix))
    })
  }

  close(): void {
    this.#endWatch?.()
    this.#rings.clear()
    const connection = this.#connection
    this.#connection = undefined
    if (connection !== undefined) connection.handle.close()
  }

  insert(batches: readonly Batch[], now: Instant, tx?: SqliteHandle): Awaitable<readonly BatchResult[]> {
    expectFaultless(batches.flatMap((batch) => batch.jobs.map((entry) => entry.job)))
    if (tx !== undefined) return this.#inTx(tx, (session) => session.insert(batches, now))
    return this.#insertAlone(batches) ?? this.#write('full', () => this.#session.insert(batches, now))
  }

  claim(request: ClaimRequest): Awaitable<Claimed> {
    expectFaultless((request.settle ?? []).flatMap(({ after }) => after ?? []))
    return this.#claimNothing(request) ?? this.#write('relaxed', () => this.#session.claim(request))
  }

  apply(writes: readonly Write[], _now: Instant, tx?: SqliteHandle): Awaitable<readonly WriteResult[]> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    if (tx !== undefined) return this.#inTx(tx, (session) => session.apply(writes))
    return this.#write(writes.every(endsRun) ? 'relaxed' : 'full', () => this.#session.apply(writes))
  }

  renew(renewals: readonly Renewal[], until: Instant, now: Instant): Awaitable<readonly (Renewed | undefined)[]> {
    return this.#write('relaxed', () => this.#session.renew(renewals, until, now))
  }

  expired(now: Instant, limit: number): Awaitable<Expired> {
    return this.#read(() => this.#session.expired(now, limit))
  }

  prune(now: Instant, limit: number): Awaitable<number> {
    return this.#write('relaxed', () => this.#session.prune(now, limit))
  }

  get(ids: readonly string[], tx?: SqliteHandle): Awaitable<readonly (Job | undefined)[]> {
    if (tx !== undefined) return this.#inTx(tx, (session) => ids.map((id) => session.get(id)))
    return this.#read(() => ids.map((id) => this.#session.get(id)))
  }

  list(filter: JobFilter): Awaitable<readonly Job[]> {
    return this.#read(() => listJobs(this.connection, this.settings.prefix, this.#session.lanes, filter))
  }

  queues(): Awaitable<readonly QueueStats[]> {
    return this.#read(() => queueStats(this.connection, this.#statements, this.#session.lanes))
  }

  configure(queue: string, settings: Partial<QueueSettings>): Awaitable<void> {
    return this.#write('full', () => this.#session.configure(queue, settings))
  }

  log(lines: readonly LogLine[]): Awaitable<void> {
    return this.#write('relaxed', () => this.#session.log(lines))
  }

  logs(jobId: string, limit: number, after = 0): Awaitable<readonly StoredLogLine[]> {
    return this.#read(() => this.connection.sql(this.#statements.logs).rows(jobId, after, limit).map(toLogLine))
  }

  /** Own writes ring at once; those of other connections as soon as the WAL file moves. */
  listen(ring: (bell: Bell) => void): () => void {
    const own = (bell: Bell): void => ring(bell)
    const { connection } = this
    this.#rings.add(own)
    if (this.#endWatch === undefined) this.#controlMoved()
    this.#endWatch ??= watch(
      this.settings.file,
      () => connection.sql(this.#statements.dataVersion).row()?.[0],
      this.#ringAll,
    )
    return () => {
      this.#rings.delete(own)
      if (this.#rings.size > 0) return
      this.#endWatch?.()
      this.#endWatch = undefined
    }
  }

  present(presence: Presence, now: Instant, until: Instant): Awaitable<void> {
    const { present, removeGone } = this.#statements
    return this.#line.whenFree(() =>
      this.#transact('relaxed', () => {
        this.connection.sql(present).run(presence.id, now, until, JSON.stringify(presence))
        this.connection.sql(removeGone).run(now)
      }),
    )
  }

  workers(now: Instant): Awaitable<readonly PresentWorker[]> {
    return this.#read(() => this.connection.sql(this.#statements.workers).rows(now).map(toPresentWorker), false)
  }

  report(): Awaitable<readonly Finding[]> {
    return this.#read(() => report(this.connection, this.settings), false) // the tables may not be ours
  }

  /** The store's own connection. @throws UsageError once closed */
  get connection(): Connection {
    if (this.#connection === undefined) throw new UsageError('The sqlite store is closed.')
    return this.#connection
  }

  /** A worker that is woken for nothing, as many are when one job comes, must not queue up for the write lock. */
  #claimNothing(request: ClaimRequest): Claimed | undefined {
    if ((request.settle ?? []).length > 0) return undefined
    try {
      return this.#look(() => this.#session.look(() => this.#session.claimNothing(request)))
    } catch (error) {
      if (isBusy(error)) return undefined // the transaction that follows knows how to wait
      throw error
    }
  }

  /** The hot path of a single enqueue; `undefined` when it needs a transaction, or has to wait for one of somebody else's. */
  #insertAlone(batches: readonly Batch[]): readonly BatchResult[] | undefined {
    if (this.#line.standing) return undefined
    const { connection } = this
    this.#setSynchronous(connection, 'full')
    try {
      if (!this.#session.insertAlone(batches)) return undefined
    } catch (error) {
      if (isBusy(error)) return undefined
      throw error
    }
    this.#ringFor(this.#session)
    return batches.map(() => ({ ok: true, holders: [] }))
  }

  /** One transaction of our own, in turn; rings afterwards for what it has changed. */
  #write<T>(durability: 'full' | 'relaxed', change: () => T): Awaitable<T> {
    return this.#line.whenFree(() => {
      const result = this.#transact(durability, () => this.#session.within(change))
      this.#ringFor(this.#session)
      return result
    })
  }

  #transact<T>(durability: 'full' | 'relaxed', change: () => T): T {
    const { connection } = this
    this.#setSynchronous(connection, durability)
    connection.sql(this.#statements.begin).run()
    try {
      const result = change()
      connection.sql(this.#statements.commit).run()
      return result
    } catch (error) {
      this.#session.undone()
      if (connection.inTransaction !== false) connection.sql(this.#statements.rollback).run()
      throw error
    }
  }

  /** One look at one moment: several statements see the same rows. */
  #read<T>(look: () => T, usesLanes = true): Awaitable<T> {
    return whenFree(() => this.#look(usesLanes ? () => this.#session.look(look) : look), this.settings.busyMs)
  }

  #look<T>(look: () => T): T {
    const { connection } = this
    connection.sql(this.#statements.beginLook).run()
    try {
      return look()
    } finally {
      connection.sql(this.#statements.commit).run()
    }
  }

  /** Inside the caller's transaction, on the caller's handle: a savepoint, so that our part happens whole or not at all. */
  #inTx<T>(tx: SqliteHandle, change: (session: Session) => T): T {
    const session = this.#sessionOf(tx)
    checkTx(session.connection, this.connection, this.settings.file)
    session.connection.exec('savepoint jobferry')
    try {
      const result = session.within(() => change(session))
      session.connection.exec('release jobferry')
      // Where the caller shares our own connection, nothing else will tell us of its commit.
      if (session === this.#session) this.#ringFor(session)
      return result
    } catch (error) {
      session.connection.exec('rollback to jobferry')
      session.connection.exec('release jobferry')
      throw error
    } finally {
      session.undone() // the caller may yet roll back what we have counted along
    }
  }

  #sessionOf(tx: SqliteHandle): Session {
    if (tx === this.connection.handle) return this.#session
    const known = this.#sessions.get(tx)
    if (known !== undefined) return known
    const made = new Session(new Connection(tx), this.#statements)
    this.#sessions.set(tx, made)
    return made
  }

  /** Never prepared: the pragma takes effect when it is compiled. */
  #setSynchronous(connection: Connection, wanted: 'full' | 'relaxed'): void {
    const mode = wanted === 'full' ? this.settings.durability.enqueue : this.settings.durability.settle
    if (this.#synchronous === mode) return
    connection.exec(mode === 'full' ? 'pragma synchronous = full' : 'pragma synchronous = normal')
    this.#synchronous = mode
  }

  #ringFor(session: Session): void {
    for (const bell of session.takeBells()) for (const ring of this.#rings) ring(bell)
  }

  /** Somebody has committed something. Nearly always it is no cancellation: workers that renew must not keep each other awake. */
  readonly #ringAll = (): void => {
    const bells: readonly Bell[] = this.#controlMoved() ? ['jobs', 'control'] : ['jobs']
    for (const ring of this.#rings) for (const bell of bells) ring(bell)
  }

  #controlMoved(): boolean {
    try {
      const control = this.connection.sql(this.#statements.control).row()?.[0]
      const moved = control !== this.#control
      this.#control = control
      return moved
    } catch {
      return true // not to be read just now, or not there yet: better once too often
    }
  }
}

/**
 * No other connection can reach a database in memory. And a file has one writer: a transaction of our own, open while a handler awaits,
 * would keep the lease it is to be completed under from being renewed. Callers with a synchronous transaction of their own do better.
 */
function capabilitiesOf(file: string): ReadonlySet<Capability> {
  const lacks: readonly Capability[] =
    file === ':memory:' ? ['transaction', 'connection', 'pipeline'] : ['connection', 'pipeline']
  return new Set(capabilities.filter((capability) => !lacks.includes(capability)))
}
