import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ContenderProcess } from './contender-process.ts'
import type { Engine } from './engines.ts'
import type { Plan } from './plan.ts'

/** One run: its contenders at work, its folder, and how much time there is. */
export class Bench {
  readonly plan: Plan
  readonly contenders: readonly ContenderProcess[]
  readonly #engine: Engine
  readonly #folder: string
  readonly #extra: ContenderProcess[] = []
  #places = 0
  #dueMs = Number.POSITIVE_INFINITY

  /** `parent` is where the run's folder is made; it is removed at the end. */
  constructor(engine: Engine, plan: Plan, parent: string, withPeers: boolean) {
    this.plan = plan
    this.#engine = engine
    sweep(parent)
    this.#folder = mkdtempSync(join(parent, `run-${process.pid}-`))
    this.contenders = engine.contenders.filter(({ peer }) => withPeers || !peer).map((one) => new ContenderProcess(one))
  }

  get engine(): string {
    return this.#engine.name
  }

  /** The work that now begins should be done when this share of the time is over. */
  schedule(share: number): void {
    this.#dueMs = share * this.plan.totalMs
  }

  /** Whether rounds are to be saved. Counted from when this process began, its installing of peers included. */
  get hurried(): boolean {
    return performance.now() > this.#dueMs
  }

  /** Whether it is too late to begin a work. */
  get over(): boolean {
    return performance.now() > this.plan.totalMs
  }

  /** Where a store can be made; nobody has used it. */
  place(): string {
    this.#places += 1
    return this.#engine.place(this.#folder, this.#places)
  }

  /** Removes a store. */
  discard(place: string): void {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${place}${suffix}`, { force: true })
  }

  /** A second process of the same contender, for what goes between two. */
  second(contender: ContenderProcess): ContenderProcess {
    const file = this.#engine.contenders.find(({ name }) => name === contender.name)
    if (file === undefined) throw new Error(`There is no contender ${contender.name}`)
    const second = new ContenderProcess(file)
    this.#extra.push(second)
    return second
  }

  async end(): Promise<void> {
    await Promise.all([...this.contenders, ...this.#extra].map((one) => one.end()))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Removes the folders of runs that were killed: there may be gigabytes in them. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^run-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !lives(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true })
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
