import type { Argument, Subscription, Wire } from '../../../src/stores/redis-client/wire.ts'
import type { Script } from '../../../src/stores/redis-client/script.ts'
import { scripts } from '../../../src/stores/redis/script.ts'
import { planted } from '../bugs.ts'
import { currentCall, type Failpoints } from '../failpoints.ts'
import type { Part } from '../plan.ts'
import { inLua } from './bugs.ts'
import { taped } from './tape.ts'

const known: ReadonlyMap<string, Script> = new Map(Object.values(scripts).map((script) => [script.digest, script]))

/** The scripts that change jobs. */
const changing: ReadonlySet<string> = new Set(['add', 'add one', 'insert', 'take', 'claim', 'apply', 'renew'])

/** A wire whose scripts write the tape as they go, with failpoints around each that changes something. */
export class WatchedWire implements Wire {
  readonly #wire: Wire
  readonly #part: Part
  readonly #failpoints: Failpoints

  constructor(wire: Wire, part: Part, failpoints: Failpoints) {
    this.#wire = wire
    this.#part = part
    this.#failpoints = failpoints
  }

  get cluster(): boolean {
    return this.#wire.cluster
  }

  get keyPrefix(): string {
    return this.#wire.keyPrefix
  }

  get connections(): number {
    return this.#wire.connections
  }

  get lastError(): unknown {
    return this.#wire.lastError
  }

  async send(key: string, command: string, args: Argument[], bytes?: boolean): Promise<unknown> {
    const script = command === 'EVALSHA' ? known.get(String(args[0])) : undefined
    if (script === undefined) return await this.#wire.send(key, command, args, bytes)
    const call = currentCall()
    const bad = planted(script.text, this.#part.plan.bug, inLua)
    if (!changing.has(script.name)) return await this.#wire.send(key, 'EVAL', [bad, ...args.slice(1)])
    const text = taped(bad, this.#part, call)
    if (this.#failpoints.firesNext(`${call}.before-commit`) && this.#part.slot % 2 === 1)
      void this.#wire.send(key, 'EVAL', [text, ...args.slice(1)]) // it dies with its call on the way: nobody knows whether it was carried out
    this.#failpoints.pass(`${call}.before-commit`)
    const answer = await this.#wire.send(key, 'EVAL', [text, ...args.slice(1)])
    this.#failpoints.pass(`${call}.after-commit`)
    return answer
  }

  async connect(): Promise<void> {
    await this.#wire.connect()
  }

  another(): Wire {
    return this.#wire.another()
  }

  subscribe(channel: string, hear: (message: string) => void, up: () => void): Subscription {
    return this.#wire.subscribe(channel, hear, up)
  }

  reset(): void {
    this.#wire.reset()
  }

  async close(): Promise<void> {
    await this.#wire.close()
  }
}
