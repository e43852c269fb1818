import { StoreError, UsageError } from '../../core/errors.ts'
import type { Instant } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Batch, BatchResult } from '../../store.ts'
import { batchesJson, toBatchResults } from './insert.ts'
import type { Lanes } from './lanes.ts'
import { type CallerAnswer, type Row, toCallerAnswer } from './row.ts'
import { wakes, writesJson } from './settlement.ts'
import type { Statements } from './statements.ts'
import { toStoreError } from '../pg/trouble.ts'
import { toQuery } from '../pg/tx.ts'

/**
 * What is done inside a caller's transaction: each in one statement, on whatever client it is. What fails there is undone, and the
 * transaction goes on as it was before.
 */
export class Caller {
  readonly #statements: Statements
  readonly #lanes: Lanes
  readonly #channel: string
  readonly #bell: string | null

  /** @param bell what to tell all who listen, ourselves too, once the transaction has committed; null for silence */
  constructor(statements: Statements, lanes: Lanes, channel: string, bell: string | null) {
    this.#statements = statements
    this.#lanes = lanes
    this.#channel = channel
    this.#bell = bell
  }

  /** @param installation the number of the tables that the transaction has to be on */
  async insert(
    batches: readonly Batch[],
    now: Instant,
    tx: unknown,
    installation: string,
  ): Promise<readonly BatchResult[]> {
    const { answers = [] } = await this.#ask(tx, this.#statements('insertInTx').text, [
      installation,
      batchesJson(batches, this.#lanes),
      String(now),
      this.#channel,
      this.#bell,
    ])
    return toBatchResults(answers)
  }

  /** Says which were refused, by their ids. */
  async apply(writes: readonly Write[], tx: unknown, installation: string): Promise<readonly string[]> {
    const { refused = [] } = await this.#ask(tx, this.#statements('applyInTx').text, [
      installation,
      writesJson(writes, this.#lanes),
      this.#channel,
      this.#bell,
      String(writes.some(wakes)),
    ])
    return refused
  }

  /** @throws UsageError when `tx` is no transaction of PostgreSQL · StoreError for what the driver throws */
  async rows(tx: unknown, text: string, values: readonly (string | null)[]): Promise<readonly Row[]> {
    const query = toQuery(tx)
    try {
      return await query(text, values)
    } catch (error) {
      throw toStoreError(error)
    }
  }

  async #ask(tx: unknown, text: string, values: readonly (string | null)[]): Promise<CallerAnswer> {
    const [row] = await this.rows(tx, text, values)
    const answer = toCallerAnswer(row?.[0])
    if (answer.code === undefined) return answer
    if (answer.code === 'JF002')
      throw new UsageError(
        'Expected `tx` to be on the database and schema where the jobs are; it is on another installation of jobferry',
      )
    throw new StoreError(`PostgreSQL: ${answer.message}`, { retryable: false, cause: answer })
  }
}
