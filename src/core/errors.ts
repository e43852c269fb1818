import type { Capability } from './capability.ts'

/** The parent of every error that jobferry throws. `code` is for programs, `message` for people, `cause` keeps the original. */
export abstract class QueueError extends Error {
  abstract override readonly name: string
  abstract readonly code: string
}

/** The caller's mistake. Thrown before any I/O; trying again cannot help. */
export class UsageError extends QueueError {
  override readonly name: string = 'UsageError'
  readonly code: string = 'usage'
}

/** A payload or result that cannot be stored, or that the task's own schema refuses. `issues` is what the validator said, if it was one. */
export class PayloadError extends UsageError {
  override readonly name = 'PayloadError'
  override readonly code = 'payload'
  readonly issues: readonly PayloadIssue[]
  constructor(message: string, issues: readonly PayloadIssue[] = [], options?: ErrorOptions) {
    super(message, options)
    this.issues = issues
  }
}

/** One thing a validator found wrong: what, and where in the payload (`to.0.name`). */
export interface PayloadIssue {
  readonly message: string
  readonly path: string
}

/** The store cannot do this. Thrown before any I/O. */
export class UnsupportedError extends QueueError {
  readonly name = 'UnsupportedError'
  readonly code = 'unsupported'
  readonly capability: Capability
  constructor(capability: Capability, store: string) {
    super(`The ${store} store has no "${capability}". See docs/reference/capabilities.md for those that do.`)
    this.capability = capability
  }
}

/** An enqueue with `onConflict: 'reject'` met a job that holds its unique key. Nothing was added. `id` is the holder's. */
export class ConflictError extends QueueError {
  readonly name = 'ConflictError'
  readonly code = 'conflict'
  readonly key: string
  readonly id: string
  constructor(key: string, id: string) {
    super(`The unique key "${key}" is held by job ${id}, and onConflict is "reject". Nothing was added.`)
    this.key = key
    this.id = id
  }
}

/** The job is not in a state that allows this, or does not exist. `state` is what it is now, `undefined` when it is gone. */
export class StateError extends QueueError {
  readonly name = 'StateError'
  readonly code = 'state'
  readonly id: string
  readonly state: string | undefined
  constructor(id: string, state: string | undefined, wanted: string) {
    super(state === undefined ? `There is no job ${id}.` : `Job ${id} is ${state}; ${wanted}.`)
    this.id = id
    this.state = state
  }
}

/** The store failed. `retryable` says whether the same call may succeed later (busy, full, connection lost). */
export class StoreError extends QueueError {
  readonly name = 'StoreError'
  readonly code = 'store'
  readonly retryable: boolean
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.retryable = options.retryable
  }
}

/** The job now belongs to someone else: its lease ran out, or it was removed. Reaches a handler as `signal.reason`. */
export class LeaseLostError extends QueueError {
  readonly name = 'LeaseLostError'
  readonly code = 'lease-lost'
  readonly id: string
  constructor(id: string) {
    super(
      `The lease on job ${id} is lost: it ran out, or the job was removed. Nothing this run does to the job will be kept.`,
    )
    this.id = id
  }
}

/**
 * Something took longer than it was given. The run, longer than its task's `timeout`: reaches a handler as `signal.reason`, and counts as a
 * failure. Or the job that `jobs.wait` was waiting for.
 */
export class TimeoutError extends QueueError {
  readonly name = 'TimeoutError'
  readonly code = 'timeout'
  constructor(ms: number, what = 'The job ran longer than its timeout of') {
    super(`${what} ${ms} ms.`)
  }
}

/** Somebody asked for the running job to be cancelled. Reaches a handler as `signal.reason`. */
export class CancelledError extends QueueError {
  readonly name = 'CancelledError'
  readonly code = 'cancelled'
}

/** The worker stops and its grace is over. Reaches a handler as `signal.reason`; the job is released, its attempt not burnt. */
export class StoppedError extends QueueError {
  readonly name = 'StoppedError'
  readonly code = 'stopped'
  constructor() {
    super('The worker is stopping and its grace is over. The job goes back to its queue.')
  }
}

/** Throw it in a handler, alone or as the `cause` of another error, when no further attempt can help: the job fails now, whatever attempts are left. */
export class UnrecoverableError extends QueueError {
  readonly name = 'UnrecoverableError'
  readonly code = 'unrecoverable'
}
