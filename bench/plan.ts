/** So many jobs wait when claims are timed. */
export interface Size {
  readonly work: string
  readonly waiting: number
}

/** How much of everything. */
export interface Plan {
  /** Rounds of each work; figures are medians of these. */
  readonly rounds: number
  /** About how long the timed part of a round is to last; each contender gets as many jobs as it can do in it. */
  readonly sliceMs: number
  /** The most jobs in a round, whatever the contender's speed. */
  readonly maxJobs: number
  /** Pick-ups in each round. */
  readonly pickups: number
  /** Claims in each round, at each size. */
  readonly claims: number
  /** How many jobs wait when claims are timed. */
  readonly sizes: readonly Size[]
  /** A thousand wait then, and so many are finished and kept beside them. */
  readonly finished: { readonly work: string; readonly finished: number }
  /** A contender that takes longer to fill up to a size sits it out. */
  readonly fillMs: number
  /** Claims at one size end after so long, however few they were. */
  readonly claimsMs: number
  /** Pick-ups of a round end after so long, however few they were. */
  readonly pickupsMs: number
  /** Whether claims are also timed with ten workers side by side. */
  readonly contended: boolean
  /** How many jobs are stuck, and run behind those; wait under stale statistics; run beside a long transaction; run until tables are measured. */
  readonly wear: {
    readonly stuck: number
    readonly behind: number
    readonly stale: number
    readonly jobs: number
    readonly bloat: number
  }
  /** Works that there is no time for. */
  readonly without: readonly string[]
  /** How many jobs of each work a contender gets to warm up; one slower than that stops at the time. */
  readonly warmUp: readonly number[]
  /** So many times the usual number of jobs in the first round of processing, where to start takes long. */
  readonly processFirst: number
  /** Whether those contenders take part that need patience, and what is the same for a contender is all the same measured twice. */
  readonly patient: boolean
  /** No single order may take longer. */
  readonly orderMs: number
  /** Jobs run while memory is watched, in lots. None: the work is left out. */
  readonly memory: { readonly jobs: number; readonly each: number } | undefined
  /**
   * When the run should be over, counted from its start. A work that is behind its share of that ends after its first round, and none is begun
   * later.
   */
  readonly totalMs: number
}

const sizes: readonly [Size, ...Size[]] = [
  { work: 'growth-1k', waiting: 1_000 },
  { work: 'growth-100k', waiting: 100_000 },
  { work: 'growth-1m', waiting: 1_000_000 },
  { work: 'growth-10m', waiting: 10_000_000 },
]

export const fullPlan: Plan = {
  rounds: 5,
  sliceMs: 700,
  maxJobs: 300_000,
  pickups: 100,
  claims: 10,
  sizes,
  finished: { work: 'growth-finished-1m', finished: 1_000_000 },
  fillMs: 200_000,
  claimsMs: 30_000,
  orderMs: 300_000,
  pickupsMs: 20_000,
  contended: false,
  wear: { stuck: 100_000, behind: 20_000, stale: 100_000, jobs: 200_000, bloat: 1_000_000 },
  without: [],
  warmUp: [500, 2_000, 8_000, 20_000, 20_000],
  processFirst: 1,
  patient: true,
  memory: { jobs: 1_000_000, each: 50_000 },
  totalMs: Number.POSITIVE_INFINITY,
}

/** Ends within 50 s on two busy cores: what is late is cut short, and said. */
export const quickPlan: Plan = {
  rounds: 3,
  sliceMs: 35,
  maxJobs: 20_000,
  pickups: 20,
  claims: 10,
  sizes: sizes.slice(0, 2),
  finished: { work: 'growth-finished-30k', finished: 30_000 },
  fillMs: 1_000,
  claimsMs: 300,
  pickupsMs: 2_000,
  contended: false,
  wear: { stuck: 20_000, behind: 5_000, stale: 50_000, jobs: 10_000, bloat: 0 },
  without: [],
  warmUp: fullPlan.warmUp,
  processFirst: 1,
  patient: false,
  orderMs: 5_000,
  memory: undefined,
  totalMs: 42_000,
}

/** Ends within a minute. Rounds are longer: to make a store takes a server longer than a file. */
export const postgresQuickPlan: Plan = {
  ...quickPlan,
  rounds: 2,
  sliceMs: 150,
  claims: 6,
  claimsMs: 600,
  finished: { work: 'growth-finished-10k', finished: 10_000 },
  without: ['process-10', 'process-500', 'bloat'],
  warmUp: [500, 8_000],
  processFirst: 10,
  sizes: [sizes[0], { work: 'growth-200k', waiting: 200_000 }],
  fillMs: 8_000,
  contended: true,
  orderMs: 10_000,
  totalMs: 55_000,
}

/** Ten million jobs would not fit into the memory of many a machine. */
export const redisPlan: Plan = { ...fullPlan, sizes: sizes.slice(0, 3) }

/** Ends within a minute. */
export const redisQuickPlan: Plan = {
  ...quickPlan,
  sliceMs: 60,
  pickups: 40,
  warmUp: [500, 8_000],
  finished: { work: 'growth-finished-10k', finished: 10_000 },
  fillMs: 5_000,
  orderMs: 8_000,
  totalMs: 52_000,
}
