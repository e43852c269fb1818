import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type {
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  LogLine,
  NewJob,
  QueueSettings,
  Renewal,
  Renewed,
  WriteResult,
} from '../../store.ts'
import { Claim } from './claim.ts'
import type { Connection, Row, SqliteValue } from '../sqlite-file/connection.ts'
import { type Lane, Lanes } from './lanes.ts'
import {
  isPlain,
  onlyEnds,
  pushPlain,
  stateNames,
  stateNumbers,
  toJob,
  toNumber,
  toOptionalNumber,
  toOptionalText,
  toText,
  wholeValues,
} from './row.ts'
import type { Statements } from './statements.ts'

/** How many rows one insert statement takes: the largest first. */
const insertSizes = [64, 16, 4, 1] as const

/** From how many writes on one statement over a JSON list beats a loop. */
const manyFrom = 10

/** How many jobs may wait to be counted in the file: a bound on what a reader has to count itself. */
const mostUncounted = 1_000

const stored: WriteResult = { ok: true }
const allAdded: BatchResult = { ok: true, holders: [] }

/**
 * What a store does, on one connection, always inside a transaction that somebody else has begun: the store its own, or a caller.
 */
export class Session {
  readonly connection: Connection
  readonly lanes: Lanes
  readonly #statements: Statements
  /** Where rows that we have claimed stand in the table: saves the look into the index of ids when they end. */
  readonly #seqs = new WeakMap<Job, number>()
  readonly #bells = new Set<Bell>()

  constructor(connection: Connection, statements: Statements) {
    this.connection = connection
    this.#statements = statements
    this.lanes = new Lanes(connection, statements)
  }

  /** Frames the work of one transaction that only reads: lanes are fresh. */
  look<T>(work: () => T): T {
    this.lanes.refresh()
    return work()
  }

  /** Frames the work of one transaction: lanes are fresh before, and counted after. */
  within<T>(work: () => T): T {
    this.lanes.refresh()
    const result = work()
    if (this.#bells.has('control')) this.connection.sql(this.#statements.moveControl).run()
    this.lanes.save()
    return result
  }

  /** The transaction was rolled back. */
  undone(): void {
    this.lanes.distrust()
    this.#bells.clear()
  }

  /** What there is to ring for since the last call. */
  takeBells(): readonly Bell[] {
    if (this.#bells.size === 0) return []
    const bells = [...this.#bells]
    this.#bells.clear()
    return bells
  }

  insert(batches: readonly Batch[], now: Instant): readonly BatchResult[] {
    const rows: Job[] = []
    const results = batches.map((batch) => this.#insertBatch(batch, rows, now))
    this.#flush(rows)
    if (results.some((result) => result.ok)) this.#bells.add('jobs')
    return results
  }

  /** Adds one job in a single statement, outside any transaction, if nothing has to be looked at first; says whether it was added. */
  insertAlone(batches: readonly Batch[]): boolean {
    const [batch] = batches
    const job = batch?.jobs[0]?.job
    if (batches.length !== 1 || batch?.jobs.length !== 1 || batch.writes !== undefined || job === undefined)
      return false
    if (job.unique?.held === true || !isPlain(job) || this.lanes.uncounted >= mostUncounted) return false
    const lane = this.lanes.known(job)
    if (lane === undefined) return false
    const values: SqliteValue[] = []
    pushPlain(values, job, lane)
    this.connection.sql(this.#insertText(1)).run(...values)
    this.lanes.addedAlone(lane)
    this.#bells.add('jobs')
    return true
  }

  /** The answer to a claim that finds nothing to do; `undefined` when there is something. Only reads. */
  claimNothing(request: ClaimRequest): Claimed | undefined {
    const claim = new Claim(this.connection, this.#statements, this.lanes, request)
    if (request.limit > 0 && claim.anyDue()) return undefined
    return { jobs: [], settled: [], nextRunAt: claim.nextRunAt() }
  }

  claim(request: ClaimRequest): Claimed {
    const settled = this.apply(request.settle ?? [])
    const claim = new Claim(this.connection, this.#statements, this.lanes, request)
    claim.run()
    for (const [i, job] of claim.jobs.entries()) {
      const seq = claim.seqs[i]
      if (seq !== undefined) this.#seqs.set(job, seq)
    }
    const short = claim.jobs.length < request.limit || request.limit === 0
    return { jobs: claim.jobs, settled, nextRunAt: short ? claim.nextRunAt() : undefined }
  }

  apply(writes: readonly Write[]): readonly WriteResult[] {
    if (writes.length >= manyFrom && this.#removeMany(writes)) return writes.map(() => stored)
    const removed: string[] = []
    const refused = new Set<string>()
    const results = writes.map((write) => {
      const { id } = write.before
      // A write that builds on a refused one may have the right `rev` by chance, but was decided on a row that never was.
      const result: WriteResult = refused.has(id) ? { ok: false, current: this.get(id) } : this.#apply(write, removed)
      if (!result.ok) refused.add(id)
      return result
    })
    this.#removeLogs(removed)
    return results
  }

  renew(renewals: readonly Renewal[], until: Instant, now: Instant): readonly (Renewed | undefined)[] {
    const statement = this.connection.sql(this.#statements.renew)
    return renewals.map(({ id, lease }) => {
      const row = statement.row(until, id, lease, now)
      return row === undefined ? undefined : { rev: toNumber(row[0]), cancel: toOptionalText(row[1]) }
    })
  }

  expired(now: Instant, limit: number): Expired {
    const rows = this.connection.sql(this.#statements.expired).rows(now, limit)
    const nextAt = toOptionalNumber(this.connection.sql(this.#statements.nextExpiry).row(now)?.[0])
    return { jobs: rows.map((row) => this.#toJob(row)), nextAt }
  }

  prune(now: Instant, limit: number): number {
    const rows = this.connection.sql(this.#statements.prunable).rows(now, limit)
    if (rows.length === 0) return 0
    for (const [, , lane, state] of rows)
      this.lanes.count(this.lanes.byId(lane), stateNames[toNumber(state)] ?? 'completed', -1)
    this.connection.sql(this.#statements.prune).run(JSON.stringify(rows.map(([seq]) => seq)))
    this.#removeLogs(rows.map(([, id]) => toText(id)))
    return rows.length
  }

  get(id: string): Job | undefined {
    const row = this.connection.sql(this.#statements.byId).row(id)
    return row === undefined ? undefined : this.#toJob(row)
  }

  configure(queue: string, settings: Partial<QueueSettings>): void {
    this.lanes.configure(queue, settings)
    this.#bells.add('jobs').add('control')
  }

  log(lines: readonly LogLine[]): void {
    const add = this.connection.sql(this.#statements.addLog)
    for (const { jobId, attempt, at, level, message, data } of lines)
      add.run(jobId, attempt, at, level, message, data ?? null, jobId)
  }

  /** Gathers new rows in `rows`, which are written together; whatever must see them first writes them. */
  #insertBatch(batch: Batch, rows: Job[], now: Instant): BatchResult {
    if (batch.writes === undefined && batch.jobs.every(({ job }) => job.unique?.held !== true)) {
      for (const { job } of batch.jobs) rows.push(job)
      return allAdded
    }
    this.#flush(rows)
    if (batch.writes === undefined && batch.jobs.every(({ ifHeld }) => ifHeld === 'keep')) {
      return { ok: true, holders: this.#insertInTurn(batch.jobs, now) }
    }
    return this.#insertCarefully(batch, now)
  }

  /** Does it, and undoes it if the batch is refused: only doing shows what each job meets. */
  #insertCarefully(batch: Batch, now: Instant): BatchResult {
    this.lanes.save()
    this.connection.sql(this.#statements.savepoint).run()
    const bells = new Set(this.#bells)
    const writes = this.apply(batch.writes ?? [])
    const holders = this.#insertInTurn(batch.jobs, now)
    const met = batch.jobs.some(({ ifHeld }, i) => ifHeld === 'refuse' && holders[i] !== undefined)
    const ok = !met && writes.every((write) => write.ok)
    if (!ok) {
      this.connection.sql(this.#statements.rollbackTo).run()
      this.lanes.reread()
      this.#bells.clear()
      for (const bell of bells) this.#bells.add(bell)
    }
    this.connection.sql(this.#statements.release).run()
    return { ok, holders }
  }

  /** One after the other, so that each meets those before it. Says whom each met. */
  #insertInTurn(jobs: readonly NewJob[], now: Instant): readonly (Job | undefined)[] {
    const rows: Job[] = []
    const holders = jobs.map(({ job }) => {
      if (job.unique?.held === true) {
        this.#flush(rows)
        const row = this.#holderRow(job)
        const until = row === undefined ? undefined : toNumber(row[15])
        if (row !== undefined && !(until !== undefined && until > 0 && until <= now)) return this.#toJob(row)
        if (row !== undefined) this.connection.sql(this.#statements.yieldKey).run(toNumber(row[0])) // its window has passed
      }
      rows.push(job)
      return undefined
    })
    this.#flush(rows)
    return holders
  }

  #holder(job: Job): Job | undefined {
    const row = this.#holderRow(job)
    return row === undefined ? undefined : this.#toJob(row)
  }

  #holderRow(job: Job): Row | undefined {
    const queue = this.lanes.knownQueue(job.queue)
    if (queue === undefined || job.unique === undefined) return undefined
    return this.connection.sql(this.#statements.holder).row(queue.id, job.unique.key)
  }

  #flush(rows: Job[]): void {
    for (let from = 0; from < rows.length;) {
      const job = rows[from]
      if (job !== undefined && !isPlain(job)) {
        this.#insertWhole(job)
        from++
        continue
      }
      from += this.#insertPlain(rows, from)
    }
    rows.length = 0
  }

  #insertPlain(rows: readonly Job[], from: number): number {
    let end = from
    const values: SqliteValue[] = []
    const size = insertSizes.find((wanted) => wanted <= rows.length - from) ?? 1
    for (; end < from + size; end++) {
      const job = rows[end]
      if (job === undefined || !isPlain(job)) break
      const lane = this.lanes.of(job)
      this.lanes.count(lane, 'pending', 1)
      pushPlain(values, job, lane)
    }
    this.connection.sql(this.#insertText(end - from)).run(...values)
    return end - from
  }

  readonly #insertTexts: string[] = []

  #insertText(rows: number): string {
    return (this.#insertTexts[rows] ??= this.#statements.insertPlain(rows))
  }

  #insertWhole(job: Job): void {
    const lane = this.lanes.of(job)
    this.lanes.count(lane, job.state, 1)
    this.connection.sql(this.#statements.insertWhole).run(...wholeValues(job, lane), job.id, job.createdAt)
  }

  #apply({ before, after }: Write, removed: string[]): WriteResult {
    const lane = this.lanes.known(before)
    const changed = lane === undefined ? 0 : after === undefined ? this.#remove(before) : this.#put(before, after)
    if (lane === undefined || changed === 0) return { ok: false, current: this.get(before.id) }
    this.lanes.count(lane, before.state, -1)
    if (after === undefined) removed.push(before.id)
    else this.lanes.count(this.lanes.of(after), after.state, 1)
    if (before.concurrencyKey !== undefined) this.#unpark(before, before.concurrencyKey)
    this.#ringFor(before, after, lane)
    return stored
  }

  /** The hot end of many runs: removes all in a statement or two, or, unless every one is as it was when it was claimed, none. */
  #removeMany(writes: readonly Write[]): boolean {
    const groups = new Map<string, { readonly lease: string; readonly rev: number; readonly seqs: number[] }>()
    for (const { before, after } of writes) {
      const seq = this.#seqs.get(before)
      const { lease, rev } = before
      if (after !== undefined || seq === undefined || lease === undefined || before.concurrencyKey !== undefined)
        return false
      const group = groups.get(`${rev} ${lease}`)
      if (group === undefined) groups.set(`${rev} ${lease}`, { lease, rev, seqs: [seq] })
      else group.seqs.push(seq)
    }
    this.connection.sql(this.#statements.savepoint).run()
    const statement = this.connection.sql(this.#statements.removeMany)
    let count = 0
    for (const { lease, rev, seqs } of groups.values()) count += statement.run(JSON.stringify(seqs), lease, rev)
    const all = count === writes.length
    if (!all) this.connection.sql(this.#statements.rollbackTo).run()
    this.connection.sql(this.#statements.release).run()
    if (!all) return false
    for (const { before } of writes) {
      const lane = this.lanes.of(before)
      this.lanes.count(lane, before.state, -1)
      this.#ringFor(before, undefined, lane)
    }
    this.#removeLogs(writes.map(({ before }) => before.id))
    return true
  }

  #remove(before: Job): number {
    const seq = this.#seqs.get(before)
    if (seq === undefined) return this.connection.sql(this.#statements.removeById).run(before.id, before.rev)
    return this.connection.sql(this.#statements.remove).run(seq, before.id, before.rev)
  }

  #put(before: Job, after: Job): number {
    const seq = this.#seqs.get(before)
    if (seq !== undefined && onlyEnds(before, after)) {
      const { state, finishedAt, forgetAt, result, cancel } = after
      return this.connection
        .sql(this.#statements.finish)
        .run(
          stateNumbers[state],
          finishedAt ?? null,
          forgetAt ?? null,
          result ?? null,
          cancel ?? null,
          seq,
          before.id,
          before.rev,
        )
    }
    // A lane is made only for a row that will be in it.
    if (this.lanes.known(after) === undefined && this.get(before.id)?.rev !== before.rev) return 0
    const values = wholeValues(this.#yielding(after), this.lanes.of(after))
    return this.connection.sql(this.#statements.put).run(...values, before.id, before.rev)
  }

  /** A row that asks for a key somebody else holds goes without. */
  #yielding(after: Job): Job {
    const { unique } = after
    if (unique?.held !== true) return after
    const holder = this.#holder(after)
    return holder === undefined || holder.id === after.id ? after : { ...after, unique: { ...unique, held: false } }
  }

  /** The key may be free now, or its first job gone from the turn: in each lane the first parked job of the key comes back. */
  #unpark(job: Job, key: string): void {
    const queue = this.lanes.queue(job.queue).id
    for (let lane = -1; ;) {
      const next = this.connection.sql(this.#statements.parkedLane).row(queue, key, lane)?.[0]
      if (next === undefined) return
      lane = toNumber(next)
      this.connection.sql(this.#statements.unpark).run(queue, key, lane)
    }
  }

  #ringFor(before: Job, after: Job | undefined, lane: Lane): void {
    const counted = before.concurrencyKey !== undefined || lane.queue.concurrency !== null
    if (after?.state === 'pending' || (before.state === 'running' && counted)) this.#bells.add('jobs')
    if (after?.state === 'running' && after.cancel !== undefined) this.#bells.add('control')
  }

  #removeLogs(ids: readonly string[]): void {
    if (ids.length === 0 || this.connection.sql(this.#statements.anyLog).row() === undefined) return
    this.connection.sql(this.#statements.removeLogs).run(JSON.stringify(ids))
  }

  #toJob(row: Row): Job {
    return toJob(row, this.lanes.byId(row[2]))
  }
}
