import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Durability } from './contender.ts'
import { ContenderProcess } from './contender-process.ts'
import type { Engine, EngineContender, Home } from './engine.ts'
import type { Result } from './figures.ts'
import type { Plan } from './plan.ts'
import type { RateWork } from './works.ts'

/** One run: its contenders at work, its folder, and how much time there is. */
export class Bench {
  readonly plan: Plan
  readonly engine: Engine
  readonly contenders: readonly ContenderProcess[]
  readonly #entries: readonly EngineContender[]
  readonly #folder: string
  readonly #home: Home
  readonly #extra: ContenderProcess[] = []
  readonly #noted = new Map<string, Result>()
  #places = 0
  #dueMs = Number.POSITIVE_INFINITY

  private constructor(engine: Engine, plan: Plan, entries: readonly EngineContender[], folder: string, home: Home) {
    this.engine = engine
    this.plan = plan
    this.#entries = entries
    this.#folder = folder
    this.#home = home
    this.contenders = entries.map((one) => new ContenderProcess(one))
  }

  /** `parent` is where the run's folder is made; it is removed at the end. */
  static async start(engine: Engine, plan: Plan, parent: string, withPeers: boolean): Promise<Bench> {
    sweep(parent)
    const folder = mkdtempSync(join(parent, `run-${process.pid}-`))
    const entries = engine.contenders.filter(
      ({ peer, patient = false }) => (withPeers || !peer) && (plan.patient || !patient),
    )
    return new Bench(engine, plan, entries, folder, await engine.start(folder))
  }

  get conditions(): string {
    return this.#home.conditions
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

  /** Where a store of this durability can be made; nobody has used it. */
  async place(durability: Durability): Promise<string> {
    this.#places += 1
    return await this.#home.place(this.#places, durability)
  }

  /** Removes a store. */
  async discard(place: string): Promise<void> {
    await this.#home.discard(place)
  }

  /** Keeps what a contender reached at `full`, for those to whom `default` is the same. */
  note(work: RateWork, durability: Durability, result: Result): void {
    if (durability === 'full' && result.figure !== undefined) this.#noted.set(`${work} ${result.name}`, result)
  }

  /** What a quick run need not measure again. */
  noted(work: RateWork, durability: Durability, { name }: ContenderProcess): Result | undefined {
    if (this.plan.patient || durability !== 'default') return undefined
    const same = this.#entries.find((entry) => entry.name === name)?.alwaysFull === true
    return same ? this.#noted.get(`${work} ${name}`) : undefined
  }

  /** A second process of the same contender, for what goes between two. */
  second(contender: ContenderProcess): ContenderProcess {
    const file = this.#entries.find(({ name }) => name === contender.name)
    if (file === undefined) throw new Error(`There is no contender ${contender.name}`)
    const second = new ContenderProcess(file)
    this.#extra.push(second)
    return second
  }

  async end(): Promise<void> {
    await Promise.all([...this.contenders, ...this.#extra].map((one) => one.end()))
    await this.#home.end()
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
