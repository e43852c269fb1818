import type { DatabaseSync } from 'node:sqlite'

import type { Jobs } from '../../src/index.ts'
import { hashFile } from './hash-file.ts'
import { count, paint } from './progress.ts'

/** What the database says after the run. */
export interface Proof {
  readonly queued: number
  readonly rows: number
  readonly doubles: number
  readonly missing: number
  readonly started: number
  readonly finished: number
}

/** Counts what is in the table `hashes`, which would show a double, and how often the jobs were run. */
export async function prove(jobs: Jobs, db: DatabaseSync, paths: readonly string[]): Promise<Proof> {
  const hashed = db
    .prepare('select path from hashes')
    .all()
    .map(({ path }) => path)
  const distinct = new Set(hashed)
  let started = 0
  let finished = 0
  for await (const job of allJobs(jobs)) {
    started += job.attempt
    if (job.state === 'completed') finished++
  }
  return {
    queued: paths.length,
    rows: hashed.length,
    doubles: hashed.length - distinct.size,
    missing: paths.filter((path) => !distinct.has(path)).length,
    started,
    finished,
  }
}

export function proven({ queued, rows, doubles, missing, finished }: Proof): boolean {
  return rows === queued && doubles === 0 && missing === 0 && finished === queued
}

export function printProof(
  proof: Proof,
  { kills, seconds, file }: { kills: number; seconds: number; file: string },
): void {
  const { queued, rows, doubles, missing, started, finished } = proof
  line('files queued', queued)
  line('rows in hashes', rows, rows === queued)
  line('hashed twice', doubles, doubles === 0)
  line('missing', missing, missing === 0)
  line('runs started', started)
  line('runs finished', finished, finished === queued)
  line('runs repeated', started - finished, undefined, `held by a worker when it was killed (${kills} kills)`)
  line('jobs per second', finished / seconds, undefined, `${seconds.toFixed(1)} s, waiting for the dead included`)
  console.log(`  ${'database'.padEnd(16)}  ${file}\n`)
  console.log(
    proven(proof)
      ? paint('green', '  Every file was hashed exactly once in effect.')
      : paint('red', '  The numbers are off: not every file was hashed exactly once.'),
  )
}

function line(label: string, n: number, good?: boolean, remark = ''): void {
  const mark = good === undefined ? paint('dim', remark) : good ? paint('green', '✓') : paint('red', '✗')
  console.log(`  ${label.padEnd(16)} ${count(n).padStart(8)}  ${mark}`.trimEnd())
}

async function* allJobs(jobs: Jobs) {
  for (let after: string | undefined; ;) {
    const page = await jobs.list({ task: hashFile.name, limit: 1_000, ...(after === undefined ? {} : { after }) })
    yield* page
    after = page.at(-1)?.id
    if (after === undefined) return
  }
}
