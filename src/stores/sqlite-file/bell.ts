import { type FSWatcher, watch as watchFile } from 'node:fs'

/** When to look again after the WAL file has moved, in milliseconds since: a commit is visible only once it is on disk. */
const looksAfterMs = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512] as const

/**
 * Calls `changed` when another connection, of this process or of any other, has written to the file.
 *
 * Every commit writes to the WAL file, and the kernel tells us so at once: `dataVersion` then says whether it was somebody else's. The
 * telling comes with the write, the change of version only after the writer's fsync, so we look again a few times, further and further
 * apart; nothing is polled while nobody writes. Watching a path opens no descriptor on the database, so that it cannot drop SQLite's
 * locks. Where files cannot be watched, nothing is called and the polling of the runtime has to find what is new.
 */
export function watch(file: string, dataVersion: () => unknown, changed: () => void): () => void {
  if (file === ':memory:') return () => undefined
  const looks = new Looks(dataVersion, changed)
  let watcher: FSWatcher
  try {
    watcher = watchFile(`${file}-wal`, { persistent: false }, () => looks.begin())
  } catch {
    return () => undefined // no inotify, or no more of it: see above
  }
  watcher.on('error', () => watcher.close())
  return () => {
    looks.end()
    watcher.close()
  }
}

/** The looks that follow a write to the WAL file. Its timers are not the runtime's: they wait for a disk, not for a time. */
class Looks {
  readonly #dataVersion: () => unknown
  readonly #changed: () => void
  #last: unknown
  #next: number = looksAfterMs.length
  #timer: NodeJS.Timeout | undefined

  constructor(dataVersion: () => unknown, changed: () => void) {
    this.#dataVersion = dataVersion
    this.#changed = changed
    this.#last = dataVersion()
  }

  begin(): void {
    this.#next = 0
    this.#look()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#next = looksAfterMs.length
  }

  /** After a change the looks begin anew: another commit may be under way behind it. */
  #look(): void {
    clearTimeout(this.#timer)
    const version = this.#read()
    if (version !== this.#last) {
      this.#last = version
      this.#next = 0
      this.#changed()
    }
    const since = looksAfterMs[this.#next++]
    const next = looksAfterMs[this.#next]
    if (since === undefined || next === undefined) return
    this.#timer = setTimeout(() => this.#look(), next - since).unref()
  }

  /** The store may be closing, or busy for a moment: then a later look will tell. */
  #read(): unknown {
    try {
      return this.#dataVersion()
    } catch {
      return this.#last
    }
  }
}
