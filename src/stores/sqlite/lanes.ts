import type { Job, State } from '../../core/job.ts'
import { defaultQueueSettings, type QueueSettings } from '../../store.ts'
import type { Connection } from '../sqlite-file/connection.ts'
import { toNumber, toOptionalNumber, toText } from './row.ts'
import type { Statements } from './statements.ts'

export interface QueueRow extends QueueSettings {
  readonly id: number
  readonly name: string
}

/** A queue, a task and a priority. The counts are those of the file, as of this transaction. */
export interface Lane {
  readonly id: number
  readonly queue: QueueRow
  readonly task: string
  readonly priority: number
  readonly counts: Record<State, number>
}

/** The lane row that is none: its `pending` says up to which `seq` jobs are counted in their lanes. */
const tallyId = 0

/**
 * The queues and lanes of one file, as one connection sees them: read when another connection has changed the file, counted along by our
 * own hand otherwise. Used inside a transaction only.
 *
 * A job that was added alone is not counted in the file at once, which would cost a third of its write: what stands behind the tally in
 * the table is new, waits, and is counted by the next transaction of any process that does more.
 */
export class Lanes {
  readonly #connection: Connection
  readonly #statements: Statements
  #queues = new Map<string, QueueRow>()
  #byKey = new Map<string, Lane>()
  #byId = new Map<number, Lane>()
  #changes = new Map<Lane, Record<State, number>>()
  #version: unknown
  #uncounted = 0

  constructor(connection: Connection, statements: Statements) {
    this.#connection = connection
    this.#statements = statements
  }

  /** To be called first in every transaction. */
  refresh(): void {
    const version = this.#connection.sql(this.#statements.dataVersion).row()?.[0]
    if (version !== this.#version) this.#read()
    this.#version = version
  }

  /** To be called after a rollback: what was counted along did not happen. */
  distrust(): void {
    this.#version = undefined
    this.#changes.clear()
  }

  /** To be called after a part of the transaction was rolled back, if all before it was saved. */
  reread(): void {
    this.#read()
  }

  /** How many jobs this connection has added without counting them in the file. */
  get uncounted(): number {
    return this.#uncounted
  }

  /** The lane of a job, if there is one that this connection trusts. Safe outside a transaction: lanes are never removed. */
  known(job: Pick<Job, 'queue' | 'task' | 'priority'>): Lane | undefined {
    return this.#version === undefined ? undefined : this.#byKey.get(keyOf(job))
  }

  /** A job was added to a lane on its own, and not counted. */
  addedAlone(lane: Lane): void {
    this.count(lane, 'pending', 1)
    this.#uncounted++
  }

  all(): Iterable<Lane> {
    return this.#byId.values()
  }

  queues(): Iterable<QueueRow> {
    return this.#queues.values()
  }

  byId(id: unknown): Lane {
    const lane = this.#byId.get(toNumber(id))
    if (lane === undefined)
      throw new Error(`There is no lane ${String(id)}: the file was changed by something that is not jobferry`)
    return lane
  }

  /** The lane of a job, made if it is the first of its kind. */
  of(job: Pick<Job, 'queue' | 'task' | 'priority'>): Lane {
    return this.#byKey.get(keyOf(job)) ?? this.#add(job)
  }

  /** The queue if there is one; nothing is made. */
  knownQueue(name: string): QueueRow | undefined {
    return this.#queues.get(name)
  }

  queue(name: string): QueueRow {
    const known = this.#queues.get(name)
    if (known !== undefined) return known
    const id = toNumber(this.#connection.sql(this.#statements.addQueue).row(name)?.[0])
    const queue = { id, name, ...defaultQueueSettings }
    this.#queues.set(name, queue)
    return queue
  }

  configure(name: string, settings: Partial<QueueSettings>): void {
    const next = { ...this.queue(name), ...settings }
    this.#connection.sql(this.#statements.setQueue).run(next.paused ? 1 : 0, next.concurrency, next.priority, next.id)
    this.#read()
  }

  /** Notes that jobs of a lane came into a state (`by` above 0) or left it. */
  count(lane: Lane, state: State, by: number): void {
    let change = this.#changes.get(lane)
    if (change === undefined) {
      change = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
      this.#changes.set(lane, change)
    }
    change[state] += by
    lane.counts[state] += by
  }

  /** Writes what was noted: one statement for each lane touched. To be called last in a transaction. */
  save(): void {
    if (this.#changes.size === 0) return
    for (const [lane, by] of this.#changes) {
      this.#connection
        .sql(this.#statements.count)
        .run(by.pending, by.running, by.completed, by.failed, by.cancelled, lane.id)
    }
    this.#changes.clear()
    this.#uncounted = 0
    this.#connection.sql(this.#statements.setTally).run(tallyId)
  }

  #add(job: Pick<Job, 'queue' | 'task' | 'priority'>): Lane {
    const queue = this.queue(job.queue)
    const id = toNumber(this.#connection.sql(this.#statements.addLane).row(queue.id, job.task, job.priority)?.[0])
    const lane = {
      id,
      queue,
      task: job.task,
      priority: job.priority,
      counts: { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 },
    }
    this.#keep(lane)
    return lane
  }

  #read(): void {
    this.#queues = new Map()
    this.#byKey = new Map()
    this.#byId = new Map()
    this.#changes.clear()
    this.#uncounted = 0
    let tally = 0
    const queuesById = new Map<number, QueueRow>()
    for (const [id, name, paused, concurrency, priority] of this.#connection.sql(this.#statements.queues).rows()) {
      const queue = {
        id: toNumber(id),
        name: toText(name),
        paused: paused === 1,
        concurrency: toOptionalNumber(concurrency) ?? null,
        priority: toNumber(priority),
      }
      this.#queues.set(queue.name, queue)
      queuesById.set(queue.id, queue)
    }
    for (const [id, queueId, task, priority, ...counts] of this.#connection.sql(this.#statements.lanes).rows()) {
      if (id === tallyId) {
        tally = toNumber(counts[0])
        continue
      }
      const queue = queuesById.get(toNumber(queueId))
      if (queue === undefined)
        throw new Error(`There is no queue ${String(queueId)}: the file was changed by something that is not jobferry`)
      const [pending = 0, running = 0, completed = 0, failed = 0, cancelled = 0] = counts.map(toNumber)
      this.#keep({
        id: toNumber(id),
        queue,
        task: toText(task),
        priority: toNumber(priority),
        counts: { pending, running, completed, failed, cancelled },
      })
    }
    for (const [id, added] of this.#connection.sql(this.#statements.behindTally).rows(tally)) {
      this.count(this.byId(id), 'pending', toNumber(added))
      this.#uncounted += toNumber(added)
    }
  }

  #keep(lane: Lane): void {
    this.#byId.set(lane.id, lane)
    this.#byKey.set(keyOf({ queue: lane.queue.name, task: lane.task, priority: lane.priority }), lane)
  }
}

/** Names hold no control characters, so this is unambiguous. */
function keyOf({ queue, task, priority }: Pick<Job, 'queue' | 'task' | 'priority'>): string {
  return `${priority}\n${queue}\n${task}`
}
