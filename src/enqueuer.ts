import { UsageError } from './core/errors.ts'
import { show } from './core/expect.ts'
import { type Enqueued, type Prepared, prepare, prepareNow, store, Turns } from './enqueue.ts'
import type { Ferry } from './ferry.ts'
import { Batcher } from './runtime/batcher.ts'
import type { Batch, BatchResult } from './store.ts'
import type { Entry } from './task.ts'

/** Checks entries and stores their jobs; enqueues made in one turn of the event loop share a trip to the store. */
export class Enqueuer {
  readonly #ferry: Ferry
  readonly #inserts: Batcher<Batch, BatchResult>
  readonly #turns = new Turns()

  constructor(ferry: Ferry) {
    this.#ferry = ferry
    this.#inserts = new Batcher(ferry.clock, (batches) => ferry.store.insert(batches, ferry.clock.now()))
  }

  async one(entry: Entry, parent?: string): Promise<Enqueued> {
    return only(await this.many([entry], parent))
  }

  /** All or none, in order. @param parent the job whose handler enqueues them */
  async many(entries: readonly Entry[], parent?: string): Promise<readonly Enqueued[]> {
    const { clock, ids } = this.#ferry
    this.#ferry.expectOpen()
    expectEntries(entries)
    if (entries.length === 0) return []
    const now = clock.now()
    const prepared: Prepared[] = []
    for (const entry of entries) {
      this.#ferry.learn(entry?.task)
      const one = prepare(entry, ids, now, parent)
      prepared.push(one instanceof Promise ? await one : one) // one after the other: ids in the order of the entries
    }
    const enqueued = await this.#turns.take(prepared, () => store(prepared, (batch) => this.#inserts.add(batch)))
    this.#tell(entries, enqueued)
    return enqueued
  }

  /** The same inside the caller's transaction, at once. Nothing is told: it may yet be rolled back. */
  inTx(entries: readonly Entry[], tx: unknown): readonly Enqueued[] {
    const { clock, ids, store: target } = this.#ferry
    const handle = this.#ferry.expectTx(tx)
    expectEntries(entries)
    const now = clock.now()
    const prepared = entries.map((entry) => {
      this.#ferry.learn(entry?.task)
      return prepareNow(entry, ids, now, undefined)
    })
    const enqueued = store(prepared, (batch) => {
      const results = target.insert([batch], now, handle)
      return results instanceof Promise ? refuse() : (results[0] ?? refuse())
    })
    return enqueued instanceof Promise ? refuse() : enqueued
  }

  oneInTx(entry: Entry, tx: unknown): Enqueued {
    return only(this.inTx([entry], tx))
  }

  /** Resolves once every enqueue so far has its answer. */
  async idle(): Promise<void> {
    await this.#inserts.idle()
  }

  #tell(entries: readonly Entry[], enqueued: readonly Enqueued[]): void {
    const { events } = this.#ferry
    if (!events.heard('enqueued')) return
    for (const [i, { id, outcome }] of enqueued.entries()) {
      const entry = entries[i]
      if (entry === undefined) continue
      const { task, options } = entry
      events.emit({ type: 'enqueued', id, outcome, task: task.name, queue: options.queue ?? task.queue })
    }
  }
}

function only(enqueued: readonly Enqueued[]): Enqueued {
  const [one] = enqueued
  if (one === undefined) throw new Error('The store gave no answer')
  return one
}

function expectEntries(entries: unknown): void {
  if (!Array.isArray(entries))
    throw new UsageError(`Expected an array of entries, each made by task.with(…), got ${show(entries)}`)
}

function refuse(): never {
  throw new UsageError('The store cannot enqueue in a synchronous transaction')
}
