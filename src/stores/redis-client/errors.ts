import { StoreError } from '../../core/errors.ts'

/** What may be done about an error. */
export type Trouble =
  /** The connection broke, or there was none: the call may have been made. */
  | 'broken'
  /** The server refuses everybody for now, and has not done it: loading, busy, a cluster that moves slots. */
  | 'later'
  /** The server is a replica now: another one has taken its place, to which a new connection may lead. */
  | 'demoted'
  /** The server does not know the script. */
  | 'unknown script'
  /** The server is out of memory, and has not done it. */
  | 'full'
  /** One of ours, said by a script: nothing was stored. */
  | 'ours'
  /** Anything else the server has said. */
  | 'refused'

/** What kind of trouble an error of a client library is. */
export function troubleOf(error: unknown): Trouble {
  const message = messageOf(error)
  if (/NOSCRIPT/.test(message)) return 'unknown script'
  if (/^(?:-?ERR )?(?:-?)(?:JOBFERRY )/.test(message)) return 'ours'
  if (/\bOOM command not allowed/.test(message)) return 'full'
  if (/(?:^|[-\s])READONLY /.test(message)) return 'demoted'
  if (/max number of clients/.test(message)) return 'later'
  if (/(?:^|[-\s])(?:LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MISCONF|UNBLOCKED) /.test(message))
    return 'later'
  if (/^-?[A-Z]{2,}\b/.test(message) && !networkCodes.test(message)) return 'refused'
  return 'broken'
}

const networkCodes = /^E[A-Z]{3,}\b/

/** The error as it leaves the store. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const message = messageOf(error)
  switch (troubleOf(error)) {
    case 'broken':
      return new StoreError(`There is no connection to Redis, or it broke before the answer: ${message}`, {
        retryable: true,
        cause: error,
      })
    case 'later':
    case 'demoted':
      return new StoreError(`Redis cannot serve this now: ${message}`, { retryable: true, cause: error })
    case 'full':
      return new StoreError(
        'Redis has reached its maxmemory and takes no new jobs; those it has can still be worked off. Give it more memory, or let workers catch up',
        { retryable: true, cause: error },
      )
    case 'ours':
      return new StoreError(sentence(message.replace(/^.*JOBFERRY /, '')), { retryable: false, cause: error })
    case 'unknown script':
    case 'refused':
      return new StoreError(`Redis refused: ${message}`, { retryable: false, cause: error })
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
