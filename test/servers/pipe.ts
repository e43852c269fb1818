import type { Socket } from 'node:net'

/** Whose bytes: those of the client to the server, or those of the server to the client. */
export type Direction = 'requests' | 'replies'

/** Whether a chunk of a request is the one: it contains these characters, or the function says so. */
export type Match = string | ((chunk: Buffer) => boolean)

/** What is done with the bytes of a connection. */
export type Mode =
  | { readonly kind: 'pass' }
  | { readonly kind: 'hold'; readonly direction: Direction | 'both' }
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs: number; readonly direction: Direction | 'both' }
  | { readonly kind: 'cutAfter'; readonly bytes: number; readonly direction: Direction }
  | { readonly kind: 'loseReply'; readonly match: Match }

/** What a pipe tells its connection to do. */
export interface Orders {
  readonly cut: (reset: boolean) => void
  /** The request whose reply is to be lost has gone through. */
  readonly matched: () => void
}

/** What is on its way: bytes, the end of the stream, or its breaking; and when it may arrive, by the clock of `performance.now()`. */
interface Passage {
  readonly what: Buffer | 'end' | 'break'
  readonly dueAt: number
}

/** One direction of a connection: reads, holds back as its mode demands, and writes in the order of arrival. */
export class Pipe {
  readonly #direction: Direction
  readonly #from: Socket
  readonly #to: Socket
  readonly #orders: Orders
  #mode: Mode = { kind: 'pass' }
  /** How many bytes may still go through, before the cut. */
  #left = Infinity
  #waiting: readonly Passage[] = []
  #timer: NodeJS.Timeout | undefined
  #swallows = false

  constructor(direction: Direction, from: Socket, to: Socket, orders: Orders) {
    this.#direction = direction
    this.#from = from
    this.#to = to
    this.#orders = orders
    from.on('data', (chunk: Buffer) => this.#take(chunk))
    from.on('end', () => this.#take('end'))
    from.on('error', () => this.#take('break'))
    to.on('close', () => clearTimeout(this.#timer))
  }

  /** Takes effect for all that has not gone through yet. */
  become(mode: Mode): void {
    this.#mode = mode
    this.#left = mode.kind === 'cutAfter' && mode.direction === this.#direction ? mode.bytes : Infinity
    if (mode.kind !== 'delay') this.#waiting = this.#waiting.map(({ what }) => ({ what, dueAt: 0 }))
    // Not read, bytes pile up at the sender, as when nobody acknowledges them.
    if (this.#held) this.#from.pause()
    else this.#from.resume()
    this.#flow()
  }

  /** From now on takes everything, and lets nothing through. */
  swallow(): void {
    this.#swallows = true
    this.#waiting = []
  }

  get #held(): boolean {
    return this.#mode.kind === 'hold' && this.#concernedBy(this.#mode.direction)
  }

  #take(what: Passage['what']): void {
    if (this.#swallows) return
    this.#waiting = [...this.#waiting, { what, dueAt: this.#dueAt() }]
    this.#flow()
  }

  #dueAt(): number {
    if (this.#mode.kind !== 'delay' || !this.#concernedBy(this.#mode.direction)) return 0
    const { ms, jitterMs } = this.#mode
    // Not before the one in front of it.
    return Math.max(performance.now() + ms + Math.random() * jitterMs, this.#waiting.at(-1)?.dueAt ?? 0)
  }

  #flow(): void {
    clearTimeout(this.#timer)
    while (!this.#held) {
      const [next, ...rest] = this.#waiting
      if (next === undefined) return
      const waitMs = next.dueAt - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flow(), Math.ceil(waitMs))
        return
      }
      this.#waiting = rest
      this.#give(next.what)
    }
  }

  #give(what: Passage['what']): void {
    if (what === 'break') return this.#orders.cut(true)
    if (what === 'end') return void this.#to.end()
    if (what.length >= this.#left) return this.#giveLast(what.subarray(0, this.#left))
    this.#left -= what.length
    this.#to.write(what)
    if (this.#direction === 'requests' && this.#mode.kind === 'loseReply' && matches(this.#mode.match, what))
      this.#orders.matched()
  }

  #giveLast(chunk: Buffer): void {
    this.swallow()
    this.#to.write(chunk, () => this.#orders.cut(false))
  }

  #concernedBy(direction: Direction | 'both'): boolean {
    return direction === 'both' || direction === this.#direction
  }
}

function matches(match: Match, chunk: Buffer): boolean {
  return typeof match === 'string' ? chunk.includes(match) : match(chunk)
}
