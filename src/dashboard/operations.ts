import { StateError } from '../core/errors.ts'
import type { Instant } from '../core/job.ts'
import type { Ferry } from '../ferry.ts'
import { look, type Look } from './look.ts'
import { Refusal, toProblem } from './problem.ts'
import type { Redact } from './redact.ts'
import type { BulkAction, Operation } from './shapes.ts'
import { compareIds } from './views.ts'

/** So many jobs are changed at a time. */
const pageSize = 100

/** How often progress is told, in milliseconds. */
const tellMs = 500

/** How many run at a time, and how many are remembered. */
const mostRunning = 4
const mostKept = 50

const mostFailures = 20

/** What an operation is to do with each job. @throws StateError when the job is gone or does not allow it: it is then skipped */
export type Act = (id: string) => Promise<unknown>

/** The jobs it is about. `Look` is gone through from the oldest, and only so far as it had come when the operation began. */
export type Targets = { readonly ids: readonly string[] } | { readonly look: Look; readonly total: number | null }

/** Changes to many jobs, one page after the other, while everything else goes on. They live in this process, and end with it. */
export class Operations {
  readonly #ferry: Ferry
  readonly #redact: Redact | undefined
  readonly #tell: (operation: Operation) => void
  readonly #onError: (error: unknown) => void
  readonly #all = new Map<string, Running>()

  constructor(
    ferry: Ferry,
    redact: Redact | undefined,
    tell: (operation: Operation) => void,
    onError: (error: unknown) => void,
  ) {
    this.#ferry = ferry
    this.#redact = redact
    this.#tell = tell
    this.#onError = onError
  }

  /** The newest first. */
  list(): readonly Operation[] {
    return [...this.#all.values()].map(({ operation }) => operation).toReversed()
  }

  get(id: string): Operation {
    return this.#find(id).operation
  }

  /** Lets it end after the page it is at. A second call, or one after its end, changes nothing. */
  stop(id: string): Operation {
    const found = this.#find(id)
    found.stopping = true
    return found.operation
  }

  /** Begins, and goes on by itself. @throws Refusal 429 while four run */
  start(action: BulkAction, targets: Targets, act: Act): Operation {
    const running = [...this.#all.values()].filter(({ operation }) => operation.state === 'running').length
    if (running >= mostRunning)
      throw new Refusal(429, 'busy', `${mostRunning} operations are running already.`, { 'retry-after': '5' })
    const now = this.#ferry.clock.now()
    const one: Running = {
      operation: {
        id: this.#ferry.ids(now),
        action,
        state: 'running',
        startedAt: now,
        finishedAt: null,
        total: 'ids' in targets ? targets.ids.length : targets.total,
        seen: 0,
        done: 0,
        skipped: 0,
        failed: 0,
        failures: [],
        error: null,
      },
      stopping: false,
      toldAt: now,
    }
    this.#all.set(one.operation.id, one)
    const ended = [...this.#all].filter(([, { operation }]) => operation.state !== 'running')
    for (const [id] of ended.slice(0, -mostKept)) this.#all.delete(id)
    void this.#run(one, targets, act)
    return one.operation
  }

  /** Stops all. */
  close(): void {
    for (const one of this.#all.values()) one.stopping = true
  }

  async #run(one: Running, targets: Targets, act: Act): Promise<void> {
    try {
      for await (const ids of this.#pages(targets)) {
        if (one.stopping) break
        await this.#page(one, ids, act)
      }
      this.#end(one, one.stopping ? 'stopped' : 'done', null)
    } catch (error) {
      this.#onError(error)
      this.#end(one, 'failed', messageOf(error))
    }
  }

  async #page(one: Running, ids: readonly string[], act: Act): Promise<void> {
    const results = await Promise.allSettled(ids.map(act))
    let { done, skipped, failed } = one.operation
    const failures = [...one.operation.failures]
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') done++
      else if (result.reason instanceof StateError) skipped++
      else {
        failed++
        if (failures.length < mostFailures) failures.push({ id: ids[i] ?? '', message: messageOf(result.reason) })
      }
    }
    one.operation = { ...one.operation, seen: one.operation.seen + ids.length, done, skipped, failed, failures }
    const now = this.#ferry.clock.now()
    if (now - one.toldAt < tellMs) return
    one.toldAt = now
    this.#tell(one.operation)
  }

  #end(one: Running, state: Operation['state'], error: string | null): void {
    one.operation = { ...one.operation, state, error, finishedAt: this.#ferry.clock.now() }
    this.#tell(one.operation)
  }

  /** Keyset pages: a job that the action moves out of the filter, or that comes meanwhile, makes none be missed and none be met twice. */
  async *#pages(targets: Targets): AsyncGenerator<readonly string[], void, void> {
    if ('ids' in targets) {
      for (let i = 0; i < targets.ids.length; i += pageSize) yield targets.ids.slice(i, i + pageSize)
      return
    }
    const [newest] = await this.#ferry.store.list({
      ...targets.look.filter,
      after: undefined,
      order: 'newest',
      limit: 1,
    })
    if (newest === undefined) return
    for (let after: string | undefined; ;) {
      const filter = { ...targets.look.filter, after, order: 'oldest', limit: pageSize } as const
      const { jobs, next } = await look(this.#ferry.store, { ...targets.look, filter }, this.#redact)
      const ids = jobs.filter((job) => compareIds(job.id, newest.id) <= 0).map((job) => job.id)
      if (ids.length > 0) yield ids
      if (next === null || (jobs.length > 0 && ids.length === 0)) return
      after = next
      // A store that answers at once, and a page where nothing is done, would leave nobody else a turn.
      await new Promise<void>((resolve) => this.#ferry.clock.soon(resolve))
    }
  }

  #find(id: string): Running {
    const found = this.#all.get(id)
    if (found === undefined) throw new Refusal(404, 'not-found', 'There is no such operation: it may be long over.')
    return found
  }
}

interface Running {
  operation: Operation
  stopping: boolean
  toldAt: Instant
}

/** In the words that a request would be answered with. */
function messageOf(error: unknown): string {
  return toProblem(error).detail.slice(0, 500)
}
