import type { Row } from '../pg/query.ts'
import { toStoreError } from '../pg/trouble.ts'
import { toQuery } from '../pg/tx.ts'

/** Runs one statement, on whatever connection. */
export type RunSql = (text: string, values: readonly (string | null)[]) => Promise<readonly Row[]>

/** Runs statements inside a caller's transaction. @throws UsageError when it is none that can be used · StoreError for what it throws */
export function inTx(tx: object): RunSql {
  const query = toQuery(tx)
  return async (text, values) => {
    try {
      return await query(text, values)
    } catch (error) {
      throw toStoreError(error)
    }
  }
}
