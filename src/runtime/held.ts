import type { Job } from '../core/job.ts'

/**
 * A job this process holds a lease on, from its claim until its end is stored: the row as last seen, and the way to tell its run to stop.
 */
export class Held {
  /** The row as this process last saw it; its `rev` moves with each renewal. */
  job: Job
  readonly lease: string
  /** When the handler was started; `undefined` while the job waits for a free hand. */
  startedAt: number | undefined
  /** Set once the run has come to something: from then on the handler, if it still runs, speaks for nobody. */
  ended = false
  /** Whether the job was completed inside a transaction, which may have been committed or not. */
  completedInTx = false

  #reason: Error | undefined
  #controller: AbortController | undefined

  constructor(job: Job, lease: string) {
    this.job = job
    this.lease = lease
  }

  /** Why the run was told to stop, if it was. */
  get reason(): Error | undefined {
    return this.#reason
  }

  /** Made when first asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** Tells the run to stop. The first reason stands. */
  abort(reason: Error): void {
    if (this.#reason !== undefined || this.ended) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
