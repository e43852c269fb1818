import type { Awaitable, Durability } from './contender.ts'
import type { Bench } from './bench.ts'
import type { Measured } from './figures.ts'
import type { Plan } from './plan.ts'
import type { RateWork } from './works.ts'

/** What there is to measure on one kind of store. */
export interface Engine {
  readonly name: string
  /** In the order of the table; the first is ours, the second the raw limit. Files in contenders/. */
  readonly contenders: readonly EngineContender[]
  readonly rateWorks: readonly RateWork[]
  /** In which rates are measured, in the order of the tables; `full` before `default`. */
  readonly durabilities: readonly Durability[]
  /** That of the works which look at something else: growth and its like. */
  readonly steady: Durability
  /** What only this engine has. */
  readonly ownWorks: readonly OwnWork[]
  readonly full: Plan
  readonly quick: Plan
  /** Makes ready what stores are made in, in the run's own folder. */
  start(folder: string): Awaitable<Home>
}

export interface EngineContender {
  /** As in the table and the JSON. */
  readonly name: string
  readonly file: string
  /** Needs what bench/package.json installs. */
  readonly peer: boolean
  /** Is left out of a quick run. */
  readonly patient?: boolean
  /** `default` is the same as `full` for it; a quick run measures it only once. */
  readonly alwaysFull?: boolean
}

/** Where the stores of a run are. */
export interface Home {
  /** What a reader of the figures should know of it. */
  readonly conditions: string
  /** A store that nobody has used yet. A server whose settings decide on durability has one for each. */
  place(n: number, durability: Durability): Awaitable<string>
  discard(place: string): Awaitable<void>
  end(): Awaitable<void>
}

/** A group of works that are measured together, and how much of a quick run's time they may take: an ordinary work takes 1. */
export interface OwnWork {
  readonly works: readonly string[]
  readonly share: number
  measure(bench: Bench, wanted: (work: string) => boolean): Promise<readonly Measured[]>
}
