import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './engine.ts'

/** A file for each store. */
export function sqliteFiles(folder: string): Home {
  return {
    conditions: [
      `SQLite ${process.versions.sqlite ?? '?'}, files in ${folder}`,
      'full / relaxed = synchronous FULL / NORMAL for everybody, default = as each comes',
    ].join('\n'),
    place: (n) => join(folder, `${n}.db`),
    discard: (place) => {
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${place}${suffix}`, { force: true })
    },
    end: () => undefined,
  }
}
