// One worker process of the demo: `node worker.ts <database>`. It may be killed at any moment; that is the point.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import { open } from '../../src/index.ts' // in your own program: from 'jobferry'
import { hashFile } from './hash-file.ts'

const file = process.argv[2] ?? ''
const db = new DatabaseSync(file, { timeout: 5_000 })
const addHash = db.prepare('insert into hashes (path, sha256, bytes) values (?, ?, ?)')

const jobs = await open(`sqlite:${file}`)

jobs.work(
  [
    hashFile.handle(async ({ path }, job) => {
      const { sha256, bytes } = await hash(path)
      inTransaction(() => {
        addHash.run(path, sha256, bytes)
        job.complete(undefined, { tx: db }) // the row and the end of the job are stored together, or not at all
      })
    }),
  ],
  { concurrency: 8, lease: '2s' },
)

process.once('disconnect', () => void jobs.close()) // the demo is over, or has died

async function hash(path: string): Promise<{ sha256: string; bytes: number }> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path)) {
    sha256.update(chunk)
    bytes += chunk.length
  }
  return { sha256: sha256.digest('hex'), bytes }
}

function inTransaction(change: () => void): void {
  db.exec('begin immediate')
  try {
    change()
    db.exec('commit')
  } catch (error) {
    db.exec('rollback')
    throw error
  }
}
