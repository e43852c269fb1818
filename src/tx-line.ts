import { UsageError } from './core/errors.ts'
import type { Awaitable } from './store.ts'

/** Lets calls inside a transaction go one after the other: a connection does one thing at a time. Each transaction has a line of its own. */
export class TxLine {
  readonly #last = new WeakMap<object, Promise<unknown>>()
  readonly #ended = new WeakSet<object>()

  /** In turn, whatever came of the calls before. @throws UsageError once the transaction has ended */
  async take<T>(tx: object, call: () => Awaitable<T>): Promise<T> {
    if (this.#ended.has(tx))
      throw new UsageError('The transaction has ended: await what belongs into it inside its function')
    const turn = Promise.resolve(this.#last.get(tx)).then(call)
    const over = turn.catch(() => undefined) // its caller hears of it
    this.#last.set(tx, over)
    return await turn
  }

  /** A handle may come again: a pool hands out its connections again and again. */
  begin(tx: object): void {
    this.#ended.delete(tx)
  }

  /** From now on every call is refused; resolves once those before have had their turn. */
  async end(tx: object): Promise<void> {
    this.#ended.add(tx)
    await this.#last.get(tx)
  }
}
