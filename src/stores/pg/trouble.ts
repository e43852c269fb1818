import { StoreError, UsageError } from '../../core/errors.ts'
import { toText } from '../../core/expect.ts'

/** What a failed statement says about trying it again. */
export type Trouble =
  /** The transaction met another and was undone: try again at once. */
  | 'met'
  /** The same, because the transaction's isolation is stricter than ours needs to be. */
  | 'isolated'
  /** The connection is of no use any more. Whether the statement was carried out is not known. */
  | 'lost'
  /** The connection leads to a server that takes no writes (any more): nothing was carried out. A new one may lead to another. */
  | 'moved'
  /** No connection could be had: nothing was carried out. */
  | 'away'
  /** The server cannot do it now; it may later. */
  | 'later'
  /** It would fail again. */
  | 'final'

/** Classifies what the driver throws: by SQLSTATE where the server has spoken, else by what happened to the socket. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof StoreError || error instanceof UsageError) return 'final'
  const { code, message } = toFacts(error)
  if (code === '40001') return 'isolated'
  if (code === '40P01' || code === '55P03') return 'met'
  if (code === '25006') return 'moved'
  if (/^(08|57P|25P03|40003)/.test(code))
    return code === '57P03' || code === '08001' || code === '08004' ? 'away' : 'lost'
  if (/^[0-9A-Z]{5}$/.test(code)) return /^(53|57|58)/.test(code) ? 'later' : 'final'
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/.test(code)) return 'away'
  if (/^(ECONNRESET|EPIPE|ETIMEDOUT|ECONNABORTED)$/.test(code)) return 'lost'
  if (
    /timeout exceeded when trying to connect|timeout expired|Connection terminated due to connection timeout/.test(
      message,
    )
  )
    return 'away'
  if (
    /Connection terminated|Query read timeout|Client has encountered a connection error|not queryable|socket/i.test(
      message,
    )
  )
    return 'lost'
  return 'final'
}

/** Whether it says that a job with one of the ids is there already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof StoreError && toFacts(error.cause).code === '23505'
}

/** What the driver has thrown, as the error that callers get. Their own mistakes pass as they are. */
export function toStoreError(error: unknown): Error {
  if (error instanceof StoreError || error instanceof UsageError) return error
  const { code, message } = toFacts(error)
  if (lacksTables(error)) {
    return new StoreError(
      `PostgreSQL: ${message}. The tables are not there, or not up to date: run jobferry migrate, or open with migrate`,
      {
        retryable: false,
        cause: error,
      },
    )
  }
  if (code === '42501') {
    const hint = 'This role lacks rights: see docs/operate/postgres.md for those that it needs'
    return new StoreError(`PostgreSQL: ${message}. ${hint}`, { retryable: false, cause: error })
  }
  const advice =
    code === '26000' || code === '42P05'
      ? '. A pooler between us does not keep prepared statements: open with `prepare: false`'
      : ''
  return new StoreError(`PostgreSQL: ${message}${advice}`, { retryable: troubleOf(error) !== 'final', cause: error })
}

/** Whether a statement did not find its tables or functions: they are not there, or another version's. */
export function lacksTables(error: unknown): boolean {
  return /^(42P01|3F000|42883|42703|42704)$/.test(toFacts(error).code)
}

/**
 * The SQLSTATE or system code, and the words. Several addresses that were all refused come as one error of many; Prisma has a code of its
 * own, P2010, and keeps the server's deep inside.
 */
function toFacts(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AggregateError && error.errors.length > 0 && error.message === '')
    return toFacts(error.errors[0])
  if (!(error instanceof Error)) return { code: '', message: toText(error) }
  const code: unknown = 'meta' in error ? inPrisma(error.meta) : 'code' in error ? error.code : ''
  return { code: typeof code === 'string' ? code : '', message: error.message }
}

function inPrisma(meta: unknown): unknown {
  const driver = at(meta, 'driverAdapterError')
  return at(at(driver, 'cause'), 'originalCode')
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}
