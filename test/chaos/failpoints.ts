import { AsyncLocalStorage } from 'node:async_hooks'

import type { Log } from './log.ts'
import type { Part, Role } from './plan.ts'

/** Where a process may kill itself: around the commit of each kind of write, and in the middle of a handler. */
export const killPoints = {
  worker: [
    'claim.before-commit',
    'claim.after-commit',
    'settle.before-commit',
    'settle.after-commit',
    'renew.before-commit',
    'renew.after-commit',
    'rescue.before-commit',
    'rescue.after-commit',
    'complete.before-commit',
    'complete.after-commit',
    'handler.start',
    'handler.effect',
  ],
  producer: ['insert.before-commit', 'insert.after-commit', 'cancel.before-commit', 'cancel.after-commit'],
} as const

/** Where a worker may stand still for longer than its lease, as in a long garbage collection, and go on as if nothing had been. */
export const stallPoints = ['settle.stall', 'complete.stall', 'rescue.stall'] as const

export type Point = (typeof killPoints)[Role][number] | (typeof stallPoints)[number]

export const points: readonly Point[] = [...killPoints.worker, ...killPoints.producer, ...stallPoints]

export function isStall(point: Point): boolean {
  return stallPoints.some((stall) => stall === point)
}

/** How often a process passes a point in its short life, about: an arm waits for a pass within it. */
export function usualPasses(point: Point): number {
  if (point.startsWith('insert')) return 40
  if (point.startsWith('cancel')) return 8
  if (/^(claim|renew|rescue|handler.effect)/.test(point)) return 2
  return 15
}

/** What the process does just now, as told by `during`: part of a point's name, and of the tape. */
export type Call = 'claim' | 'settle' | 'renew' | 'rescue' | 'complete' | 'insert' | 'cancel' | 'other'

const call = new AsyncLocalStorage<Call>()

export function during<T>(name: Call, act: () => T): T {
  return call.run(name, act)
}

export function currentCall(): Call {
  return call.getStore() ?? 'other'
}

/** The failpoints of one process, at most one of which is armed. They need no hooks in the library: they sit in what is given to it. */
export class Failpoints {
  readonly #part: Part
  readonly #log: Pick<Log, 'write'>
  #left: number

  constructor(part: Part, log: Pick<Log, 'write'>) {
    this.#part = part
    this.#log = log
    this.#left = part.arm?.pass ?? 0
  }

  /** Whether it may come to that around a commit in this call. */
  armedIn(name: Call): boolean {
    return this.#left > 0 && this.#part.arm?.point.startsWith(`${name}.`) === true
  }

  /** Whether it will come to that with the next pass. */
  firesNext(point: string): boolean {
    return this.#left === 1 && this.#part.arm?.point === point
  }

  /** Here the process dies, or stands still, if it is armed for it. */
  pass(point: string): void {
    if (this.#part.arm?.point !== point || this.#left === 0) return
    this.#left--
    if (this.#left > 0) return
    this.#log.write({ fired: point })
    if (point.endsWith('.stall')) standStill(this.#part.plan.leaseMs * 2)
    else die()
  }
}

/** SIGKILL to the own process: nothing after it runs. */
export function die(): never {
  process.kill(process.pid, 'SIGKILL')
  for (;;) standStill(1_000)
}

/** Blocks the thread, and with it timers and heartbeats. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
