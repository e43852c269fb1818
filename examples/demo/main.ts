// What `npm start` runs: hashes every file below a folder, kills its worker twice on the way, and proves that nothing was lost or done twice.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { type Jobs, open } from '../../src/index.ts' // in your own program: from 'jobferry'
import { hashFile } from './hash-file.ts'
import { count, paint, Progress } from './progress.ts'
import { printProof, prove, proven } from './proof.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { db: { type: 'string' }, limit: { type: 'string', default: '10000' } },
})
const folder = resolve(positionals[0] ?? 'node_modules')
const limit = Number(values.limit)
const file = resolve(values.db ?? join(mkdtempSync(join(tmpdir(), 'jobferry-demo-')), 'demo.db'))

process.exitCode = await demo()

async function demo(): Promise<number> {
  if (!(limit >= 1)) return complain(`Expected --limit to be a number from 1, got ${values.limit}`)
  if (!existsSync(folder)) return complain(`There is no folder ${folder}`)
  if (existsSync(file)) return complain(`${file} exists already. Give --db a new file`)
  const found = await filesBelow(folder, limit + 1)
  const paths = found.slice(0, limit)
  if (paths.length === 0) return complain(`There are no files below ${folder}`)

  await using jobs = await open(`sqlite:${file}`)
  using db = new DatabaseSync(file)
  db.exec('create table hashes (path text, sha256 text, bytes integer)') // no unique index: a double would be seen

  console.log(`\n  ${paint('bold', 'jobferry')}  SHA-256 of ${count(paths.length)} files below ${folder}`)
  if (found.length > limit) console.log(`  There are more; --limit takes the first ${count(limit)} only`)
  await enqueueAll(jobs, paths)

  const startedAt = performance.now()
  const kills = await workWithKills(jobs, paths.length)
  const seconds = (performance.now() - startedAt) / 1_000

  const proof = await prove(jobs, db, paths)
  printProof(proof, { kills, seconds, file })
  return proven(proof) ? 0 : 1
}

async function enqueueAll(jobs: Jobs, paths: readonly string[]): Promise<void> {
  const startedAt = performance.now()
  for (let from = 0; from < paths.length; from += 1_000)
    await jobs.enqueueMany(paths.slice(from, from + 1_000).map((path) => hashFile.with({ path })))
  const ms = performance.now() - startedAt
  console.log(`  Queued in ${count(ms)} ms, on disk (${count(paths.length / (ms / 1_000))}/s)\n`)
}

/** Has the jobs worked by one process after the other; says how many were killed. */
async function workWithKills(jobs: Jobs, total: number): Promise<number> {
  const killAt = [total / 3, (total * 2) / 3]
  const progress = new Progress(total)
  let worker = startWorker()
  let kills = 0
  for (;;) {
    const done = await finished(jobs)
    progress.show(done)
    if (done === total) break
    const exit = worker.exitCode ?? worker.signalCode
    if (exit !== null) throw new Error(`Worker ${worker.pid} has ended without being asked (${exit})`)
    if (done >= (killAt[kills] ?? Infinity)) {
      await kill(worker)
      kills++
      progress.note(`${paint('red', 'SIGKILL')} to worker ${worker.pid} after ${count(done)} files; another carries on`)
      worker = startWorker()
    }
    await wait(20)
  }
  progress.end()
  worker.disconnect()
  await once(worker, 'exit')
  return kills
}

function startWorker(): ChildProcess {
  return fork(join(import.meta.dirname, 'worker.ts'), [file])
}

async function kill(worker: ChildProcess): Promise<void> {
  worker.kill('SIGKILL')
  await once(worker, 'exit')
}

async function finished(jobs: Jobs): Promise<number> {
  const [files] = await jobs.stats()
  return files === undefined ? 0 : files.counts.completed + files.counts.failed
}

async function filesBelow(path: string, most: number): Promise<readonly string[]> {
  const paths: string[] = []
  for await (const entry of await opendir(path, { recursive: true })) {
    if (paths.length === most) break
    if (entry.isFile()) paths.push(join(entry.parentPath, entry.name))
  }
  return paths
}

function complain(text: string): number {
  console.error(text)
  return 1
}
