import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

import { type Direction, type Match, type Mode, Pipe } from './pipe.ts'
import { freePort } from './port.ts'

/** How a delay varies, by up to so many milliseconds (default 0), and which way it is (default both). */
export interface Delay {
  readonly jitterMs?: number
  readonly direction?: Direction | 'both'
}

/** Starts a proxy in front of the server of a URL, whatever it speaks: `postgres://…`, `redis://…`, `tcp://127.0.0.1:1234`. It passes, at first. */
export async function startProxy(target: string): Promise<TcpProxy> {
  const proxy = new TcpProxy(target, await freePort())
  await proxy.pass()
  return proxy
}

/**
 * A bad network between a client and a server, on one machine. It is in one mode at a time, for the connections there are and those to
 * come, until the next call sets another.
 */
export class TcpProxy {
  /** The URL of the server, but through this proxy. */
  readonly url: string
  readonly port: number
  readonly #target: { readonly host: string; readonly port: number }
  readonly #connections = new Set<Connection>()
  #server: Server | undefined
  #mode: Mode = { kind: 'pass' }
  #accepted = 0

  constructor(target: string, port: number) {
    const url = new URL(target)
    this.#target = { host: url.hostname, port: Number(url.port) }
    url.hostname = '127.0.0.1'
    url.port = String(port)
    this.url = url.href
    this.port = port
  }

  /** How many connections it holds now. */
  get connections(): number {
    return this.#connections.size
  }

  /** How many it has ever taken. */
  get accepted(): number {
    return this.#accepted
  }

  /** Lets everything through, and what it has held back first. */
  async pass(): Promise<void> {
    await this.#become({ kind: 'pass' })
  }

  /** Takes no new connections: they get ECONNREFUSED. Those there are stay, and pass. With `cut()` after it, the server seems to be down. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    server?.close()
    this.#set({ kind: 'pass' })
  }

  /** Breaks all connections now, both ends: by a reset (ECONNRESET), or by a mere end. The mode stays as it is. */
  async cut({ reset = true } = {}): Promise<void> {
    const broken = [...this.#connections].map((connection) => connection.closed)
    for (const connection of this.#connections) connection.cut(reset)
    await Promise.all(broken)
  }

  /** Breaks each connection after so many more bytes of one direction have gone through, by a mere end. */
  async cutAfter(bytes: number, direction: Direction = 'requests'): Promise<void> {
    await this.#become({ kind: 'cutAfter', bytes, direction })
  }

  /**
   * Half-open connections: sockets stay open, new ones too, but no byte and no end goes through any more. What is held back goes on its
   * way with `pass()`, as TCP sends again what was not received.
   */
  async blackHole(direction: Direction | 'both' = 'both'): Promise<void> {
    await this.#become({ kind: 'hold', direction })
  }

  /** Every chunk arrives so much later, in order. Each direction counts: a question and its answer take twice that. */
  async delay(ms: number, { jitterMs = 0, direction = 'both' }: Delay = {}): Promise<void> {
    await this.#become({ kind: 'delay', ms, jitterMs, direction })
  }

  /**
   * The next request that matches reaches the server and is carried out, but the client sees its connection break (ECONNRESET) instead
   * of the reply: it cannot know. Once, then the proxy passes again. By default any request matches.
   *
   * The server is given all that the connection had sent up to there, then the end of it. The connection breaks when the server has
   * ended it, which is when it has done everything: by then the effect is there to be seen.
   */
  async loseReply(match: Match = () => true): Promise<void> {
    await this.#become({ kind: 'loseReply', match })
  }

  /** Breaks all connections and takes no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse()
    await this.cut()
  }

  async #become(mode: Mode): Promise<void> {
    this.#set(mode)
    if (this.#server !== undefined) return
    const server = createServer({ allowHalfOpen: true }, (client) => this.#take(client))
    this.#server = server
    await once(server.listen(this.port, '127.0.0.1'), 'listening')
  }

  #set(mode: Mode): void {
    this.#mode = mode
    for (const connection of this.#connections) connection.become(mode)
  }

  #take(client: Socket): void {
    this.#accepted++
    const connection = new Connection(client, connect({ ...this.#target, allowHalfOpen: true }), {
      lost: () => this.#set({ kind: 'pass' }),
    })
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
    connection.become(this.#mode)
  }
}

/** A client's connection and ours to the server for it. */
class Connection {
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #requests: Pipe
  readonly #replies: Pipe

  constructor(client: Socket, server: Socket, { lost }: { readonly lost: () => void }) {
    this.#client = client
    this.#server = server
    this.closed = Promise.all([client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    const cut = (reset: boolean): void => this.cut(reset)
    const matched = (): void => {
      lost()
      this.#loseReply()
    }
    this.#requests = new Pipe('requests', client, server, { cut, matched })
    this.#replies = new Pipe('replies', server, client, { cut, matched })
  }

  become(mode: Mode): void {
    this.#requests.become(mode)
    this.#replies.become(mode)
  }

  cut(reset: boolean): void {
    for (const socket of [this.#client, this.#server])
      if (reset) socket.resetAndDestroy()
      else socket.destroy()
  }

  /** From here on the server is asked nothing and its answers go nowhere. When it has done what it was asked it closes. */
  #loseReply(): void {
    this.#requests.swallow()
    this.#replies.swallow()
    this.#server.end()
    this.#server.once('close', () => this.cut(true))
  }
}
