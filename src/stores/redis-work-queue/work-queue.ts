import { type Duration, toMs } from '../../core/duration.ts'
import { UsageError } from '../../core/errors.ts'
import { expectKnown, show } from '../../core/expect.ts'
import { toWire } from '../redis-client/connect.ts'
import { Link } from '../redis-client/link.ts'
import type { Wire } from '../redis-client/wire.ts'
import { Arrivals } from './arrivals.ts'
import { fromId } from './bytes.ts'
import { Item, LeasedItem } from './item.ts'
import { Items } from './items.ts'
import { Session } from './names.ts'
import { expectOneSlot, type WorkQueueConnection, workQueueSettings } from './options.ts'
import { appendTo, nobody } from './pipeline.ts'
import { expectServer } from './server.ts'
import { within } from './within.ts'

export interface LeaseOptions {
  /** Whether to wait for an item when there is none. Default true. */
  readonly block?: boolean
  /** How long to wait for one at most. Default: for ever. */
  readonly timeout?: Duration
  /** How long the item is yours. Default '30s'. When it has passed, any cleaner gives the item to somebody else. */
  readonly duration?: Duration
  /** Ends the wait. */
  readonly signal?: AbortSignal
}

/**
 * A queue of redis-work-queue as its own clients show it: items, leases and cleans, without tasks, workers and retries. For what `open` does not
 * do; both can be used on the same queue.
 *
 * Whatever takes the other clients several steps is one here, so that nobody can die, or be overtaken, in between.
 */
export class WorkQueue {
  readonly prefix: string
  readonly #link: Link
  readonly #items: Items
  readonly #session = new Session()
  readonly #arrivals: Arrivals
  readonly #waiting = new Set<() => void>()
  #leases = 0
  #closed = false

  /** Use `WorkQueue.open`: it loads the client library, and connects. */
  constructor(wire: Wire, settings: { readonly prefix: string; readonly timeoutMs: number }) {
    this.prefix = settings.prefix
    this.#link = new Link(wire, settings.prefix, nobody, settings.timeoutMs, true)
    this.#items = new Items(this.#link)
    this.#arrivals = new Arrivals(wire, settings.prefix, () => this.#wake())
  }

  /** @throws UsageError for a bad option, or when no client library is installed · StoreError when the server cannot be reached, or is too old */
  static async open(options: WorkQueueConnection): Promise<WorkQueue> {
    const settings = workQueueSettings(options)
    const wire = await toWire(settings)
    if (wire.cluster) expectOneSlot(settings.prefix)
    const queue = new WorkQueue(wire, settings)
    void wire.connect().catch(() => undefined) // the first call finds out, and waits
    try {
      await expectServer(queue.#link)
    } catch (error) {
      await queue.close()
      throw error
    }
    return queue
  }

  /** Adds an item unless one with its id waits, is leased or abandoned: then nothing changes, and the answer is false. */
  async addItem(item: Item): Promise<boolean> {
    this.#expect(item)
    const [answer] = await this.#items.add([{ edits: [], items: [{ taken: 'keep', ...plain(item) }] }])
    return answer?.holders[0] === undefined
  }

  /** Adds an item without looking. If its id is there already, its data is replaced, and it may be worked on twice; `complete` is true for one. */
  async addUniqueItem(item: Item): Promise<void> {
    this.#expect(item)
    await this.#items.addUnique([plain(item)])
  }

  /**
   * Writes the two commands of `addUniqueItem` into a caller's pipeline or MULTI. Nothing is sent by this.
   * @throws UsageError when it is none of ioredis or node-redis
   */
  addUniqueItemToPipeline(pipeline: object, item: Item): void {
    this.#expect(item)
    const { id, data } = plain(item)
    appendTo(pipeline, this.prefix, 'SET', [Buffer.concat([Buffer.from(`${this.prefix}:item:`), fromId(id)]), data])
    appendTo(pipeline, this.prefix, 'LPUSH', [`${this.prefix}:queue`, fromId(id)])
  }

  /**
   * Takes the item that has waited longest; `undefined` when there is none, or none came in time.
   *
   * An id without data is passed over, and the wait goes on. Waiting keeps no other call from being answered.
   * @throws UsageError for bad options · the signal's reason
   */
  async lease(options: LeaseOptions = {}): Promise<LeasedItem | undefined> {
    expectKnown(options, ['block', 'timeout', 'duration', 'signal'], 'lease()')
    const { block = true, timeout, duration = '30s', signal } = options
    if (typeof block !== 'boolean') throw new UsageError(`Expected \`block\` to be true or false, got ${show(block)}`)
    if (!block && timeout !== undefined)
      throw new UsageError('`timeout` says how long to wait, and `block: false` not to wait at all')
    const ms = toMs(duration, 'duration', 1)
    const waitMs = timeout === undefined ? Number.POSITIVE_INFINITY : toMs(timeout, 'timeout', 1)
    const end = performance.now() + (block ? waitMs : 0)
    for (;;) {
      this.#expectOpen()
      signal?.throwIfAborted()
      const woken = this.#nextArrival()
      const lease = this.#session.lease(String(++this.#leases))
      const { taken } = await this.#items.exchange([], { lease, ms, limit: 1, due: [] })
      const [item] = taken
      if (item !== undefined) {
        woken.end()
        return new LeasedItem(item.data, item.id, lease)
      }
      const leftMs = end - performance.now()
      if (leftMs <= 0) {
        woken.end()
        return undefined
      }
      this.#arrivals.await()
      await within(woken.promise, leftMs, signal)
      woken.end()
    }
  }

  /**
   * Ends an item: true for exactly one of all who try. With an item that was leased here, only while its lease is held; with an id or any other
   * item, whoever has it.
   * @throws StoreError when the answer was lost, it was not leased here, and so nobody can say who has completed it
   */
  async complete(item: Item | string): Promise<boolean> {
    this.#expectOpen()
    if (item instanceof LeasedItem) return await this.#items.complete(item.id, item.lease)
    return await this.#items.complete(typeof item === 'string' ? item : this.#expect(item).id, '')
  }

  /** Makes a lease end that much from now. False if it is not held any more. */
  async extend(item: LeasedItem, duration: Duration): Promise<boolean> {
    this.#expectOpen()
    const [held] = await this.#items.renew([item], toMs(duration, 'duration', 1))
    return held === true
  }

  /** Gives an item back, to be the next that is leased. False if its lease is not held any more. */
  async release({ id, lease }: LeasedItem): Promise<boolean> {
    this.#expectOpen()
    const [done] = await this.#items.change([{ what: 'back', id, lease }])
    return done === true
  }

  /**
   * Puts back what is being worked on and has no lease any more; says how many items. At once, as every client's cleaner does it: one that is just
   * between taking an item and its lease is overtaken. The upkeep of a worker waits a little longer.
   */
  async lightClean(): Promise<number> {
    this.#expectOpen()
    return await this.#items.lightClean()
  }

  /** Puts back every item that neither waits nor has a lease; says how many. Looks through all keys of the server, a thousand at a time. */
  async deepClean(): Promise<number> {
    this.#expectOpen()
    return await this.#items.deepClean(await this.#items.astray(), false)
  }

  /** How many ids wait. */
  async queueLen(): Promise<number> {
    return (await this.counts()).queueLen
  }

  /** How many ids are leased or abandoned. */
  async processing(): Promise<number> {
    return (await this.counts()).processing
  }

  /** Both, at one moment. */
  async counts(): Promise<{ readonly queueLen: number; readonly processing: number }> {
    this.#expectOpen()
    return await this.#items.lengths()
  }

  /** Lets go of the connections. What is leased stays so, until its lease ends. A second call does nothing; any other after it throws a UsageError. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#wake()
    await this.#arrivals.close()
    this.#link.close()
    await this.#link.wire.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #nextArrival(): { readonly promise: Promise<void>; readonly end: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    return { promise, end: () => this.#waiting.delete(resolve) }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  #expect(item: Item): Item {
    this.#expectOpen()
    if (item instanceof Item) return item
    throw new UsageError(`Expected an Item, as new Item(data, id) or Item.json(value, id), got ${show(item)}`)
  }

  #expectOpen(): void {
    if (this.#closed) throw new UsageError('This work queue is closed')
  }
}

function plain({ id, data }: Item): { readonly id: string; readonly data: Buffer } {
  return { id, data: Buffer.from(data) }
}
