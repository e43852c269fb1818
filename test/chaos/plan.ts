import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Instant } from '../../src/core/job.ts'
import type { BackendName } from './backend.ts'
import type { Bug } from './bugs.ts'
import type { Point } from './failpoints.ts'

/** What a run is to be. */
export interface Plan {
  readonly backend: BackendName
  readonly seed: number
  /** How many SIGKILLs, at failpoints and at random; those of poison jobs come on top. */
  readonly kills: number
  /** How often the server of the store is crashed and started again. Default 0. */
  readonly serverKills?: number | undefined
  readonly jobs: number
  /** How long a worker holds a job without renewing, in real milliseconds. */
  readonly leaseMs: number
  /** Where the database and the logs lie. Must be empty. */
  readonly dir: string
  /** How long the run may take, in milliseconds; what is not done by then is complained about. */
  readonly deadlineMs: number
  /** The failpoints to use. Default: all. */
  readonly points?: readonly Point[] | undefined
  /** A fault to plant, to see that the checker complains. */
  readonly bug?: Bug | undefined
}

/** What a child process is told: the plan, and its part in it. */
export interface Part {
  readonly plan: Plan
  readonly epoch: Instant
  /** Where the jobs are, as the backend has said. */
  readonly address: string
  readonly role: Role
  /** Which of its role it is; its successor after a kill has the same slot. */
  readonly slot: number
  /** Unlike a pid, never used again: `worker-17`. */
  readonly who: string
  /** Where it is to die or stall by itself, and at which time of passing there. */
  readonly arm?: { readonly point: Point; readonly pass: number } | undefined
}

export type Role = 'worker' | 'producer'

export const slots: Readonly<Record<Role, number>> = { worker: 6, producer: 2 }

/** How many jobs a producer enqueues together. */
export const batchSize = 20

/** How many batches each producer enqueues. */
export function batchesOf(plan: Plan): number {
  return Math.ceil(plan.jobs / (batchSize * slots.producer))
}

export function poisonJobs(plan: Plan): number {
  return Math.ceil(plan.kills / 25)
}

/** How often each failpoint must have fired, or the run proves nothing. */
export function leastFired(plan: Plan): number {
  return Math.floor(plan.kills / 50)
}

/** A new folder, in memory where there is one: that makes kills seven times as fast, and a SIGKILL does not test the disk anyway. */
export function makeDir(parent?: string): string {
  return mkdtempSync(join(parent ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir()), 'jobferry-torture-'))
}

export const files = {
  database: (dir: string) => join(dir, 'torture.db'),
  log: (dir: string, who: string) => join(dir, `${who}.jsonl`),
  acks: (dir: string, slot: number) => join(dir, `acks-${slot}.jsonl`),
  /** What the processes print, which should be nothing. */
  output: (dir: string) => join(dir, 'output.txt'),
  compiled: (dir: string) => join(dir, 'compiled'),
  verdict: (dir: string) => join(dir, 'verdict.json'),
}
