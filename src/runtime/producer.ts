import type { Ids } from '../core/id.ts'
import type { Instant, Job } from '../core/job.ts'
import type { Store } from '../store.ts'
import type { Clock } from './clock.ts'
import type { Definition } from './definition.ts'
import { type Events, factsOf } from './events.ts'
import { Held } from './held.ts'
import { Pace } from './pace.ts'
import { run } from './runner.ts'
import { Settler } from './settler.ts'
import { Tally } from './tally.ts'
import { Trouble } from './trouble.ts'

/** What a producer works with. Times in milliseconds. */
export interface ProducerOptions {
  readonly store: Store<unknown>
  readonly clock: Clock
  readonly events: Events
  readonly leases: Ids
  readonly definitions: ReadonlyMap<string, Definition>
  readonly queues: readonly string[] | undefined
  readonly concurrency: number
  readonly leaseMs: number
  readonly pollMs: number
}

/** After so long an end that the store has left for later is tried again. */
const leftForMs = 50

/** After so long without a free hand, jobs that were claimed ahead are given back for others to run. */
const patienceMs = 250

/**
 * Moves jobs from the store to handlers and their ends back, for one worker: each exchange with the store settles what has ended and
 * claims for the hands that are free, in one transaction. Exchanges follow one another, never side by side, and none is made without a
 * reason: a bell, an end to store, a hand freed while more was due, the time of the next job, or the safety net of a poll.
 */
export class Producer {
  readonly #options: ProducerOptions
  /** What came of the runs so far. */
  readonly tally: Tally = new Tally()
  readonly #settler: Settler
  readonly #pace: Pace
  readonly #trouble: Trouble
  readonly #held = new Set<Held>()
  readonly #giveUp = new Map<Held, () => void>()
  readonly #runningOf = new Map<string, number>()
  #ahead: Held[] = []
  #lastStartAt: Instant = 0
  #running = 0
  #claiming = false
  #over = false
  #rung = false
  #more = false
  #planned = false
  #exchanging = false
  /** Whether the store is far: its answers take time in which we can do something else. */
  #overlaps = false
  #callOffRetry: (() => void) | undefined
  #callOffTimer: (() => void) | undefined
  #callOffPatience: (() => void) | undefined
  #callOffLeft: (() => void) | undefined
  #whenIdle: (() => void)[] = []

  constructor(options: ProducerOptions) {
    this.#options = options
    const { definitions, clock, events } = options
    this.#settler = new Settler(definitions, clock, events, this.tally, (held) => this.#held.delete(held))
    this.#pace = new Pace(options.concurrency)
    this.#trouble = new Trouble(options.clock)
  }

  /** Every lease held now: running, claimed ahead, or ended and not yet stored. */
  get held(): Iterable<Held> {
    return this.#held
  }

  get running(): number {
    return this.#running
  }

  /** Whether its last exchange with the store failed. */
  get failing(): boolean {
    return this.#trouble.failing
  }

  start(): void {
    this.#claiming = true
    this.#over = false
    this.ring()
  }

  /** There may be something to claim. */
  ring(): void {
    this.#rung = true
    this.#plan()
  }

  /** Claims nothing more, and gives back what has not been started. Runs go on. */
  pause(): void {
    this.#claiming = false
    this.#giveBackAhead()
    this.#plan()
  }

  /** Tells every run to stop. */
  abort(reason: Error): void {
    for (const held of this.#held) held.abort(reason)
  }

  /** Frees the hands of all runs that have not ended, whatever they still do. */
  giveUp(): void {
    for (const giveUp of this.#giveUp.values()) giveUp()
  }

  /** Resolves once no lease is held any more, nor asked for: everything has ended and is stored. */
  idle(): Promise<void> {
    if (this.#held.size === 0 && !this.#exchanging) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** Asks the store nothing more and ends all timers. What is still held is left to run out. */
  end(): void {
    this.#claiming = false
    this.#over = true
    this.#callOffTimer?.()
    this.#callOffPatience?.()
    this.#callOffLeft?.()
    if (this.#callOffRetry !== undefined) this.#planned = false
    this.#callOffRetry?.()
    this.#callOffTimer = undefined
    this.#callOffPatience = undefined
    this.#callOffLeft = undefined
    this.#callOffRetry = undefined
  }

  /** A claimed job was lost, or is to be cancelled, before it was started. */
  drop(held: Held): void {
    if (!this.#ahead.includes(held)) return
    this.#ahead = this.#ahead.filter((other) => other !== held)
    this.#release(held)
  }

  #plan(afterMs = 0): void {
    if (this.#planned || this.#exchanging || this.#over) return
    this.#planned = true
    const go = (): void => {
      this.#planned = false
      this.#callOffRetry = undefined
      void this.#exchange()
    }
    if (afterMs === 0) this.#options.clock.soon(go)
    else this.#callOffRetry = this.#options.clock.after(afterMs, go)
  }

  /** Never throws: trouble with the store is told, and tried again. */
  async #exchange(): Promise<void> {
    if (this.#exchanging || this.#over) return
    const { store, clock, events, leases, leaseMs, queues } = this.#options
    const limit = this.#claiming ? this.#room() : 0
    if (limit === 0 && this.#settler.size === 0) return
    this.#exchanging = true
    this.#rung = false
    let waitMs = 0
    let later = false
    try {
      const now = clock.now()
      const lease = leases(now)
      const settle = this.#settler.take(now)
      const answer = store.claim({
        tasks: this.#caps(limit),
        queues,
        limit,
        lease,
        until: now + leaseMs,
        now,
        settle,
      })
      this.#overlaps = answer instanceof Promise
      const claimed = await answer
      this.#trouble.over()
      this.#settler.took(claimed.settled)
      this.#more = limit > 0 && claimed.jobs.length === limit
      for (const job of claimed.jobs) this.#hold(job, lease)
      later = this.#overlaps && this.#more
      if (!this.#claiming) this.#giveBackAhead() // told to stop in the meantime
      else if (!later) this.#startWaiting()
      if (!this.#more) this.#wakeAt(claimed.nextRunAt)
    } catch (error) {
      this.#settler.putBack()
      this.#rung = true
      waitMs = this.#trouble.waitMs()
      events.emit({ type: 'error', error, during: 'claiming and settling' })
    }
    this.#exchanging = false
    this.#tellIdle()
    if (this.#settler.left > 0) this.#comeBack()
    const more = this.#settler.size > 0 || (this.#claiming && (this.#rung || this.#more) && this.#room() > 0)
    if (!later) return more ? this.#plan(waitMs) : undefined
    // The store is far: the next exchange is on its way before what has come is begun, so that both take place at the same time.
    if (more) void this.#exchange()
    clock.soon(() => this.#startWaiting())
  }

  #comeBack(): void {
    this.#callOffLeft ??= this.#options.clock.after(leftForMs, () => {
      this.#callOffLeft = undefined
      this.#settler.comeBack()
      this.#plan()
    })
  }

  /** How many jobs to claim now: the free hands, and a little ahead when runs are short; of a far store in two halves, one run while the other comes. */
  #room(): number {
    const busy = this.#running + this.#ahead.length
    const ahead = this.#pace.ahead(this.#overlaps ? 'far' : 'near')
    if (!this.#overlaps || ahead === 0) return Math.max(0, this.#options.concurrency + ahead - busy)
    const most = this.#options.concurrency + 2 * ahead
    return Math.max(0, Math.min(most - busy, Math.ceil(most / 2)))
  }

  /** For each task, what its own concurrency leaves. Runs that have ended are settled first, in the same exchange. */
  #caps(limit: number): ReadonlyMap<string, number> {
    const caps = new Map<string, number>()
    for (const { name, concurrency } of this.#options.definitions.values()) {
      const busy = this.#runningOf.get(name) ?? 0
      caps.set(name, Math.max(0, Math.min(limit, concurrency - busy)))
    }
    return caps
  }

  #hold(job: Job, lease: string): void {
    const maxAttempts = this.#options.definitions.get(job.task)?.maxAttempts
    const held = new Held(maxAttempts === undefined ? job : { ...job, maxAttempts }, lease)
    this.#held.add(held)
    this.#runningOf.set(job.task, (this.#runningOf.get(job.task) ?? 0) + 1)
    this.#ahead.push(held)
  }

  #startWaiting(): void {
    while (this.#running < this.#options.concurrency) {
      const held = this.#ahead.shift()
      if (held === undefined) return
      this.#start(held)
      this.#lastStartAt = held.startedAt ?? this.#lastStartAt
    }
    if (this.#ahead.length > 0 && this.#callOffPatience === undefined) this.#watchPatience(patienceMs)
  }

  #start(held: Held): void {
    const { clock, events, definitions } = this.#options
    const definition = definitions.get(held.job.task)
    // We may have waited for the store, or stood still, for longer than the lease: somebody else may have the job by now.
    if (definition === undefined || (held.job.leaseUntil ?? 0) <= clock.now()) return this.#release(held)
    this.#running++
    const waitedMs = Math.max(0, clock.now() - held.job.runAt)
    this.tally.started(held.job.task, waitedMs)
    if (events.heard('started')) events.emit({ type: 'started', job: factsOf(held.job), waitedMs })
    this.#giveUp.set(
      held,
      run(held, definition, clock, (outcome) => {
        this.#running--
        this.#giveUp.delete(held)
        this.#freed(held)
        this.#pace.ran(clock.now() - (held.startedAt ?? 0))
        this.#settler.add(held, outcome)
        this.#startWaiting()
        this.#plan()
      }),
    )
  }

  #release(held: Held): void {
    held.ended = true
    this.#freed(held)
    this.#settler.add(held, { kind: 'released' })
    this.#plan()
  }

  #freed({ job }: Held): void {
    this.#runningOf.set(job.task, (this.#runningOf.get(job.task) ?? 1) - 1)
  }

  #tellIdle(): void {
    if (this.#held.size > 0) return
    const waiting = this.#whenIdle
    this.#whenIdle = []
    for (const resolve of waiting) resolve()
  }

  #giveBackAhead(): void {
    const ahead = this.#ahead
    this.#ahead = []
    for (const held of ahead) this.#release(held)
  }

  /** Jobs claimed ahead must not wait here behind a long run while another worker has a free hand. */
  #watchPatience(ms: number): void {
    const { clock } = this.#options
    this.#callOffPatience = clock.after(ms, () => {
      this.#callOffPatience = undefined
      if (this.#ahead.length === 0) return
      const leftMs = this.#lastStartAt + patienceMs - clock.now()
      if (leftMs > 0) return this.#watchPatience(leftMs) // not set anew at every start: there may be a hundred thousand a second
      this.#pace.stuck(patienceMs)
      this.#giveBackAhead()
    })
  }

  /** Sleeps until the next job is due; at the latest until the next poll. */
  #wakeAt(nextRunAt: Instant | undefined): void {
    this.#callOffTimer?.()
    if (!this.#claiming) return
    const { clock, pollMs } = this.#options
    const ms = Math.min(pollMs, Math.max(0, (nextRunAt ?? Number.POSITIVE_INFINITY) - clock.now()))
    this.#callOffTimer = clock.after(ms, () => this.ring())
  }
}
