import type { Capability } from '../../core/capability.ts'
import { StoreError, UnsupportedError, UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { expectFaultless, type Write } from '../../core/lifecycle.ts'
import type {
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  OwnTransaction,
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
import { toStoreError } from '../pg/trouble.ts'
import { toQuery } from '../pg/tx.ts'
import { withUrlOptions } from '../pg/url.ts'
import { refusal, toArgs } from './args.ts'
import { capabilitiesOf, type Format, formatQuery, rulesOf, toFormat } from './format.ts'
import { ids as idArray } from './keys.ts'
import { Leases } from './leases.ts'
import { Lockers } from './lockers.ts'
import { inOrder, isId, listQuery, toQueueStats } from './looking.ts'
import { type QueOptions, type QueSettings, queSettings } from './options.ts'
import { report } from './report.ts'
import { toJob, toText } from './row.ts'
import { type Ask, Session } from './session.ts'
import { carryOut, plan, type Planned, type Run } from './settlement.ts'
import { makeStatements, type Statements } from './statements.ts'
import { Taker } from './taker.ts'

/**
 * The jobs of Que, in its own table, beside Que's own workers: Ruby's of every version from 0.6 on, and que-go's.
 *
 * A guest: what becomes of a row is what Que makes of it, and the locks are Que's. What that means for each promise of `Store` is in
 * docs/decisions/020, and for users in docs/guests/que.md.
 */
export class QueStore implements Store<object> {
  readonly name = 'que'
  readonly capabilities: ReadonlySet<Capability>
  readonly rules: Rules
  readonly format: Format
  readonly #connections: readonly Connections[]
  readonly #link: Link
  readonly #own: OwnTransactions
  readonly #session: Session
  readonly #statements: Statements
  readonly #leases = new Leases()
  readonly #taker: Taker
  readonly #lockers: Lockers | undefined
  readonly #listeners = new Set<(bell: Bell) => void>()
  #closing: Promise<void> | undefined

  /**
   * Connects, and finds the version.
   * @throws UsageError for a bad option, or when the package `pg` is not installed · StoreError when there is no table of a version known here
   */
  static async open(url: string, options: QueOptions = {}): Promise<QueStore> {
    const { url: rest, options: all } = withUrlOptions(url.replace(/^que:/, ''), options)
    const settings = queSettings(all)
    const driver = await loadDriver(rest, settings)
    const connections = new Connections(driver.pool(settings.connections))
    try {
      const rows = await new Link(connections, false, 'que').run({ name: '', text: formatQuery }, [settings.schema])
      return new QueStore(driver, connections, toFormat(rows, settings), settings)
    } catch (error) {
      await connections.end()
      throw error
    }
  }

  /** Made by `open`. */
  private constructor(driver: Driver, connections: Connections, format: Format, settings: QueSettings) {
    const own = new Connections(driver.pool(settings.transactions, 'unhurried'))
    this.format = format
    this.rules = rulesOf(format)
    const listens = format.keeps && settings.notify
    this.capabilities = capabilitiesOf(listens)
    this.#connections = [connections, own]
    this.#link = new Link(connections, false, 'que')
    this.#own = new OwnTransactions(own, { most: settings.transactions, timeoutMs: settings.timeoutMs })
    this.#statements = makeStatements(format)
    this.#taker = new Taker(this.#statements, this.#leases, this.rules.maxAttempts)
    this.#lockers = listens ? new Lockers(format, this.#statements) : undefined
    this.#session = new Session(() => driver.listener(), {
      lost: () => this.#lost(),
      notified: () => this.#ring('jobs'),
    })
  }

  /** Makes nothing: the table is Que's, and was found when the store was opened. */
  migrate(): void {
    this.#link.expectOpen()
  }

  async close(): Promise<void> {
    this.#link.close()
    this.#closing ??= this.#close()
    await this.#closing
  }

  async time(): Promise<Instant> {
    const [row] = await this.#run('select floor(extract(epoch from clock_timestamp()) * 1000)::bigint::text', [])
    return Number(row?.[0])
  }

  async begin(): Promise<OwnTransaction<PgClient>> {
    this.#link.expectOpen()
    return await this.#own.begin()
  }

  refusal(job: Job): string | undefined {
    return refusal(job, this.format)
  }

  async insert(batches: readonly Batch[], now: Instant, tx?: object): Promise<readonly BatchResult[]> {
    this.#link.expectOpen()
    const jobs = batches.flatMap((batch) => batch.jobs.map(({ job }) => job))
    expectFaultless(jobs)
    if (batches.some(({ writes = [] }) => writes.length > 0)) throw new UnsupportedError('dedupe', this.name)
    if (jobs.length === 0) return batches.map(() => ({ ok: true, holders: [] }))
    const values = [...this.#columns(jobs), String(now)]
    const rows = await (tx === undefined ? this.#insert(values) : inTx(tx)(this.#statements.insert, values))
    const ids = rows.map((row) => toText(row[0]))
    if (tx === undefined) this.#ring('jobs')
    return batches.map((batch) => ({ ok: true, holders: [], ids: ids.splice(0, batch.jobs.length) }))
  }

  /** Settles and claims on the session that holds the locks. */
  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#link.expectOpen()
    const { settle = [], limit, now } = request
    const done = await this.#apply(settle, now, async (stored, ask) => {
      try {
        if (this.#listeners.size > 0) await this.#lockers?.attend(request, ask)
        const jobs = limit === 0 ? [] : await this.#taker.take(request, ask)
        return await this.#claimed(jobs, request, ask)
      } catch (error) {
        if (stored === 0) throw error
        return { jobs: [], nextRunAt: undefined } // what has been settled must be told; the next claim says what is wrong
      }
    })
    return { ...done.answer, settled: await this.#results(settle, done.ids) }
  }

  async apply(writes: readonly Write[], now: Instant, tx?: object): Promise<readonly WriteResult[]> {
    this.#link.expectOpen()
    if (writes.length === 0) return []
    if (tx !== undefined) return await this.#applyIn(tx, writes, now)
    const { ids } = await this.#apply(writes, now, async () => await Promise.resolve())
    if (ids.size > 0) this.#ring('jobs')
    return await this.#results(writes, ids)
  }

  /** A lease is held for as long as the session is there: so that is asked, and nothing written. */
  async renew(renewals: readonly Renewal[], until: Instant): Promise<readonly RenewResult[]> {
    this.#link.expectOpen()
    if (renewals.every((renewal) => this.#leases.of(renewal) === undefined)) return renewals.map(() => undefined)
    await this.#session
      .turn(async (ask) => await ask('select'))
      .catch((error: unknown) => {
        if (this.#session.open) throw error
      })
    return renewals.map((renewal) => {
      const lease = this.#leases.of(renewal)
      return lease && this.#leases.renew(lease, until)
    })
  }

  /** None: the server frees the locks of the dead. */
  expired(): Expired {
    this.#link.expectOpen()
    return { jobs: [], nextAt: undefined }
  }

  /** Nothing says until when a job is kept. */
  prune(): number {
    this.#link.expectOpen()
    return 0
  }

  async get(ids: readonly string[], tx?: object): Promise<readonly (Job | undefined)[]> {
    this.#link.expectOpen()
    const known = ids.filter(isId)
    if (known.length === 0) return ids.map(() => undefined)
    const run: Run = tx === undefined ? async (text, values) => await this.#run(text, values) : inTx(tx)
    return inOrder(ids, this.#toJobs(await run(this.#statements.get, [textArray(known)])))
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    const { text, values } = listQuery(this.#statements.list, filter, this.format)
    return this.#toJobs(await this.#link.run({ name: '', text, withinMs: filter.withinMs }, values))
  }

  /** Counted anew, with a scan. */
  async queues(): Promise<readonly QueueStats[]> {
    return toQueueStats(await this.#run(this.#statements.stats, []))
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

  /** Own jobs ring at once; those of others from version 4 on, once there has been a claim, which says from which queues. */
  listen(ring: (bell: Bell) => void): () => void {
    this.#link.expectOpen()
    const listener = (bell: Bell): void => ring(bell)
    this.#listeners.add(listener)
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0 || !this.#session.open) return
      this.#session.turn(async (ask) => await this.#lockers?.leave(ask)).catch(() => undefined) // gone with the session
    }
  }

  async report(): Promise<readonly Finding[]> {
    return await report(async (text) => await this.#run(text, []), this.format, this.capabilities.has('listen'))
  }

  async #close(): Promise<void> {
    this.#listeners.clear()
    if (this.#session.open)
      await this.#session.turn(async (ask) => await this.#lockers?.leave(ask)).catch(() => undefined) // gone with the session
    await this.#session.end()
    this.#own.abandon()
    await Promise.all(this.#connections.map(async (one) => await one.end()))
  }

  /**
   * Writes of jobs that we hold go through the session: there, a statement that succeeds proves the lock. Those completed in a transaction go
   * around it: their rows may still be locked by that, and must not keep all others waiting.
   */
  async #apply<T>(
    writes: readonly Write[],
    now: Instant,
    next: (stored: number, ask: Ask) => Promise<T>,
  ): Promise<{ readonly ids: ReadonlySet<string>; readonly answer: T }> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    const completing = writes.filter(({ before }) => this.#leases.of(before)?.completing === true)
    const late = plan(completing, this.#leases, this.format, now).held
    const done = new Set(await carryOut(late, this.#statements, async (text, values) => await this.#run(text, values)))
    return await this.#session.turn(async (ask) => {
      const others = writes.filter((write) => !completing.includes(write))
      const { held, seen } = plan(others, this.#leases, this.format, now)
      for (const id of await carryOut(held, this.#statements, ask)) done.add(id)
      await this.#letGo([...late, ...held], ask)
      for (const id of await this.#change(seen, ask)) done.add(id)
      return { ids: done, answer: await next(done.size, ask) }
    })
  }

  /** Jobs that were taken must be told of, unless they were lost again: an answer without the next due time is better than none. */
  async #claimed(jobs: readonly Job[], request: ClaimRequest, ask: Ask): Promise<Pick<Claimed, 'jobs' | 'nextRunAt'>> {
    if (jobs.length > 0 && jobs.length === request.limit) return { jobs, nextRunAt: undefined }
    try {
      return { jobs, nextRunAt: await this.#taker.nextRunAt(request, ask) }
    } catch (error) {
      const held = jobs.filter((job) => this.#leases.of(job) !== undefined)
      if (held.length === 0) throw error
      return { jobs: held, nextRunAt: undefined }
    }
  }

  /** Whatever came of their writes, their runs are over. */
  async #letGo(settled: readonly Planned[], ask: Ask): Promise<void> {
    const keys = settled.map(({ target }) => target.key).filter(({ id }) => this.#leases.get(id) !== undefined)
    for (const { id } of keys) this.#leases.remove(id)
    await this.#taker.unlock(keys, ask)
  }

  /** Changes rows of which nobody has the lock. */
  async #change(seen: readonly Planned[], ask: Ask): Promise<ReadonlySet<string>> {
    if (seen.length === 0) return new Set()
    const keys = seen.map(({ target }) => target.key)
    const locked = await this.#taker.tryLock(keys, ask)
    const ours = seen.filter(({ target }) => locked.has(target.key.id))
    try {
      return await carryOut(ours, this.#statements, ask)
    } finally {
      await this.#taker.unlock(
        ours.map(({ target }) => target.key),
        ask,
      )
    }
  }

  async #applyIn(tx: object, writes: readonly Write[], now: Instant): Promise<readonly WriteResult[]> {
    expectFaultless(writes.flatMap(({ after }) => after ?? []))
    const run = inTx(tx)
    const { held, seen } = plan(writes, this.#leases, this.format, now)
    const rows =
      seen.length === 0 ? [] : await run(this.#statements.tryLockInTx, [idArray(seen.map(({ target }) => target.key))])
    const locked = new Set(rows.map((row) => toText(row[0])))
    const ours = [...held, ...seen.filter(({ target }) => locked.has(target.key.id))]
    const done = await carryOut(ours, this.#statements, run)
    for (const { write } of held) {
      const lease = this.#leases.of(write.before)
      if (lease !== undefined && done.has(write.before.id)) this.#leases.completing(lease)
    }
    return await this.#results(writes, done, tx)
  }

  async #results(writes: readonly Write[], done: ReadonlySet<string>, tx?: object): Promise<readonly WriteResult[]> {
    const first = new Set<string>()
    const stored = writes.map(({ before: { id } }) => {
      const is = done.has(id) && !first.has(id)
      first.add(id)
      return is
    })
    const refused = writes.filter((_, i) => stored[i] !== true).map(({ before }) => before.id)
    if (refused.length === 0) return writes.map(() => ({ ok: true }))
    const current = new Map((await this.get(refused, tx)).map((job, i) => [refused[i], job]))
    return writes.map(({ before }, i) =>
      stored[i] === true ? { ok: true } : { ok: false, current: current.get(before.id) },
    )
  }

  async #insert(values: readonly (string | null)[]): Promise<readonly Row[]> {
    const rows = await this.#link.tryRun({ name: '', text: this.#statements.insert }, values)
    if (rows === undefined)
      throw new StoreError('Que: the connection was lost; the jobs may have been added or not', { retryable: false })
    return rows
  }

  #columns(jobs: readonly Job[]): readonly (string | null)[] {
    const args = jobs.map((job) => {
      const columns = toArgs(job.payload, this.format)
      if (typeof columns === 'string') throw new UsageError(`Refused to store job ${job.id}: ${columns}`)
      return columns
    })
    return [
      textArray(jobs.map(({ queue }) => queue)),
      numberArray(jobs.map(({ priority }) => priority)),
      numberArray(jobs.map(({ runAt }) => runAt)),
      textArray(jobs.map(({ task }) => task)),
      textArray(args.map((columns) => columns.args)),
      textArray(args.map(({ kwargs }) => kwargs)),
    ]
  }

  async #run(text: string, values: readonly (string | null)[]): Promise<readonly Row[]> {
    return await this.#link.run({ name: '', text }, values)
  }

  #toJobs(rows: readonly Row[]): readonly Job[] {
    return rows.map((row) => this.#leases.overlay(toJob(row, this.rules.maxAttempts)))
  }

  /** The locks are gone, and with them all leases: whoever runs those jobs is to hear of it at once. And nobody listens until the next claim. */
  #lost(): void {
    this.#lockers?.lost()
    if (this.#leases.clear()) this.#ring('control')
    this.#ring('jobs')
  }

  #ring(bell: Bell): void {
    for (const listener of this.#listeners) listener(bell)
  }
}

/** Runs statements inside a caller's transaction. @throws UsageError when it is none that can be used · StoreError for what it throws */
function inTx(tx: object): Run {
  const query = toQuery(tx)
  return async (text, values) => {
    try {
      return await query(text, values)
    } catch (error) {
      throw toStoreError(error)
    }
  }
}
