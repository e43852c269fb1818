import { UsageError } from './core/errors.ts'
import type { Awaitable } from './store.ts'

/** An open transaction of a synchronous driver: a `DatabaseSync` of node:sqlite, a `Database` of better-sqlite3 or libsql. */
export interface SyncTransaction {
  prepare(sql: string): unknown
  exec(sql: string): unknown
}

/** Whether calls on this handle answer at once. */
export function isSync(tx: object): tx is SyncTransaction {
  return 'prepare' in tx && typeof tx.prepare === 'function' && 'exec' in tx && typeof tx.exec === 'function'
}

/** The value itself. @throws UsageError when the store needs time for it, which a synchronous transaction does not have */
export function atOnce<T>(answer: Awaitable<T>): T {
  if (!(answer instanceof Promise)) return answer
  answer.catch(() => undefined) // refused below, whatever it comes to
  throw new UsageError('The store cannot take part in a synchronous transaction')
}
