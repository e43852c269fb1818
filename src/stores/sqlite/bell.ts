import { type FSWatcher, watch as watchFile } from 'node:fs'

/**
 * Calls `changed` when another connection, of this process or of any other, has written to the file.
 *
 * Every commit moves the WAL file, and the kernel tells us so at once; `dataVersion` then says whether it was somebody else's. Watching a
 * path opens no descriptor on the database, so that it cannot drop SQLite's locks. Where files cannot be watched, nothing is called and
 * the polling of the runtime has to find what is new.
 */
export function watch(file: string, dataVersion: () => unknown, changed: () => void): () => void {
  if (file === ':memory:') return () => undefined
  let last = dataVersion()
  let watcher: FSWatcher
  try {
    watcher = watchFile(`${file}-wal`, { persistent: false }, () => {
      const version = read(dataVersion, last)
      if (version === last) return
      last = version
      changed()
    })
  } catch {
    return () => undefined // no inotify, or no more of it: see above
  }
  watcher.on('error', () => watcher.close())
  return () => watcher.close()
}

/** The store may be closing, or busy for a moment: then the next change will tell. */
function read(dataVersion: () => unknown, last: unknown): unknown {
  try {
    return dataVersion()
  } catch {
    return last
  }
}
