import type { Bell } from '../../store.ts'
import type { Subscription, Wire } from './wire.ts'

/** How often the connection of the bells is asked whether it still answers, in milliseconds, and how long it may take. */
const askEveryMs = 5_000
const patienceMs = 3_000

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
  readonly #rings = new Set<(bell: Bell) => void>()
  #subscription: Promise<Subscription> | undefined
  #timer: NodeJS.Timeout | undefined
  #unanswered = 0

  constructor(wire: Wire, channel: string, caller: string) {
    this.#wire = wire
    this.#channel = channel
    this.#caller = caller
  }

  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    const own = (bell: Bell): void => ring(bell)
    this.#rings.add(own)
    this.#subscription ??= this.#subscribe()
    try {
      await this.#subscription
    } catch (error) {
      this.#subscription = undefined
      this.#rings.delete(own)
      throw error
    }
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

  async #subscribe(): Promise<Subscription> {
    const hear = (message: string): void => {
      const [caller, bell] = message.split(' ')
      if (caller === this.#caller) return // our own store has rung already
      if (bell === 'jobs' || bell === 'control') this.ring(bell)
    }
    let stood = false
    const up = (): void => {
      if (!stood) return // nobody has listened before
      this.ring('jobs')
      this.ring('control')
    }
    const subscription = await this.#wire.subscribe(this.#channel, hear, up)
    stood = true
    this.#timer = setInterval(() => void this.#ask(subscription), askEveryMs)
    this.#timer.unref()
    return subscription
  }

  async #ask(subscription: Subscription): Promise<void> {
    if (this.#unanswered > 1) subscription.reset() // stuck in the middle of reconnecting
    this.#unanswered++
    const silent = setTimeout(() => subscription.reset(), patienceMs)
    try {
      await subscription.ping()
      this.#unanswered = 0
    } catch {
      // It broke, and is being mended already.
    } finally {
      clearTimeout(silent)
    }
  }

  #end(): void {
    clearInterval(this.#timer)
    const subscription = this.#subscription
    this.#subscription = undefined
    subscription?.then(
      (one) => one.end(),
      () => undefined, // there never was one
    )
  }
}
