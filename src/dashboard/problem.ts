import {
  ConflictError,
  PayloadError,
  QueueError,
  StateError,
  StoreError,
  UnsupportedError,
  UsageError,
} from '../core/errors.ts'
import type { Problem } from './shapes.ts'

/** A request that is not answered as it wishes. Internal: it leaves as a `Problem`. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** Short names of statuses, as RFC 9110 gives them. */
const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
}

/**
 * What is told of anything thrown.
 *
 * Our own errors are told as they are, but a store's only in so far as trying again may help: its words may quote a database. Anything else
 * is the application's secret, and goes to `onError` alone.
 */
export function toProblem(thrown: unknown): Problem & { readonly headers: Readonly<Record<string, string>> } {
  if (thrown instanceof Refusal) return problem(thrown.status, thrown.code, thrown.message, thrown.headers)
  if (thrown instanceof PayloadError) return { ...problem(422, 'payload', thrown.message), issues: thrown.issues }
  if (thrown instanceof UsageError) return problem(400, 'usage', thrown.message)
  if (thrown instanceof StateError) {
    return thrown.state === undefined
      ? problem(404, 'not-found', thrown.message)
      : problem(409, 'state', thrown.message)
  }
  if (thrown instanceof ConflictError) return problem(409, 'conflict', thrown.message)
  if (thrown instanceof UnsupportedError) return problem(501, 'unsupported', thrown.message)
  if (thrown instanceof StoreError && thrown.retryable)
    return problem(503, 'store', 'The store cannot answer just now, or not in time. Try again, or ask for less.', {
      'retry-after': '2',
    })
  if (thrown instanceof QueueError) return problem(500, thrown.code, 'The store failed. Its error is in the log.')
  return problem(500, 'internal', 'The dashboard failed. Its error is in the log.')
}

function problem(
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Problem & { readonly headers: Readonly<Record<string, string>> } {
  const title = titles[status] ?? 'Error'
  return { type: `urn:jobferry:problem:${code}`, title, status, detail, code, headers }
}
