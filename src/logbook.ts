import { PayloadError, UnsupportedError } from './core/errors.ts'
import { toText } from './core/expect.ts'
import { encode } from './core/payload.ts'
import { Batcher } from './runtime/batcher.ts'
import type { Clock } from './runtime/clock.ts'
import type { Events } from './runtime/events.ts'
import type { LogLevel, LogLine, Store } from './store.ts'

const longestMessage = 8_000

/** Writes lines into a job's log. `data` is stored as JSON. Returns at once; lines are stored in batches, and before the worker has stopped. */
export interface JobLog {
  debug(message: string, data?: unknown): void
  info(message: string, data?: unknown): void
  warn(message: string, data?: unknown): void
  error(message: string, data?: unknown): void
}

/** Gathers the log lines of all jobs of this process and stores them in batches. */
export class Logbook {
  readonly #store: Store<unknown>
  readonly #batcher: Batcher<LogLine, true>
  readonly #clock: Clock
  readonly #events: Events
  readonly #under = new Set<Promise<unknown>>()

  constructor(store: Store<unknown>, clock: Clock, events: Events) {
    this.#store = store
    this.#clock = clock
    this.#events = events
    this.#batcher = new Batcher(clock, async (lines) => {
      await store.log(lines)
      return lines.map(() => true)
    })
  }

  /**
   * The log of one run. Once `ended` says so, lines are dropped: the run speaks for nobody any more.
   * @throws UnsupportedError when the store keeps no logs
   */
  of(jobId: string, attempt: number, ended: () => boolean): JobLog {
    if (!this.#store.capabilities.has('logs')) throw new UnsupportedError('logs', this.#store.name)
    const add = (level: LogLevel) => (message: string, data?: unknown) => {
      if (!ended())
        this.#add({
          jobId,
          attempt,
          at: this.#clock.now(),
          level,
          message: toText(message).slice(0, longestMessage).replaceAll('\0', '\ufffd'),
          data: toJson(data),
        })
    }
    return { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') }
  }

  /** Resolves once every line so far is stored, or has failed to be. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#under)
  }

  #add(line: LogLine): void {
    const stored = this.#batcher.add(line).catch((error: unknown) => {
      this.#events.emit({ type: 'error', error, during: `storing a log line of job ${line.jobId}` })
    })
    this.#under.add(stored)
    void stored.finally(() => this.#under.delete(stored))
  }
}

/** A line about data that cannot be stored is better than none. */
function toJson(data: unknown): string | undefined {
  if (data === undefined) return undefined
  try {
    const stored = encode(data, 'payload')
    return typeof stored === 'string' ? stored : JSON.stringify(`${stored.byteLength} bytes`)
  } catch (error) {
    return JSON.stringify(error instanceof PayloadError ? error.message : String(error))
  }
}
