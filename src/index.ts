export type { Adopted } from './adopt.ts'
export type { AsyncTransaction } from './async-transaction.ts'
export type { Backoff, BackoffFunction } from './core/backoff.ts'
export { capabilities, type Capability } from './core/capability.ts'
export type { OnConflict, UniqueOption } from './core/dedupe.ts'
export type { Duration } from './core/duration.ts'
export {
  CancelledError,
  ConflictError,
  LeaseLostError,
  PayloadError,
  type PayloadIssue,
  QueueError,
  StateError,
  StoppedError,
  StoreError,
  TimeoutError,
  UnrecoverableError,
  UnsupportedError,
  UsageError,
} from './core/errors.ts'
export type { Failure, Instant, State } from './core/job.ts'
export type { End, PresentWorker, Run, Spread, TaskTally } from './core/presence.ts'
export { spreadBoundsMs } from './core/presence.ts'
export type { Keep, Retention } from './core/retention.ts'
export { cancel, type Cancel, RetryError, snooze, type Snooze } from './core/steer.ts'
export type { Enqueued } from './enqueue.ts'
export type { EnqueueOptions } from './enqueue-options.ts'
export type { EnqueueFacts, EnqueueStep, EnqueueUnderWay } from './enqueue-step.ts'
export type { LeaseOptions } from './hand.ts'
export type { HeldJob } from './held-job.ts'
export type { JobInfo } from './info.ts'
export type { AdoptOptions, Jobs, QueueOptions } from './jobs.ts'
export { type Logger, pinoLogger } from './logger.ts'
export type { JobLog } from './logbook.ts'
export type { Middleware } from './middleware.ts'
export { type CommonOptions, open, type OpenOptions, type OptionsFor } from './open.ts'
export type { Appended, Pipeline } from './pipeline.ts'
export type { EventOf, EventType, JobEvent, JobFacts, Listener } from './runtime/events.ts'
export type { RunningJob } from './running-job.ts'
export type { SchemeOptions } from './schemes.ts'
export type { StandardSchema } from './standard-schema.ts'
export type { Register, SqlTransaction, StoreTransaction } from './store-transaction.ts'
export type { SyncTransaction } from './sync-transaction.ts'
export type { Cancellation, EditOptions, PruneOptions } from './steering.ts'
export type { Counts, Finding, JobFilter, LogLevel, OwnTransaction, QueueSettings, QueueStats, Store } from './store.ts'
export {
  type EnqueueArgs,
  type Entry,
  type HandledTask,
  type Handler,
  type Task,
  task,
  type TaskPolicy,
} from './task.ts'
export type { WaitOptions } from './wait.ts'
export type { StopOptions, Worker, WorkOptions } from './worker.ts'
