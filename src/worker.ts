import { hostname } from 'node:os'

import { type Duration, toMs } from './core/duration.ts'
import { StoppedError, UsageError } from './core/errors.ts'
import { expectKnown, expectName, expectWhole } from './core/expect.ts'
import type { Instant } from './core/job.ts'
import type { SettlePolicy } from './core/lifecycle.ts'
import { mostRuns, type Presence, type Run } from './core/presence.ts'
import { decode } from './core/payload.ts'
import type { Ferry } from './ferry.ts'
import type { Middleware } from './middleware.ts'
import { Beacon } from './runtime/beacon.ts'
import type { Definition } from './runtime/definition.ts'
import type { Held } from './runtime/held.ts'
import { Heart } from './runtime/heart.ts'
import { Producer } from './runtime/producer.ts'
import { Upkeep } from './runtime/upkeep.ts'
import type { RunningJob } from './running-job.ts'
import type { Bell } from './store.ts'
import type { AnyHandledTask } from './task.ts'
import { version } from './version.ts'

export interface WorkOptions {
  /** How many jobs to run at a time. Default 10. Jobs are claimed as hands get free, and, when they are short, a little ahead. */
  readonly concurrency?: number
  /** Only jobs of these queues. Default: every queue that has jobs of the tasks. */
  readonly queues?: readonly string[]
  /**
   * How long the worker may hold a job without renewing it. Default '30s', at least '1s'; it is renewed at a third of it, and
   * every 3 s at the latest where no bell tells of cancellations.
   *
   * Shorter finds dead workers sooner; longer forgives longer pauses (a blocked event loop, a suspended laptop). A job whose lease runs out
   * is run again, so a handler must tolerate running twice.
   */
  readonly lease?: Duration
  /** How often to look for jobs when nothing rings: only a safety net. Default '5s', at least '10ms'. */
  readonly poll?: Duration
  /**
   * Whether to be told of new jobs by the store. Default true; without, only polling finds what others enqueue, and a run hears of its
   * cancellation up to 3 s later.
   */
  readonly listen?: boolean
  /** Whether to take back jobs of dead workers and prune old ones, beside working. Default true; one such worker per store is enough. */
  readonly upkeep?: boolean
  /**
   * How often to tell the store that this worker is alive and what it runs, for `jobs.workers()`: one small write. Default '5s', at least
   * '100ms'; `false` never. It counts as gone when it has not told three times in a row. Does nothing where the store lacks `workers`.
   */
  readonly presence?: Duration | false
}

export interface StopOptions {
  /** How long running jobs may go on before they are told to stop. Default '25s'. 0 tells them at once. */
  readonly grace?: Duration
}

/** Who a worker of this process is. */
function self({ ids, clock }: Ferry): Pick<Presence, 'id' | 'host' | 'pid' | 'version'> {
  return { id: ids(clock.now()), host: hostname(), pid: process.pid, version: version() }
}

/** After a run was told to stop, how long to wait for it before its job is released without it. */
const afterAbortMs = 1_000

/** How long a stop waits for the store to take the last ends; after it they are left to the leases. */
const lastExchangeMs = 5_000

const optionNames = ['concurrency', 'queues', 'lease', 'poll', 'listen', 'upkeep', 'presence']

/** Whose worker it is. */
export interface WorkerOwner {
  readonly runningJob: (held: Held) => RunningJob
  /** The steps around every run, as of now. */
  readonly middleware: () => readonly Middleware[]
  readonly started: (worker: Worker) => void
  readonly stopped: (worker: Worker) => void
}

/** Runs jobs of some tasks until it is stopped. Made and started by `jobs.work`. */
export class Worker {
  readonly #ferry: Ferry
  readonly #owner: WorkerOwner
  readonly #listens: boolean
  readonly #producer: Producer
  readonly #heart: Heart
  readonly #upkeep: Upkeep | undefined
  readonly #beacon: Beacon | undefined
  #startedAt: Instant | undefined
  #endListening: Promise<() => void> | undefined
  #endKeepingTime: (() => void) | undefined
  #state: 'idle' | 'working' | 'stopping' = 'idle'
  #stopping: Promise<boolean> | undefined
  #hasten: ((graceMs: number) => void) | undefined

  /** @throws UsageError for bad options, a task twice, or a task without a handler, and where the store's jobs cannot be worked */
  constructor(ferry: Ferry, tasks: readonly AnyHandledTask[], options: WorkOptions, owner: WorkerOwner) {
    expectKnown(options, optionNames, 'work()')
    const leaseMs = options.lease === undefined ? 30_000 : toMs(options.lease, 'lease', 1_000)
    const pollMs = options.poll === undefined ? 5_000 : toMs(options.poll, 'poll', 10)
    const concurrency =
      options.concurrency === undefined ? 10 : expectWhole(options.concurrency, 'concurrency', 1, 100_000)
    const queues = options.queues?.map((queue) => expectName(queue, 'queues', 255, 0))
    const { store, clock, events } = ferry
    ferry.expectWork(leaseMs)
    this.#ferry = ferry
    this.#owner = owner
    this.#listens = options.listen ?? true
    const definitions = this.#definitions(tasks)
    this.#producer = new Producer({
      store,
      clock,
      events,
      leases: ferry.ids,
      definitions,
      queues,
      concurrency,
      leaseMs,
      pollMs,
    })
    const producer = this.#producer
    this.#heart = new Heart({
      store,
      clock,
      events,
      leaseMs,
      deaf: store.capabilities.has('cancel') && !(this.#listens && store.capabilities.has('listen')),
      held: () => producer.held,
      drop: (held) => producer.drop(held),
    })
    const policyOfTask = (task: string): SettlePolicy | undefined => ferry.policyOfTask(task)
    this.#upkeep = options.upkeep === false ? undefined : new Upkeep({ store, clock, events, policyOfTask, pollMs })
    const everyMs =
      options.presence === undefined ? 5_000 : options.presence !== false && toMs(options.presence, 'presence', 100)
    const same = { ...self(ferry), ...(queues && { queues }), tasks: [...definitions.keys()], concurrency }
    const presence = (): Presence => this.#presence(same)
    this.#beacon =
      everyMs === false || !store.capabilities.has('workers')
        ? undefined
        : new Beacon({ store, clock, events, everyMs, presence })
  }

  /** How many jobs run now. */
  get running(): number {
    return this.#producer.running
  }

  get state(): 'idle' | 'working' | 'stopping' {
    return this.#state
  }

  /** Whether its last exchange with the store failed: it goes on trying. */
  get failing(): boolean {
    return this.#producer.failing
  }

  /** Starts again after a stop. Does nothing while it works. @throws UsageError while it stops, and once its jobs are closed */
  start(): void {
    if (this.#state === 'working') return
    if (this.#state === 'stopping') throw new UsageError('The worker is stopping. Await stop() before start()')
    this.#ferry.expectOpen()
    this.#owner.started(this)
    this.#state = 'working'
    this.#stopping = undefined
    if (this.#listens) this.#listen()
    this.#endKeepingTime = this.#ferry.keepTime()
    this.#heart.start()
    this.#upkeep?.start()
    this.#startedAt ??= this.#ferry.clock.now()
    this.#beacon?.start()
    this.#producer.start()
  }

  /**
   * Stops: claims nothing more, lets running jobs end within the grace, then tells them to stop through their signal, and after a second
   * gives them back, their attempt not burnt. Whatever ended is stored before this resolves.
   *
   * Resolves to whether every run ended by itself, within the grace. A second call while stopping joins the first, and shortens its grace if
   * its own is shorter. Resolves at once when not working.
   */
  async stop(options: StopOptions = {}): Promise<boolean> {
    expectKnown(options, ['grace'], 'stop()')
    const graceMs = options.grace === undefined ? 25_000 : toMs(options.grace, 'grace')
    if (this.#state === 'idle') return true
    if (this.#stopping === undefined) this.#stopping = this.#stop(graceMs)
    else this.#hasten?.(graceMs)
    return await this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(graceMs: number): Promise<boolean> {
    this.#state = 'stopping'
    const producer = this.#producer
    producer.pause()
    const idle = await this.#within(graceMs, producer.idle(), (hasten) => (this.#hasten = hasten))
    this.#hasten = undefined
    const graceful = idle || producer.running === 0
    if (!graceful) {
      producer.abort(new StoppedError())
      await this.#within(afterAbortMs, producer.idle())
      producer.giveUp()
    }
    if (!idle) await this.#within(lastExchangeMs, producer.idle())
    producer.end()
    this.#heart.stop()
    this.#endKeepingTime?.()
    await this.#within(lastExchangeMs, this.#letGo())
    this.#state = 'idle'
    this.#stopping = undefined
    this.#owner.stopped(this)
    return graceful
  }

  /** Whether `done` comes within the time. `hastens` is given the way to shorten it. */
  #within(ms: number, done: Promise<unknown>, hastens?: (hasten: (sooner: number) => void) => void): Promise<boolean> {
    const { clock } = this.#ferry
    let end = clock.now() + ms
    return new Promise((resolve) => {
      let callOff = clock.after(ms, () => resolve(false))
      hastens?.((sooner) => {
        if (clock.now() + sooner >= end) return
        end = clock.now() + sooner
        callOff()
        callOff = clock.after(sooner, () => resolve(false))
      })
      void done.then(() => {
        callOff()
        resolve(true)
      })
    })
  }

  /** Never throws. */
  async #letGo(): Promise<void> {
    const listening = this.#endListening
    await Promise.all([this.#upkeep?.stop(), this.#beacon?.stop()])
    const endListening = await listening?.catch(() => undefined)
    endListening?.()
    await this.#ferry.logbook.flush()
  }

  #presence(same: Pick<Presence, 'id' | 'host' | 'pid' | 'version' | 'queues' | 'tasks' | 'concurrency'>): Presence {
    const producer = this.#producer
    const runs = [...producer.held].flatMap(({ job: { id, task, queue, attempt }, startedAt, ended }): Run[] =>
      startedAt === undefined || ended ? [] : [{ id, task, queue, attempt, since: startedAt }],
    )
    return {
      ...same,
      startedAt: this.#startedAt ?? this.#ferry.clock.now(),
      state: this.#state === 'working' ? 'working' : 'stopping',
      running: runs.length,
      runs: runs.toSorted((a, b) => a.since - b.since).slice(0, mostRuns),
      tallies: producer.tally.read(),
    }
  }

  #listen(): void {
    const ring = (bell: Bell): void => (bell === 'jobs' ? this.#producer.ring() : this.#heart.ring())
    const listening = async (): Promise<() => void> => {
      const end = await this.#ferry.store.listen(ring)
      // What came after the first look and before the ear was open, nobody has rung for. A cancellation that early shows with the next renewal.
      ring('jobs')
      return end
    }
    this.#endListening = listening()
    this.#endListening.catch((error: unknown) =>
      this.#ferry.events.emit({ type: 'error', error, during: 'listening; polling goes on' }),
    )
  }

  #definitions(tasks: readonly AnyHandledTask[]): ReadonlyMap<string, Definition> {
    if (tasks.length === 0) throw new UsageError('Expected at least one task to work')
    const definitions = new Map<string, Definition>()
    for (const task of tasks) {
      if (typeof task?.run !== 'function')
        throw new UsageError(`Task "${task?.name}" has no handler. Give it one with task.handle(…)`)
      if (definitions.has(task.name)) throw new UsageError(`Task "${task.name}" is given twice`)
      this.#ferry.learn(task)
      const { backoff, retention, timeoutMs, concurrency } = this.#ferry.policyOf(task)
      const maxAttempts = this.#ferry.attemptsOfTask(task.name)
      const execute = (held: Held): Promise<unknown> => this.#execute(task, held)
      definitions.set(task.name, { name: task.name, backoff, retention, timeoutMs, concurrency, maxAttempts, execute })
    }
    return definitions
  }

  #execute(task: AnyHandledTask, held: Held): Promise<unknown> {
    const job = this.#owner.runningJob(held)
    const middleware = this.#owner.middleware()
    if (middleware.length === 0) return task.run(decode(held.job.payload), job)
    const from = async (i: number): Promise<unknown> => {
      const step = middleware[i]
      return step === undefined ? await task.run(decode(held.job.payload), job) : await step(job, () => from(i + 1))
    }
    return from(0)
  }
}
