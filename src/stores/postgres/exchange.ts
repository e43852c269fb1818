import { StoreError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { ClaimRequest, Claimed, WriteResult } from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import type { Bells } from './bells.ts'
import { Heads } from './heads.ts'
import type { Lanes } from './lanes.ts'
import type { Link } from '../pg/link.ts'
import { settledAfterLoss } from './recover.ts'
import { type Row, toJob, toOptionalNumber, toRefusal, toTaken } from './row.ts'
import { endsRun, settlementColumns, stops, toSettlement, toWriteResults, wakes } from './settlement.ts'
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
  readonly settled: readonly WriteResult[]
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
    if (answer !== undefined) return answer.settled
    return (await settledAfterLoss(writes, this.#options.get)) ?? (await this.#again(writes, values)).settled
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    const { settle = [], now } = request
    const from = this.#heads.from(now)
    const values = await this.#values(settle, [...claimColumns(request), ...from])
    const answer = await this.#try(settle, values)
    if (answer !== undefined) return await this.#toClaimed(request, answer, from[0] === null)
    return (
      (await this.#claimedBeforeLoss(request)) ??
      (await this.#toClaimed(request, await this.#again(settle, values), from[0] === null))
    )
  }

  async #toClaimed(request: ClaimRequest, { settled, rows }: Answer, whole: boolean): Promise<Claimed> {
    const { limit, lease, until, now } = request
    const taken = rows.slice(0, -1)
    const [, , nextAt, , inVain, , us] = rows.at(-1) ?? []
    await this.#lanes.learn(new Set(taken.map((row) => Number(row[1]))))
    const jobs = taken.map((row) => {
      const lane = this.#lanes.byId(Number(row[1]))
      this.#heads.took(lane, Number(row[2]))
      return toTaken(row, lane, lease, until, now)
    })
    if (whole) this.#heads.looked({ inVain: Number(inVain), us: Number(us), now })
    const short = jobs.length < limit || limit === 0
    const nextRunAt = earliest(toOptionalNumber(nextAt), whole ? undefined : this.#heads.nextWholeAt)
    return { jobs, settled, nextRunAt: short ? nextRunAt : undefined }
  }

  /** What a claim whose answer was lost has done, if it can be seen: its lease is known to us alone. */
  async #claimedBeforeLoss({ settle = [], lease, until, now }: ClaimRequest): Promise<Claimed | undefined> {
    const rows = await this.#link.run(this.#statements('leased'), [lease, String(until)])
    const settled = await settledAfterLoss(settle, this.#options.get)
    if (rows.length === 0 && settled === undefined) return undefined
    // All or none was done. How the look ended is not known: look again at once.
    const refused = async (): Promise<readonly WriteResult[]> => await this.#refused(settle)
    return { jobs: rows.map(toJob), settled: settled ?? (await refused()), nextRunAt: now }
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
    if (settle.length === 0) return { settled: [], rows: rows.slice(0, -1) }
    if (freed === 'freed' || settle.some(wakes)) this.#bells.ring('jobs')
    if (settle.some(stops)) this.#bells.ring('control')
    const { refused, current } = toRefusal(refusal)
    return {
      settled: toWriteResults(settle, refused, new Map(current.map((job) => [job.id, job]))),
      rows: rows.slice(0, -1),
    }
  }

  async #again(settle: readonly Write[], values: readonly (string | null)[]): Promise<Answer> {
    const answer = await this.#try(settle, values)
    if (answer !== undefined) return answer
    throw new StoreError('PostgreSQL: the connection was lost, twice in a row', { retryable: true })
  }
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
