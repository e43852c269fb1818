import type { Capability } from './core/capability.ts'
import { UnsupportedError, UsageError } from './core/errors.ts'
import { show } from './core/expect.ts'
import { type Ids, makeIds } from './core/id.ts'
import type { SettlePolicy, Write } from './core/lifecycle.ts'
import { Logbook } from './logbook.ts'
import { Batcher } from './runtime/batcher.ts'
import type { Clock } from './runtime/clock.ts'
import { Events } from './runtime/events.ts'
import { type Reading, StoreClock } from './runtime/store-clock.ts'
import { underRules } from './rules.ts'
import type { Awaitable, Finding, OwnTransaction, Store, WriteResult } from './store.ts'
import { atOnce, isSync } from './sync-transaction.ts'
import type { AnyTask, ResolvedPolicy } from './task.ts'
import { TxLine } from './tx-line.ts'

/** What the parts of one opened store share: the store, time, ids, events, logs, and the tasks met so far. */
export class Ferry {
  readonly store: Store<unknown>
  readonly clock: Clock
  readonly events: Events = new Events()
  readonly ids: Ids
  readonly logbook: Logbook
  /** Writes of single jobs; those made in one turn of the event loop share a trip to the store. */
  readonly writes: Batcher<Write, WriteResult>
  readonly #txLine = new TxLine()
  readonly #policies = new Map<string, ResolvedPolicy>()
  #closed = false

  constructor(store: Store<unknown>, clock: Clock) {
    this.store = store
    this.clock = clock
    this.ids = makeIds(() => clock.random())
    this.logbook = new Logbook(store, clock, this.events)
    this.writes = new Batcher(clock, (writes) => store.apply(writes, clock.now()))
  }

  /** Remembers a task's policy: others may have to decide for its jobs. @throws UsageError unless it is a task */
  learn(task: AnyTask | undefined): void {
    if (typeof task?.check !== 'function') throw new UsageError(`Expected a task made by task(…), got ${show(task)}`)
    this.#policies.set(task.name, this.policyOf(task))
  }

  /** What holds for a task in this store. */
  policyOf(task: AnyTask): ResolvedPolicy {
    return underRules(task, this.store.rules)
  }

  /** What follows a run of a task that was enqueued or worked here, or of any where the store has rules of its own. */
  policyOfTask(task: string): SettlePolicy | undefined {
    return this.#policies.get(task) ?? this.store.rules
  }

  /** The attempts that a task has asked for, where only the worker knows them. */
  attemptsOfTask(task: string): number | undefined {
    const policy = this.store.rules?.attemptsKeptBy === 'worker' ? this.#policies.get(task) : undefined
    return policy?.said.has('maxAttempts') === true ? policy.maxAttempts : undefined
  }

  /** Lets the clock follow the store's, where it has one, until the returned function is called. */
  keepTime(): () => void {
    const during = 'asking the store for its time'
    if (!(this.clock instanceof StoreClock)) return () => undefined
    return this.clock.keep((error) => this.events.emit({ type: 'error', error, during }))
  }

  /** What the store says of itself, and how its clock compares with this machine's where it has one of its own. */
  async report(): Promise<readonly Finding[]> {
    const findings = await this.store.report()
    return this.clock instanceof StoreClock ? [...findings, clockFinding(await this.clock.measure())] : findings
  }

  /** From now on every call is refused. */
  close(): void {
    this.#closed = true
  }

  get closed(): boolean {
    return this.#closed
  }

  /** @throws UsageError once closed */
  expectOpen(): void {
    if (this.#closed) throw new UsageError('These jobs are closed. Open them again')
  }

  /** @throws UsageError once closed · UnsupportedError when the store has no such capability */
  expectCapability(capability: Capability): void {
    this.expectOpen()
    if (!this.store.capabilities.has(capability)) throw new UnsupportedError(capability, this.store.name)
  }

  /** @throws UsageError when no job of the store can be worked as things stand */
  expectWork(leaseMs: number): void {
    const reason = this.store.workRefusal?.(leaseMs)
    if (reason !== undefined) throw new UsageError(`The ${this.store.name} store works no job here: ${reason}`)
  }

  /**
   * Does something in a caller's transaction: at once and throwing where its handle is synchronous, otherwise in turn and rejecting.
   * @throws UnsupportedError when the store has no transactions · UsageError when it is none
   */
  inTx<T>(tx: unknown, call: (handle: object) => Awaitable<T>): Awaitable<T> {
    if ((typeof tx !== 'object' && typeof tx !== 'function') || tx === null)
      throw new UsageError(`Expected \`tx\` to be an open transaction's handle, got ${show(tx)}`)
    const go = (): Awaitable<T> => {
      this.expectCapability('transaction')
      return call(tx)
    }
    return isSync(tx) ? atOnce(go()) : this.#txLine.take(tx, go)
  }
  /**
   * Begins a transaction of the store's own. What was begun in it has its turn before the end, and nothing after.
   * @throws UnsupportedError when the store has none · StoreError
   */
  async begin(): Promise<OwnTransaction<object>> {
    this.expectCapability('connection')
    if (this.store.begin === undefined) throw new UnsupportedError('connection', this.store.name)
    const { tx, commit, rollback } = await this.store.begin()
    this.#txLine.begin(tx)
    const last = (end: () => Awaitable<void>) => async (): Promise<void> => {
      await this.#txLine.end(tx)
      await end()
    }
    return { tx, commit: last(commit), rollback: last(rollback) }
  }
}

/** Beyond this much, in milliseconds, what this machine writes into its own logs does not fit the times of jobs any more. */
const wrongMs = 2_000

function clockFinding({ offsetMs, errorMs }: Reading): Finding {
  const apart = Math.abs(offsetMs)
  const words = `${apart} ms ${offsetMs < 0 ? 'behind' : 'ahead of'} this machine's (± ${errorMs} ms); jobs go by the store's`
  if (apart - errorMs <= wrongMs) return { name: 'clock', level: 'ok', message: words }
  return { name: 'clock', level: 'warn', message: `${words}. Set one of them right` }
}
