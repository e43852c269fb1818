import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Job } from '../../src/core/job.ts'
import type { SettlePolicy } from '../../src/core/lifecycle.ts'
import type { RetentionPolicy } from '../../src/core/retention.ts'
import { newFile } from '../sqlite/kit.ts'
import { type Backlite, type Cells, newBacklite, type Table } from './kit.ts'

/** What backlite v0.6.0 has left in a file, and what its author says of each row. */
interface Written {
  readonly madeAt: number
  readonly queues: Readonly<Record<string, QueueConfig>>
  readonly rows: readonly Note[]
  readonly absent: readonly Note[]
}

/** The configuration of a queue in Go. Times in milliseconds. */
export interface QueueConfig {
  readonly maxAttempts: number
  readonly backoffMs: number
  readonly timeoutMs: number
  readonly retention: {
    readonly durationMs: number
    readonly onlyFailed: boolean
    readonly data: { readonly onlyFailed: boolean } | null
  } | null
}

export interface Note {
  readonly id: string
  readonly table?: Table
  readonly queue: string
  readonly did: string
  readonly workable: boolean
  /** What the library's `Status` said: 0 pending, 1 running, 2 success, 3 failure, 4 not found. */
  readonly status: number
}

const folder = join(import.meta.dirname, '../fixtures/backlite')

export const written = JSON.parse(readFileSync(join(folder, 'backlite-v0.6.json'), 'utf8')) as Written

/** A copy of the file, to be changed. */
export function newCopy(): Backlite {
  const file = newFile()
  copyFileSync(join(folder, 'backlite-v0.6.db'), file)
  return newBacklite(file)
}

/** What the configuration of a queue is to us. */
export function policyOf(queue: string): SettlePolicy & { readonly maxAttempts: number } {
  const config = written.queues[queue]!
  return {
    maxAttempts: Math.max(config.maxAttempts, 1),
    backoff: () => config.backoffMs,
    retention: retentionOf(config),
  }
}

/** A job with the attempts of its queue, as a worker has it. */
export function ofQueue(job: Job): Job {
  return { ...job, maxAttempts: policyOf(job.queue).maxAttempts }
}

/** Puts rows in a table as they are, and nothing else. */
export function put({ db }: Backlite, table: Table, rows: readonly Cells[]): void {
  db.exec('delete from backlite_tasks; delete from backlite_tasks_completed')
  for (const row of rows) {
    const names = Object.keys(row)
    const values = Object.entries(row).map(([name, [, value]]) =>
      name === 'task' && typeof value === 'string' ? Buffer.from(value) : value,
    )
    db.prepare(`insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`).run(
      ...(values as (string | number | null)[]),
    )
  }
}

function retentionOf({ retention }: QueueConfig): RetentionPolicy {
  if (retention === null) return { completed: 0, failed: 0, cancelled: 0, payload: 'all' }
  const keep = retention.durationMs === 0 ? null : retention.durationMs
  return {
    completed: retention.onlyFailed ? 0 : keep,
    failed: keep,
    cancelled: 0,
    payload: retention.data === null ? 'none' : retention.data.onlyFailed ? 'failed' : 'all',
  }
}
