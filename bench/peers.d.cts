/*
 * What the contenders use of packages that only bench/ installs, so that the type check needs no installation. `.cts`, because in a package
 * of type module a plain `.d.ts` would be a module, and could only add to declarations that are there already.
 */

declare module 'plainjob' {
  import type { Database } from 'better-sqlite3'

  export interface Logger {
    error(message: string, ...meta: unknown[]): void
    warn(message: string, ...meta: unknown[]): void
    info(message: string, ...meta: unknown[]): void
    debug(message: string, ...meta: unknown[]): void
  }
  export interface Job {
    readonly id: number
    readonly type: string
    readonly data: string
  }
  export interface Queue {
    add(type: string, data: unknown): { readonly id: number }
    addMany(type: string, data: readonly unknown[]): { readonly ids: readonly number[] }
    getAndMarkJobAsProcessing(type: string): { readonly id: number } | undefined
    markJobAsDone(id: number): void
    close(): void
  }
  export interface Worker {
    start(): Promise<void>
    stop(): Promise<void>
  }
  export interface Connection {
    readonly driver: string
  }
  export function better(database: Database): Connection
  export function defineQueue(options: {
    connection: Connection
    logger?: Logger
    timeout?: number
    maintenanceInterval?: number
  }): Queue
  export function defineWorker(
    type: string,
    processor: (job: Job) => Promise<void>,
    options: {
      queue: Queue
      logger?: Logger
      pollIntervall?: number
      onCompleted?: (job: Job) => void
      onFailed?: (job: Job, error: string) => void
    },
  ): Worker
}

declare module 'drizzle-orm/better-sqlite3' {
  import type { Database } from 'better-sqlite3'

  export interface BetterSQLite3Database {
    readonly _: unknown
  }
  export function drizzle(database: Database): BetterSQLite3Database
}

declare module 'liteque' {
  import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'

  export interface DequeuedJob<T> {
    readonly id: string
    readonly data: T
  }
  export interface Job {
    readonly id: number
    readonly allocationId: string
  }
  export function migrateDB(database: BetterSQLite3Database): void
  export class SqliteQueue<T> {
    constructor(
      name: string,
      database: BetterSQLite3Database,
      options: { defaultJobArgs: { numRetries: number }; keepFailedJobs: boolean },
    )
    enqueue(payload: T): Promise<Job | undefined>
    attemptDequeue(options: { timeoutSecs: number }): Promise<Job | null>
    finalize(id: number, allocationId: string, status: 'completed' | 'pending_retry' | 'failed'): Promise<void>
  }
  export class Runner<T> {
    constructor(
      queue: SqliteQueue<T>,
      functions: { run: (job: DequeuedJob<T>) => Promise<void>; onError?: (job: { error: Error }) => Promise<void> },
      options: { concurrency: number; pollIntervalMs: number; timeoutSecs: number },
    )
    run(): Promise<void>
    stop(): void
  }
}
