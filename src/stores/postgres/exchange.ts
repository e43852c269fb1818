import { StoreError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { endsRun, type Write } from '../../core/lifecycle.ts'
import type { ClaimRequest, Claimed, WriteResult } from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import type { Bells } from './bells.ts'
import { Debts } from './debts.ts'
import { Doubts } from './doubts.ts'
import { Heads } from './heads.ts'
import type { Lanes } from './lanes.ts'
import type { Link } from '../pg/link.ts'
import { settledAfterLoss } from './recover.ts'
import { type Row, toJob, toOptionalNumber, toRefusal, toTaken } from './row.ts'
import { settlementColumns, stops, toSettlement, toWriteResults, wakes } from './settlement.ts'
import type { Statements } from './statements.ts'

/** Settles nothing: the first twelve parameters of `exchange`. */
const nothingSettled: readonly null[] = Array.from({ length: 12 }, () => null)

/** Claims nothing: its last nine. */
const nothingClaimed: readonly null[] = Array.from({ length: 9 }, () => null)

export interface ExchangeOptions {
  /** Whether the commit of claims, and of how runs have ended, need not wait for the disk. */
  readonly relaxed: boolean
  readonly get: (ids: readonly string[]) => Promise<readonly (Job | undefined)[]>
}

/** What a trip to the server came to. */
interface Answer {
  /** The ids of the writes that were refused. */
  readonly refused: readonly string[]
  /** Their jobs as they are now. */
  readonly current: readonly Job[]
  /** The jobs taken, and the head of the claim. */
  readonly rows: readonly Row[]
}

/** Settles and claims, both in one trip and one transaction. */
export class Exchange {
  readonly #link: Link
  readonly #statements: Statements
  readonly #lanes: Lanes
  readonly #bells: Bells
  readonly #options: ExchangeOptions
  readonly #heads = new Heads()
  readonly #doubts = new Doubts()
  readonly #debts = new Debts()

  constructor(link: Link, statements: Statements, lanes: Lanes, bells: Bells, options: ExchangeOptions) {
    this.#link = link
    this.#statements = statements
    this.#lanes = lanes
    this.#bells = bells
    this.#options = options
  }

  async settle(writes: readonly Write[]): Promise<readonly WriteResult[]> {
    const values = await this.#values(writes, nothingClaimed)
    const answer = await this.#try(writes, values)
    if (answer !== undefined) return this.#results(writes, answer)
    this.#doubts.add(writes)
    const settled = await settledAfterLoss(writes, this.#options.get)
    if (settled !== undefined) {
      this.#ringAll()
      return this.#doubts.resolve(writes, settled)
    }
    return this.#results(writes, await this.#again(writes, values))
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    const regained = await this.#regain(request)
    const rest = regained.length === 0 ? request : without(request, regained)
    const from = this.#heads.from(request.now)
    const values = await this.#values(request.settle ?? [], [...claimColumns(rest), ...from])
    const claimed = await this.#claim(rest, values, { whole: from[0] === null, regained })
    this.#debts.paid([request.lease])
    if (regained.length === 0) return claimed
    return { ...claimed, jobs: [...regained, ...claimed.jobs], nextRunAt: request.now } // there may be more, look again at once
  }

  /** Whatever goes wrong from the moment on that jobs may have been taken, the next claim hands them out. */
  async #claim(
    request: ClaimRequest,
    values: readonly (string | null)[],
    { whole, regained }: { readonly whole: boolean; readonly regained: readonly Job[] },
  ): Promise<Claimed> {
    const { settle = [] } = request
    const answer = await this.#try(settle, values)
    try {
      if (answer !== undefined) return await this.#toClaimed(request, answer, whole)
      this.#doubts.add(settle)
      const before = await this.#claimedBeforeLoss(request, regained)
      if (before !== undefined) return before
      const again = await this.#toClaimed(request, await this.#again(settle, values), whole)
      return await this.#withLateOnes(request, again, regained)
    } catch (error) {
      if (request.limit > 0) this.#debts.owe(request)
      throw error
    }
  }

  /** Jobs that earlier claims have taken, under the lease of this one. */
  async #regain(request: ClaimRequest): Promise<readonly Job[]> {
    const { lease, until, now, limit } = request
    const debts = this.#debts.of(request)
    if (debts.length === 0 || limit <= 0) return []
    this.#debts.owe(request)
    const moved = await this.#link.tryRun(this.#statements('regain'), [
      textArray(debts.map((debt) => debt.lease)),
      numberArray(debts.map((debt) => debt.until)),
      lease,
      String(until),
      String(now),
      String(limit),
    ])
    if (moved === undefined) throw new StoreError('PostgreSQL: the connection was lost', { retryable: true })
    if (moved.length < limit) this.#debts.paid(debts.map((debt) => debt.lease))
    return moved.length === 0 ? [] : await this.#leased(request)
  }

  /** What is under a lease, but for those that are known already. */
  async #leased({ lease, until }: ClaimRequest, known: readonly Job[] = []): Promise<readonly Job[]> {
    const rows = await this.#link.run(this.#statements('leased'), [lease, String(until)])
    return rows.map(toJob).filter(({ id }) => !known.some((job) => job.id === id))
  }

  /** The first attempt may have been under way still when it was looked for. */
  async #withLateOnes(request: ClaimRequest, claimed: Claimed, regained: readonly Job[]): Promise<Claimed> {
    const jobs = await this.#leased(request, regained)
    return jobs.length === claimed.jobs.length ? claimed : { ...claimed, jobs, nextRunAt: request.now }
  }

  async #toClaimed(request: ClaimRequest, answer: Answer, whole: boolean): Promise<Claimed> {
    const { limit, lease, until, now, settle = [] } = request
    const { rows } = answer
    const taken = rows.slice(0, -1)
    const [, , nextAt, , inVain, , us] = rows.at(-1) ?? []
    await this.#lanes.learn(new Set(taken.map((row) => Number(row[1]))))
    const jobs = taken.map((row) => {
      const lane = this.#lanes.byId(Number(row[1]))
      this.#heads.took(lane, Number(row[2]))
      return toTaken(row, lane, lease, until, now)
    })
    if (whole) this.#heads.looked({ inVain: Number(inVain), us: Number(us), now })
    const settled = this.#results(settle, answer)
    const short = jobs.length < limit || limit === 0
    const nextRunAt = earliest(toOptionalNumber(nextAt), whole ? undefined : this.#heads.nextWholeAt)
    return { jobs, settled, nextRunAt: short ? nextRunAt : undefined }
  }

  /** What a claim whose answer was lost has done, if it can be seen: its lease is known to us alone. */
  async #claimedBeforeLoss(request: ClaimRequest, regained: readonly Job[]): Promise<Claimed | undefined> {
    const { settle = [], now } = request
    const jobs = await this.#leased(request, regained)
    const settled = await settledAfterLoss(settle, this.#options.get, jobs)
    if (jobs.length === 0 && settled === undefined) return undefined
    if (settle.length > 0) this.#ringAll()
    // All or none was done. How the look ended is not known: look again at once.
    return { jobs, settled: this.#doubts.resolve(settle, settled ?? (await this.#refused(settle))), nextRunAt: now }
  }

  async #refused(writes: readonly Write[]): Promise<readonly WriteResult[]> {
    const current = await this.#options.get(writes.map(({ before }) => before.id))
    return current.map((job) => ({ ok: false, current: job }))
  }

  async #values(settle: readonly Write[], claim: readonly (string | null)[]): Promise<readonly (string | null)[]> {
    const settlement = toSettlement(settle)
    await this.#lanes.prepare(settlement.others.flatMap(({ after }) => after ?? []))
    return [
      ...(settle.length === 0 ? nothingSettled : settlementColumns(settlement, this.#lanes)),
      String(this.#options.relaxed && settle.every(endsRun)),
      this.#bells.channel,
      this.#bells.word('jobs'),
      String(settle.some(wakes)),
      settle.some(stops) ? this.#bells.word('control') : null,
      ...claim,
    ]
  }

  /** `undefined` when the connection was lost on the way. */
  async #try(settle: readonly Write[], values: readonly (string | null)[]): Promise<Answer | undefined> {
    const rows = await this.#link.tryRun(this.#statements('exchange'), values)
    if (rows === undefined) return undefined
    const [, , , , , , , freed, refusal] = rows.at(-1) ?? []
    if (settle.length === 0) return { refused: [], current: [], rows: rows.slice(0, -1) }
    if (freed === 'freed' || settle.some(wakes)) this.#bells.ring('jobs')
    if (settle.some(stops)) this.#bells.ring('control')
    return { ...toRefusal(refusal), rows: rows.slice(0, -1) }
  }

  /** What the answer would have told is not known any more. */
  #ringAll(): void {
    this.#bells.ring('jobs')
    this.#bells.ring('control')
  }

  /** What became of the writes. */
  #results(settle: readonly Write[], { refused, current }: Answer): readonly WriteResult[] {
    return this.#doubts.resolve(settle, toWriteResults(settle, refused, new Map(current.map((job) => [job.id, job]))))
  }

  async #again(settle: readonly Write[], values: readonly (string | null)[]): Promise<Answer> {
    const answer = await this.#try(settle, values)
    if (answer !== undefined) return answer
    throw new StoreError('PostgreSQL: the connection was lost, twice in a row', { retryable: true })
  }
}

/** The request, for so many jobs less. */
function without(request: ClaimRequest, jobs: readonly Job[]): ClaimRequest {
  const tasks = request.tasks === undefined ? undefined : new Map(request.tasks)
  for (const { task } of jobs) tasks?.set(task, (tasks.get(task) ?? 0) - 1)
  return { ...request, tasks, limit: request.limit - jobs.length }
}

function claimColumns({ tasks, queues, limit, lease, until, now }: ClaimRequest): readonly (string | null)[] {
  return [
    tasks === undefined ? null : (textArray([...tasks.keys()]) ?? '{}'),
    tasks === undefined ? null : numberArray([...tasks.values()].map((most) => Math.max(0, Math.min(most, limit)))),
    queues === undefined ? null : (textArray(queues) ?? '{}'),
    String(Math.max(0, limit)),
    lease,
    String(until),
    String(now),
  ]
}

function earliest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}
