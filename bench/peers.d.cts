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

declare module 'pg-boss' {
  export interface ConstructorOptions {
    readonly connectionString: string
    readonly schema: string
    readonly supervise?: boolean
    readonly schedule?: boolean
    readonly useListenNotify?: boolean
  }
  export interface Queue {
    readonly name: string
    readonly notify?: boolean
  }
  export interface Job<T> {
    readonly id: string
    readonly data: T
  }
  type Handler<T> = (jobs: readonly Job<T>[]) => Promise<void>
  export class PgBoss {
    constructor(options: ConstructorOptions)
    on(event: 'error', call: (error: Error) => void): this
    start(): Promise<this>
    stop(options: { graceful: boolean }): Promise<void>
    createQueue(name: string, options?: Omit<Queue, 'name'>): Promise<void>
    send(queue: string, data: object): Promise<string | null>
    insert(queue: string, jobs: readonly { data: object; priority?: number }[]): Promise<readonly string[] | null>
    work<T>(queue: string, handler: Handler<T>): Promise<string>
    work<T>(
      queue: string,
      options: { batchSize: number; burstWhenBatchFull: boolean },
      handler: Handler<T>,
    ): Promise<string>
    offWork(queue: string): Promise<void>
    fetch(queue: string, options: { batchSize: number }): Promise<readonly Job<unknown>[]>
    complete(queue: string, ids: readonly string[]): Promise<unknown>
  }
}

declare module 'graphile-worker' {
  import type { Client } from 'pg'

  export class Logger {
    constructor(factory: (scope: object) => (level: string, message: string) => void)
    error(message: string): void
  }
  export interface WorkerSettings {
    readonly connectionString?: string
    readonly schema?: string
    readonly logger?: Logger
    readonly concurrentJobs?: number
    readonly localQueue?: { readonly size: number }
    readonly completeJobBatchDelay?: number
    readonly failJobBatchDelay?: number
  }
  interface Spec {
    readonly identifier: string
    readonly payload: unknown
    readonly queueName?: string
    readonly priority?: number
  }
  export interface WorkerUtils {
    migrate(): Promise<void>
    release(): Promise<void>
    addJob(identifier: string, payload: unknown): Promise<unknown>
    addJobs(jobs: readonly Spec[]): Promise<unknown>
    withPgClient<T>(call: (client: Client) => Promise<T>): Promise<T>
  }
  export interface Runner {
    stop(): Promise<void>
  }
  export function makeWorkerUtils(options: WorkerSettings): Promise<WorkerUtils>
  export function run(options: {
    preset: { worker: WorkerSettings }
    parsedCronItems: readonly never[]
    noHandleSignals: boolean
    taskList: Readonly<Record<string, (payload: unknown) => Promise<void>>>
  }): Promise<Runner>
}

declare module 'bullmq' {
  interface Connected {
    readonly connection: { readonly url: string }
  }
  export interface JobsOptions {
    readonly removeOnComplete?: boolean
    readonly removeOnFail?: boolean
  }
  export interface WorkerOptions extends Connected {
    readonly concurrency: number
    readonly autorun: boolean
  }
  export interface Job<T> {
    readonly data: T
    moveToCompleted(result: unknown, token: string, fetchNext: boolean): Promise<unknown>
  }
  export class Queue<T> {
    constructor(name: string, options: Connected & { defaultJobOptions: JobsOptions })
    on(event: 'error', call: (error: Error) => void): this
    waitUntilReady(): Promise<unknown>
    add(name: string, data: T): Promise<Job<T>>
    addBulk(jobs: readonly { name: string; data: T }[]): Promise<readonly Job<T>[]>
    close(): Promise<void>
  }
  export class Worker<T> {
    constructor(name: string, run: ((job: Job<T>) => Promise<void>) | null, options: WorkerOptions)
    on(event: 'error', call: (error: Error) => void): this
    waitUntilReady(): Promise<unknown>
    on(event: 'completed', call: () => void): this
    getNextJob(token: string, options: { block: boolean }): Promise<Job<T> | undefined>
    close(force: boolean): Promise<void>
  }
}

declare module 'bee-queue' {
  export interface QueueSettings {
    readonly redis?: { readonly url: string }
    readonly isWorker?: boolean
    readonly getEvents?: boolean
    readonly sendEvents?: boolean
    readonly storeJobs?: boolean
    readonly removeOnSuccess?: boolean
  }
  export interface Job<T> {
    readonly data: T
    save(): Promise<Job<T>>
  }
  export default class BeeQueue<T> {
    constructor(name: string, settings: QueueSettings)
    on(event: 'error', call: (error: Error) => void): this
    on(event: 'succeeded', call: () => void): this
    ready(): Promise<this>
    createJob(data: T): Job<T>
    saveAll(jobs: readonly Job<T>[]): Promise<ReadonlyMap<Job<T>, Error>>
    process(concurrency: number, handler: (job: Job<T>) => Promise<void>): void
    close(timeoutMs: number): Promise<void>
  }
}
