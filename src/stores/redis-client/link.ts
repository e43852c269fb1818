import { StoreError, UsageError } from '../../core/errors.ts'
import { toStoreError, troubleOf } from './errors.ts'
import type { Script } from './script.ts'
import type { Argument, Wire } from './wire.ts'

/** How long to wait before trying again, in milliseconds: at first short, then twice as long each time, up to the last. */
const firstWaitMs = 10
const longestWaitMs = 500

/** One call that was sent. */
interface Call {
  /** By the process' own clock. */
  readonly sentAt: number
  readonly reject: (error: StoreError) => void
}

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
  /** What has no answer yet, the earliest first. */
  readonly #calls = new Set<Call>()
  #watching: NodeJS.Timeout | undefined

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

  /**
   * The first attempt is on its way when this returns.
   * @param noting told, for each time it is sent, on which connection
   */
  async run(script: Script, args: readonly Argument[], noting?: (connection: number) => void): Promise<unknown> {
    return await this.#persist(async (replay) => {
      noting?.(this.wire.connections)
      const call = [script.digest, '1', this.namespace, this.#caller, replay ? '1' : '0', ...args]
      try {
        return await this.#send('EVALSHA', call)
      } catch (error) {
        if (troubleOf(error) !== 'unknown script') throw error
        // A restarted or flushed server, or a replica that took over: it learns the script with the call.
        noting?.(this.wire.connections)
        return await this.#send('EVAL', [script.text, ...call.slice(1)])
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
    if (this.#calls.size === 0) clearTimeout(this.#watching)
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

  #send(command: string, args: Argument[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: Call = { sentAt: performance.now(), reject }
      this.#calls.add(call)
      this.#watch()
      this.wire.send(this.namespace, command, args, this.#bytes).then(
        (answer) => {
          this.#calls.delete(call)
          this.#answeredAt = performance.now()
          resolve(answer)
        },
        (error: unknown) => {
          this.#calls.delete(call)
          if (troubleOf(error) !== 'broken') this.#answeredAt = performance.now()
          reject(error)
        },
      )
    })
  }

  /** One timer for all calls, while there are any: to set and to call off one for each takes longer than to send it. */
  #watch(): void {
    this.#watching ??= setTimeout(() => {
      this.#watching = undefined
      this.#endSilent()
      if (this.#calls.size > 0) this.#watch()
    }, this.#timeoutMs / 16)
  }

  /** Gives up the calls that have had no answer for half of the time, the earliest first. */
  #endSilent(): void {
    const ms = this.#timeoutMs / 2
    const latest = performance.now() - ms
    for (const call of this.#calls) {
      if (call.sentAt > latest) return
      this.#calls.delete(call)
      call.reject(new StoreError(`Redis has not answered for ${ms} ms`, { retryable: true }))
      if (this.#answeredAt <= call.sentAt) this.#giveUp()
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
