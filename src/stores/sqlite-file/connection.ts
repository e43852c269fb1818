import { StoreError } from '../../core/errors.ts'

/**
 * The part of a SQLite driver that jobferry needs. `DatabaseSync` of node:sqlite, and `Database` of better-sqlite3 and libsql, have it.
 *
 * As `tx`, the caller's own open transaction on the file that the jobs are in.
 */
export interface SqliteHandle {
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
  close(): unknown
  /** node:sqlite: whether a transaction is open. */
  readonly isTransaction?: boolean
  /** better-sqlite3 and libsql: the same. */
  readonly inTransaction?: boolean
}

export interface SqliteStatement {
  run(...values: SqliteValue[]): { readonly changes: number | bigint }
  all(...values: SqliteValue[]): unknown[]
  /** node:sqlite: rows as arrays. */
  setReturnArrays?(enabled: boolean): unknown
  /** better-sqlite3: the same. */
  raw?(enabled?: boolean): unknown
}

export type SqliteValue = null | number | bigint | string | Uint8Array

/** A row, by column. */
export type Row = readonly unknown[]

/** A statement that is prepared once and always gives rows as arrays, whichever driver it runs on. */
export interface Statement {
  run(...values: SqliteValue[]): number
  rows(...values: SqliteValue[]): readonly Row[]
  row(...values: SqliteValue[]): Row | undefined
}

/**
 * One handle with its prepared statements. Every statement is prepared once and kept; whatever the driver throws leaves as a StoreError.
 */
export class Connection {
  readonly handle: SqliteHandle
  readonly #statements = new Map<string, Statement>()

  constructor(handle: SqliteHandle) {
    this.handle = handle
  }

  sql(text: string): Statement {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    const made = prepare(this.handle, text)
    this.#statements.set(text, made)
    return made
  }

  exec(text: string): void {
    wrapped(() => this.handle.exec(text))
  }

  /** Whether a transaction is open, if the driver can tell. */
  get inTransaction(): boolean | undefined {
    return this.handle.isTransaction ?? this.handle.inTransaction
  }
}

/** Runs against the driver and turns what it throws into a StoreError, saying whether the same call may succeed later. */
export function wrapped<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw toStoreError(cause)
  }
}

/** Primary result codes after which trying again can help: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, PROTOCOL. */
const retryableCodes: ReadonlySet<number> = new Set([5, 6, 7, 9, 10, 13, 15])
const retryableNames = /^SQLITE_(BUSY|LOCKED|NOMEM|INTERRUPT|IOERR|FULL|PROTOCOL)/

export function toStoreError(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  const code = codeOf(cause)
  const retryable = typeof code === 'number' ? retryableCodes.has(code & 0xff) : retryableNames.test(code)
  return new StoreError(`SQLite: ${message}`, { retryable, cause })
}

/** Whether somebody else held the lock for longer than we were ready to wait. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false
  const code = codeOf(error.cause)
  return typeof code === 'number' ? (code & 0xff) === 5 : code.startsWith('SQLITE_BUSY')
}

/** node:sqlite gives the number as `errcode`, the others the name as `code`. */
function codeOf(cause: unknown): number | string {
  if (typeof cause !== 'object' || cause === null) return ''
  if ('errcode' in cause && typeof cause.errcode === 'number') return cause.errcode
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
}

function prepare(handle: SqliteHandle, text: string): Statement {
  const statement = wrapped(() => handle.prepare(text))
  const rows = rowReader(statement)
  return {
    run: (...values) => wrapped(() => Number(statement.run(...values).changes)),
    rows: (...values) => wrapped(() => rows(values)),
    row: (...values) => wrapped(() => rows(values)[0]),
  }
}

/** Arrays where the driver has them; otherwise the values of objects, whose keys stand in column order. */
function rowReader(statement: SqliteStatement): (values: SqliteValue[]) => readonly Row[] {
  if (statement.setReturnArrays !== undefined) statement.setReturnArrays(true)
  else if (statement.raw !== undefined) askForArrays(statement)
  return (values) => {
    const rows = statement.all(...values)
    return areArrays(rows) ? rows : rows.map((row) => Object.values(row ?? {}))
  }
}

function askForArrays(statement: SqliteStatement): void {
  try {
    statement.raw?.(true)
  } catch {
    // better-sqlite3 refuses `raw` on statements without rows: there is nothing to read then
  }
}

/** A statement gives all its rows in one form. */
function areArrays(rows: readonly unknown[]): rows is readonly Row[] {
  return rows.length === 0 || Array.isArray(rows[0])
}
