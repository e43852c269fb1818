import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Instant } from '../../src/core/job.ts'
import { isStall, type Point } from './failpoints.ts'
import { readLog } from './log.ts'
import { batchesOf, batchSize, files, type Part, type Plan, type Role, slots } from './plan.ts'

/** One process of the fleet. */
export interface Member {
  readonly part: Part
  readonly process: ChildProcess
  /** It is up: it listens for SIGTERM. */
  ready: boolean
  /** It has run a job, or enqueued a batch. */
  ran: boolean
  stopped: boolean
  /** What was done to it, if anything. */
  sent: 'SIGKILL' | 'SIGTERM' | undefined
  sentAt: Instant
}

/** How a member came to its end. `by` is the failpoint, when it was one. */
export interface End {
  readonly who: string
  readonly role: Role
  readonly cause: 'killed' | 'failpoint' | 'poison' | 'stopped' | 'done' | 'crashed'
  readonly point: Point | undefined
  readonly code: number | string | null
  readonly at: Instant
  /** How long a graceful stop took, in milliseconds. */
  readonly tookMs: number
}

/** What a member tells of itself. */
type Message = { readonly ready: true } | { readonly ran: true } | { readonly batches: number }

/** How the next member of a role is to be armed. */
export type Arming = (role: Role) => Part['arm']

const mostCrashes = 20

/** The processes of a run. Whoever dies has a successor, until the fleet retires. */
export class Fleet {
  readonly members = new Set<Member>()
  readonly ends: End[] = []
  readonly #plan: Plan
  readonly #epoch: Instant
  readonly #address: string
  /** How many batches each producer has enqueued. */
  readonly #batches = Array.from({ length: slots.producer }, () => 0)
  #arming: Arming | undefined
  #count = 0

  constructor(plan: Plan, epoch: Instant, address: string) {
    this.#plan = plan
    this.#epoch = epoch
    this.#address = address
    process.once('exit', this.end)
  }

  start(arming: Arming): void {
    this.#arming = arming
    for (const role of ['worker', 'producer'] as const)
      for (let slot = 0; slot < slots[role]; slot++) this.#start(role, slot, arming(role))
  }

  of(role: Role): readonly Member[] {
    return [...this.members].filter(({ part }) => part.role === role)
  }

  /** Members die without being killed, one after the other: nothing will come of it. */
  get hopeless(): boolean {
    return this.ends.filter(({ cause }) => cause === 'crashed').length > mostCrashes
  }

  /** How many jobs were enqueued. */
  get enqueued(): number {
    return this.#batches.reduce((sum, n) => sum + n, 0) * batchSize
  }

  /** Lets the producers enqueue so many jobs in all. */
  grant(jobs: number): void {
    const upTo = Math.ceil(jobs / (batchSize * slots.producer))
    for (const { process: child } of this.of('producer')) if (child.connected) child.send({ upTo })
  }

  signal(member: Member, signal: 'SIGKILL' | 'SIGTERM'): void {
    member.sent = signal
    member.sentAt = Date.now()
    member.process.kill(signal)
  }

  stop(member: Member): void {
    member.stopped = true
    member.process.kill('SIGSTOP')
  }

  goOn(member: Member): void {
    member.stopped = false
    member.process.kill('SIGCONT')
  }

  /** Lets the workers end in peace, and nobody follow them. */
  async retire(): Promise<void> {
    this.#arming = undefined
    const deadline = Date.now() + 10_000
    while (this.of('worker').length > 0 && Date.now() < deadline) {
      for (const member of this.of('worker')) {
        if (member.stopped) this.goOn(member)
        if (member.ready && member.sent === undefined) this.signal(member, 'SIGTERM')
      }
      await sleep(10)
    }
  }

  /** Leaves nobody behind, not even those who stand still. */
  readonly end = (): void => {
    this.#arming = undefined
    process.off('exit', this.end)
    for (const member of this.members) member.process.kill('SIGKILL')
  }

  #start(role: Role, slot: number, arm: Part['arm']): void {
    const { dir } = this.#plan
    const [plan, epoch, address] = [this.#plan, this.#epoch, this.#address]
    const part: Part = { plan, epoch, address, role, slot, who: `${role}-${this.#count++}`, arm }
    const output = openSync(files.output(dir), 'a')
    const child = fork(join(import.meta.dirname, `${role}.ts`), [JSON.stringify(part)], {
      stdio: ['ignore', output, output, 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: files.compiled(dir) },
      execArgv: [],
    })
    closeSync(output)
    const member = { part, process: child, ready: false, ran: false, stopped: false, sent: undefined, sentAt: 0 }
    this.members.add(member)
    child.on('message', (message: Message) => this.#told(member, message))
    child.once('exit', (code, signal) => this.#ended(member, signal ?? code))
    child.on('error', () => undefined) // a message to one that has just died
  }

  #told(member: Member, message: Message): void {
    if ('ready' in message) member.ready = true
    else member.ran = true
    if ('batches' in message) this.#batches[member.part.slot] = message.batches
  }

  #ended(member: Member, code: number | string | null): void {
    this.members.delete(member)
    const { who, role, slot } = member.part
    const said = readLog(files.log(this.#plan.dir, who)) as readonly Said[]
    const at = Date.now()
    const cause = causeOf(member, code, said.at(-1))
    const point = said.findLast(({ fired }) => fired !== undefined)?.fired
    this.ends.push({ who, role, cause, point, code, at, tookMs: at - member.sentAt })
    if (cause === 'done') this.#batches[slot] = batchesOf(this.#plan)
    else if (this.#arming !== undefined) this.#start(role, slot, this.#arming(role))
  }
}

/** What a member wrote down just before it killed itself. */
interface Said {
  readonly fired?: Point
  readonly poisoned?: true
}

function causeOf({ sent, part }: Member, code: number | string | null, lastWords: Said | undefined): End['cause'] {
  if (code === 0) return sent === 'SIGTERM' ? 'stopped' : part.role === 'producer' ? 'done' : 'crashed'
  if (code !== 'SIGKILL') return 'crashed'
  if (lastWords?.fired !== undefined && !isStall(lastWords.fired)) return 'failpoint'
  if (lastWords?.poisoned === true) return 'poison'
  return sent === 'SIGKILL' ? 'killed' : 'crashed'
}
