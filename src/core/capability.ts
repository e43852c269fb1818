/**
 * What a store can do beyond holding jobs. The core refuses what is not listed, before any I/O, and never imitates it.
 *
 * schedule: jobs that run later · priority · dedupe: unique keys · concurrency: one at a time per concurrency key ·
 * retain: finished jobs are kept · cancel: running jobs hear of it · inspect: list and filter · pause: queues can be paused ·
 * limits: a queue's own concurrency and priority · policy: a job's own attempts, backoff, timeout and retention · logs: lines per job ·
 * transaction: enqueue and complete in the caller's · connection: jobs run in a transaction of the store's own making ·
 * pipeline: enqueue by a caller's own pipeline · listen: bells from other processes · workers: which are alive, and what they run
 */
export const capabilities = [
  'schedule',
  'priority',
  'dedupe',
  'concurrency',
  'retain',
  'cancel',
  'inspect',
  'pause',
  'limits',
  'policy',
  'logs',
  'transaction',
  'connection',
  'pipeline',
  'listen',
  'workers',
] as const

export type Capability = (typeof capabilities)[number]
