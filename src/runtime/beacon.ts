import type { Presence } from '../core/presence.ts'
import type { Store } from '../store.ts'
import type { Clock } from './clock.ts'
import type { Events } from './events.ts'

/** What a beacon works with. */
export interface BeaconOptions {
  readonly store: Store<unknown>
  readonly clock: Clock
  readonly events: Events
  /** How often to tell, in milliseconds. */
  readonly everyMs: number
  /** What there is to tell now. */
  readonly presence: () => Presence
}

/** So many tellings may be lost before the worker counts as gone. */
const tellingsInReach = 3

/** After a failure the next comes later, but in reach: of several shards one may have failed, and the others must not show the worker as gone. */
const tellingsLater = 2

/**
 * Tells the store every few seconds that a worker is alive, and what it runs: one small write, at its own pace, whatever the worker does.
 *
 * A failure to tell is an `error` event and nothing more. Whoever stops without a word, or cannot reach the store, counts as gone after
 * three times as long.
 */
export class Beacon {
  readonly #options: BeaconOptions
  #callOff: (() => void) | undefined
  #telling: Promise<void> = Promise.resolve()
  #failed = false
  #stopped = true

  constructor(options: BeaconOptions) {
    this.#options = options
  }

  /** Tells for the first time right after this. */
  start(): void {
    this.#stopped = false
    this.#plan(0)
  }

  /** Takes leave, once a telling that is under way has ended; without a word when that has failed. Never throws. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#callOff?.()
    await this.#telling
    if (!this.#failed) await this.#tell(0)
  }

  #plan(ms: number): void {
    this.#callOff = this.#options.clock.after(ms, () => {
      this.#telling = this.#round()
    })
  }

  async #round(): Promise<void> {
    const { everyMs } = this.#options
    await this.#tell(tellingsInReach * everyMs)
    if (!this.#stopped) this.#plan(this.#failed ? tellingsLater * everyMs : everyMs)
  }

  /** @param reachMs how long it holds from now on */
  async #tell(reachMs: number): Promise<void> {
    const { store, clock, events, presence } = this.#options
    try {
      const now = clock.now()
      await store.present?.(presence(), now, now + reachMs)
      this.#failed = false
    } catch (error) {
      this.#failed = true
      events.emit({ type: 'error', error, during: 'telling that the worker is alive; it works on' })
    }
  }
}
