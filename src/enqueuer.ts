import { andThen } from './awaitable.ts'
import { UsageError } from './core/errors.ts'
import { show } from './core/expect.ts'
import type { Instant } from './core/job.ts'
import { EnqueueSteps } from './enqueue-step.ts'
import { type Enqueued, expectNow, type Prepared, prepare, store, Turns } from './enqueue.ts'
import type { Ferry } from './ferry.ts'
import { expectFits, fitsAll } from './fits.ts'
import { Batcher } from './runtime/batcher.ts'
import type { Appended } from './pipeline.ts'
import type { Awaitable, Batch, BatchResult, NewJob } from './store.ts'
import { atOnce, isSync } from './sync-transaction.ts'
import type { Entry } from './task.ts'

/** Checks entries and stores their jobs; enqueues made in one turn of the event loop share a trip to the store. */
export class Enqueuer {
  readonly #ferry: Ferry
  readonly #inserts: Batcher<Batch, BatchResult>
  readonly #turns = new Turns()
  readonly steps: EnqueueSteps
  /** Whether the store can hold every job. */
  readonly #fitsAll: boolean

  constructor(ferry: Ferry) {
    this.#ferry = ferry
    this.#fitsAll = fitsAll(ferry.store)
    this.steps = new EnqueueSteps(ferry.events)
    this.#inserts = new Batcher(ferry.clock, (batches) => ferry.store.insert(batches, ferry.clock.now()), weightOf)
  }

  /** @param parent the job whose handler enqueues it */
  async one(entry: Entry, parent?: string): Promise<Enqueued> {
    this.#ferry.expectOpen()
    const now = this.#ferry.clock.now()
    const [enqueued] = await this.steps.around([entry], (trace) =>
      andThen(this.#prepare(entry, now, parent, trace), (prepared) => this.#store([prepared])),
    )
    this.#tell(entry, enqueued)
    return given(enqueued)
  }

  /** All or none, in order. */
  async many(entries: readonly Entry[]): Promise<readonly Enqueued[]> {
    this.#ferry.expectOpen()
    expectEntries(entries)
    if (entries.length === 0) return []
    const now = this.#ferry.clock.now()
    const enqueued = await this.steps.around(entries, async (trace) =>
      this.#store(await this.#prepareAll(entries, now, undefined, trace)),
    )
    if (this.#ferry.events.heard('enqueued')) for (const [i, entry] of entries.entries()) this.#tell(entry, enqueued[i])
    return enqueued
  }

  /** The same inside the caller's transaction: at once where its handle is synchronous. Nothing is told: it may yet be rolled back. */
  inTx(entries: readonly Entry[], tx: unknown, parent?: string): Awaitable<readonly Enqueued[]> {
    const { clock, store: target } = this.#ferry
    return this.#ferry.inTx(tx, (handle) => {
      expectEntries(entries)
      const now = clock.now()
      const insert = (batch: Batch): Awaitable<BatchResult> =>
        andThen(target.insert([batch], now, handle), ([result]) => given(result))
      return this.steps.around(entries, (trace) => {
        const prepared = isSync(handle)
          ? this.#prepareNow(entries, now, parent, trace)
          : this.#prepareAll(entries, now, parent, trace)
        return andThen(prepared, (all) => store(all, insert))
      })
    })
  }

  oneInTx(entry: Entry, tx: unknown, parent?: string): Awaitable<Enqueued> {
    return andThen(this.inTx([entry], tx, parent), ([enqueued]) => given(enqueued))
  }

  /** Into the caller's pipeline, at once. Nothing is told: nobody knows what will come of it. */
  append(entries: readonly Entry[], pipeline: unknown): readonly Appended[] {
    const { clock } = this.#ferry
    this.#ferry.expectCapability('pipeline')
    if (typeof pipeline !== 'object' || pipeline === null)
      throw new UsageError(`Expected \`pipeline\` to be a pipeline or MULTI of a Redis client, got ${show(pipeline)}`)
    expectEntries(entries)
    const now = clock.now()
    return atOnce(this.steps.around(entries, (trace) => this.#append(entries, now, pipeline, trace)))
  }

  /** Resolves once every enqueue so far has its answer. */
  async idle(): Promise<void> {
    await this.#inserts.idle()
  }

  #append(entries: readonly Entry[], now: Instant, pipeline: object, trace: Trace): readonly Appended[] {
    const prepared = this.#prepareNow(entries, now, undefined, trace)
    if (prepared.some(({ onConflict }) => onConflict === 'replace'))
      throw new UsageError('Expected `onConflict` to be "keep" or "reject": whom a pipeline would replace is not known')
    const jobs = prepared.map(({ job, onConflict }): NewJob => ({
      job,
      ifHeld: onConflict === 'reject' ? 'refuse' : 'keep',
    }))
    this.#ferry.store.append?.(jobs, now, pipeline)
    return jobs.map(({ job }) => ({ id: job.id }))
  }

  #prepare(entry: Entry, now: Instant, parent: string | undefined, trace: Trace): Awaitable<Prepared> {
    const ferry = this.#ferry
    ferry.learn(entry?.task)
    const prepared = prepare(entry, ferry.ids, now, parent, ferry.policyOf(entry.task))
    if (this.#fitsAll) return trace === undefined ? prepared : andThen(prepared, (one) => traced(one, trace))
    return andThen(prepared, (one) => {
      expectFits(ferry.store, entry, one.job)
      return ferry.store.capabilities.has('policy') ? traced(one, trace) : one
    })
  }

  /** One after the other: ids in the order of the entries. */
  async #prepareAll(
    entries: readonly Entry[],
    now: Instant,
    parent: string | undefined,
    trace: Trace,
  ): Promise<readonly Prepared[]> {
    const prepared: Prepared[] = []
    for (const entry of entries) {
      const one = this.#prepare(entry, now, parent, trace)
      prepared.push(one instanceof Promise ? await one : one)
    }
    return prepared
  }

  #prepareNow(entries: readonly Entry[], now: Instant, parent: string | undefined, trace: Trace): readonly Prepared[] {
    return entries.map((entry) => expectNow(this.#prepare(entry, now, parent, trace), entry))
  }

  #store(prepared: readonly Prepared[]): Awaitable<readonly Enqueued[]> {
    const go = (): Awaitable<readonly Enqueued[]> => store(prepared, (batch) => this.#inserts.add(batch))
    return prepared.some(({ onConflict }) => onConflict === 'replace') ? this.#turns.take(prepared, go) : go()
  }

  #tell({ task, options }: Entry, enqueued: Enqueued | undefined): void {
    const { events } = this.#ferry
    if (enqueued === undefined || !events.heard('enqueued')) return
    const { id, outcome } = enqueued
    events.emit({ type: 'enqueued', id, outcome, task: task.name, queue: options.queue ?? task.queue })
  }
}

/** What travels with a job for the sake of tracing. */
type Trace = Readonly<Record<string, string>> | undefined

function traced({ job, onConflict }: Prepared, trace: Trace): Prepared {
  return { job: trace === undefined ? job : { ...job, policy: { ...job.policy, trace } }, onConflict }
}

function given<T>(answer: T | undefined): T {
  if (answer === undefined) throw new Error('The store gave no answer')
  return answer
}

/** A batch of a thousand jobs of a mebibyte each is more than a database takes in one statement. */
function weightOf({ jobs }: Batch): number {
  return jobs.reduce((sum, { job }) => sum + (job.payload?.length ?? 0), 0)
}

function expectEntries(entries: unknown): void {
  if (!Array.isArray(entries))
    throw new UsageError(`Expected an array of entries, each made by task.with(…), got ${show(entries)}`)
}
