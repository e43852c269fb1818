import { StoreError, UsageError } from '../../core/errors.ts'
import { toStoreError, troubleOf } from './errors.ts'
import type { Script } from './script.ts'
import type { Argument, Wire } from './wire.ts'

/** How long to wait before trying again, in milliseconds: at first short, then twice as long each time, up to the last. */
const firstWaitMs = 10
const longestWaitMs = 500

/**
 * Calls scripts, through breaks of the connection.
 *
 * A call whose answer was lost is made again, marked as a replay, so that the script knows what it may have done before: a break does no
 * harm, and is not noticed unless it lasts longer than `timeoutMs`. A connection that does not answer for half of that is given up for a
 * new one. Not on the runtime's clock: this waits for a network, not for a time, and a test with a manual clock must still get through it.
 */
export class Link {
  readonly wire: Wire
  readonly namespace: string
  readonly #caller: string
  readonly #timeoutMs: number
  readonly #bytes: boolean
  #closed = false
  /** When the connection last gave an answer, or was given up, by the process' own clock. */
  #answeredAt = performance.now()
  readonly #waits = new Set<() => void>()

  /**
   * @param caller tells this store from others in the bells it rings
   * @param bytes whether texts in answers come as Buffers
   */
  constructor(wire: Wire, namespace: string, caller: string, timeoutMs: number, bytes = false) {
    this.wire = wire
    this.namespace = namespace
    this.#caller = caller
    this.#timeoutMs = timeoutMs
    this.#bytes = bytes
  }

  /** @param noting told, for each attempt, on which connection it is made */
  async run(script: Script, args: readonly Argument[], noting?: (connection: number) => void): Promise<unknown> {
    const call = (replay: boolean): Argument[] => [this.#caller, replay ? '1' : '0', ...args]
    return await this.#persist(async (replay) => {
      noting?.(this.wire.connections)
      try {
        return await this.#send('EVALSHA', [script.digest, '1', this.namespace, ...call(replay)])
      } catch (error) {
        if (troubleOf(error) !== 'unknown script') throw error
        // A restarted or flushed server, or a replica that took over: it learns the script with the call.
        return await this.#send('EVAL', [script.text, '1', this.namespace, ...call(replay)])
      }
    })
  }

  /** A plain command, which must be harmless to repeat. */
  async command(name: string, args: readonly string[] = []): Promise<unknown> {
    return await this.#persist(async () => await this.#send(name, [...args]))
  }

  /** A command that means something only on the connection it is for, right after what went before. */
  async once(name: string, args: readonly string[]): Promise<unknown> {
    this.#expectOpen()
    try {
      return await this.#send(name, [...args])
    } catch (error) {
      throw toStoreError(error)
    }
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed = true
    for (const wake of this.#waits) wake()
  }

  async #persist(attempt: (replay: boolean) => Promise<unknown>): Promise<unknown> {
    this.#expectOpen()
    const end = performance.now() + this.#timeoutMs
    let replay = false
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
      try {
        return await attempt(replay)
      } catch (error) {
        const trouble = troubleOf(error)
        if (trouble !== 'broken' && trouble !== 'later' && trouble !== 'demoted') throw toStoreError(error)
        const reason = trouble === 'broken' ? (this.wire.lastError ?? error) : error
        const leftMs = end - performance.now()
        // A wrong password does not become right by trying again.
        if (leftMs <= 0 || this.#closed || troubleOf(reason) === 'refused') throw toStoreError(reason)
        replay ||= trouble === 'broken'
        if (trouble === 'demoted') this.wire.reset()
        else this.#giveUpSilent()
        await this.#wait(Math.min(waitMs, leftMs))
        this.#expectOpen()
      }
    }
  }

  async #send(command: string, args: Argument[]): Promise<unknown> {
    const ms = this.#timeoutMs / 2
    const { promise, reject } = Promise.withResolvers<never>()
    const sentAt = performance.now()
    const timer = setTimeout(() => {
      reject(new StoreError(`Redis has not answered for ${ms} ms`, { retryable: true }))
      if (this.#answeredAt <= sentAt) this.#giveUp()
    }, ms)
    try {
      const answer = await Promise.race([this.wire.send(this.namespace, command, args, this.#bytes), promise])
      this.#answeredAt = performance.now()
      return answer
    } catch (error) {
      if (troubleOf(error) !== 'broken') this.#answeredAt = performance.now()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** A connection can be silent for good, also while it is being made anew: then no call gets as far as waiting for an answer. */
  #giveUpSilent(): void {
    if (performance.now() - this.#answeredAt >= this.#timeoutMs / 2) this.#giveUp()
  }

  /** Many calls may find out at once: only the first counts. */
  #giveUp(): void {
    this.#answeredAt = performance.now()
    this.wire.reset()
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waits.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      this.#waits.add(wake)
    })
  }

  #expectOpen(): void {
    if (this.#closed) throw new UsageError('The store is closed.')
  }
}
