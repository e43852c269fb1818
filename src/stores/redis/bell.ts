import type { Bell } from '../../store.ts'
import type { Subscription, Wire } from '../redis-client/wire.ts'

/** How often the connection of the bells is asked whether it still answers, how long it may take, and when to try again, in milliseconds. */
const askEveryMs = 5_000
const patienceMs = 3_000
const againAfterMs = 200

/**
 * Hears the bells that other stores ring, on a connection of its own. Nothing is polled.
 *
 * Whenever the connection stands anew, both bells ring, since some may have been missed. A connection that is silent because it is dead is
 * found out within seconds, and replaced.
 */
export class Bells {
  readonly #wire: Wire
  readonly #channel: string
  readonly #caller: string
  readonly #firstWaitMs: number
  readonly #rings = new Set<(bell: Bell) => void>()
  #subscription: Subscription | undefined
  #standing: Promise<void> | undefined
  /** Whether somebody may have missed a bell while there was no connection. */
  #listening = false
  #unanswered = 0
  readonly #timers = new Set<NodeJS.Timeout>()

  /**
   * @param caller who we are in the bells: our own store has rung already
   * @param firstWaitMs how long the first to listen waits for the connection; it is made all the same
   */
  constructor(wire: Wire, channel: string, caller: string, firstWaitMs: number) {
    this.#wire = wire
    this.#channel = channel
    this.#caller = caller
    this.#firstWaitMs = firstWaitMs
  }

  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    const own = (bell: Bell): void => ring(bell)
    this.#rings.add(own)
    this.#standing ??= this.#begin()
    await this.#standing
    return () => {
      if (this.#rings.delete(own) && this.#rings.size === 0) this.#end()
    }
  }

  ring(bell: Bell): void {
    for (const ring of this.#rings) ring(bell)
  }

  close(): void {
    this.#rings.clear()
    this.#end()
  }

  async #begin(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const tooLate = setTimeout(resolve, this.#firstWaitMs)
    this.#timers.add(tooLate)
    this.#subscribe(resolve)
    this.#timers.add(setInterval(() => void this.#ask(), askEveryMs).unref())
    await promise
    clearTimeout(tooLate)
    this.#listening = true
  }

  #subscribe(stands: () => void): void {
    const hear = (message: string): void => {
      const [caller, bell] = message.split(' ')
      if (caller !== this.#caller && (bell === 'jobs' || bell === 'control')) this.ring(bell)
    }
    const up = (): void => {
      this.#unanswered = 0
      stands()
      if (!this.#listening) return
      this.ring('jobs')
      this.ring('control')
    }
    const subscription = this.#wire.subscribe(this.#channel, hear, up)
    this.#subscription = subscription
    subscription.failed.catch(() => this.#replace(subscription, stands))
  }

  /** Gives up a connection for a new one, soon. */
  #replace(old: Subscription, stands: () => void): void {
    if (this.#subscription !== old) return
    this.#subscription = undefined
    old.end()
    const again = setTimeout(() => {
      this.#timers.delete(again)
      this.#subscribe(stands)
    }, againAfterMs)
    this.#timers.add(again)
  }

  async #ask(): Promise<void> {
    const subscription = this.#subscription
    if (subscription === undefined) return
    const giveUp = (): void => this.#replace(subscription, () => undefined)
    if (this.#unanswered > 1) return giveUp() // stuck in the middle of reconnecting
    this.#unanswered++
    const silent = setTimeout(giveUp, patienceMs)
    this.#timers.add(silent)
    try {
      await subscription.ping()
      this.#unanswered = 0
    } catch {
      // It broke, and is being mended already.
    } finally {
      clearTimeout(silent)
      this.#timers.delete(silent)
    }
  }

  #end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    const subscription = this.#subscription
    this.#subscription = undefined
    this.#standing = undefined
    this.#listening = false
    subscription?.end()
  }
}
