import type { Instant, Job } from '../../core/job.ts'
import { claimed } from '../../core/lifecycle.ts'
import type { ClaimRequest } from '../../store.ts'
import type { Connection, Row } from '../sqlite-file/connection.ts'
import type { Lane, Lanes } from './lanes.ts'
import { toJob, toNumber, toOptionalText } from './row.ts'
import type { Statements } from './statements.ts'

/** From how many rows on one statement over a JSON list beats a loop. */
const manyFrom = 10

/** The most rows one look takes in. */
const mostLooked = 1_000

/** Where the columns of `jobColumns` stand that a claim looks at before it makes a job of the row. */
const seqColumn = 0
const laneColumn = 2
const concurrencyKeyColumn = 17

/**
 * One claim, inside a transaction: rank by rank over the lanes, so that every look is at the head of an index whose order is the claim order.
 *
 * A due job whose concurrency key is busy is parked: it leaves the ready index until a write lets it back (`unpark`), so that a backlog
 * behind one key is walked over once, not at every claim. As long as no job of a key runs, the first of the key in every lane is in turn.
 */
export class Claim {
  readonly jobs: Job[] = []
  readonly seqs: number[] = []
  readonly #connection: Connection
  readonly #statements: Statements
  readonly #lanes: Lanes
  readonly #request: ClaimRequest
  readonly #known: readonly Lane[]
  readonly #leftOfTask = new Map<string, number>()
  readonly #leftOfQueue = new Map<number, number>()
  readonly #busyKeys = new Set<string>()
  #toPark: number[] = []

  constructor(connection: Connection, statements: Statements, lanes: Lanes, request: ClaimRequest) {
    this.#connection = connection
    this.#statements = statements
    this.#lanes = lanes
    this.#request = request
    this.#known = [...lanes.all()].filter(
      ({ queue, task, counts }) =>
        counts.pending > 0 &&
        !queue.paused &&
        (request.tasks === undefined || request.tasks.has(task)) &&
        (request.queues === undefined || request.queues.includes(queue.name)),
    )
  }

  run(): void {
    if (this.#request.limit <= 0 || this.#known.length === 0) return
    for (const [task, most] of this.#request.tasks ?? []) this.#leftOfTask.set(task, most)
    this.#countQueues()
    for (const lanes of ranks(this.#known)) {
      if (this.jobs.length >= this.#request.limit) return
      this.#claimRank(lanes)
    }
  }

  /** Whether a job of these lanes is due and in turn: a look that takes no lock. */
  anyDue(): boolean {
    const { now } = this.#request
    return this.#known.some((lane) => this.#connection.sql(this.#statements.anyDue).row(lane.id, now) !== undefined)
  }

  /** When the next job that only waits for its time falls due. */
  nextRunAt(): Instant | undefined {
    let next: Instant | undefined
    for (const lane of this.#known) {
      const at = this.#connection.sql(this.#statements.nextDue).row(lane.id, this.#request.now)?.[0]
      if (at !== undefined && (next === undefined || toNumber(at) < next)) next = toNumber(at)
    }
    return next
  }

  #countQueues(): void {
    for (const { queue } of this.#known)
      if (queue.concurrency !== null) this.#leftOfQueue.set(queue.id, queue.concurrency)
    if (this.#leftOfQueue.size === 0) return
    for (const { queue, counts } of this.#lanes.all()) {
      const left = this.#leftOfQueue.get(queue.id)
      if (left !== undefined) this.#leftOfQueue.set(queue.id, left - counts.running)
    }
  }

  #claimRank(lanes: readonly Lane[]): void {
    for (let parked = 0; ;) {
      const open = lanes.filter((lane) => this.#open(lane))
      const wanted = this.#request.limit - this.jobs.length
      if (open.length === 0 || wanted <= 0) return
      const size = Math.max(wanted, Math.min(parked, mostLooked)) // through a backlog of one key in long strides
      const rows = this.#due(open, size)
      const picked: Row[] = []
      for (const row of rows) if (picked.length < wanted && this.#pick(row)) picked.push(row)
      this.#take(picked)
      parked += this.#park()
      if (rows.length < size) return
    }
  }

  #open({ task, queue }: Lane): boolean {
    return (this.#leftOfTask.get(task) ?? 1) > 0 && (this.#leftOfQueue.get(queue.id) ?? 1) > 0
  }

  #due(lanes: readonly Lane[], limit: number): readonly Row[] {
    const [only] = lanes
    if (lanes.length === 1 && only !== undefined)
      return this.#connection.sql(this.#statements.due).rows(only.id, this.#request.now, limit)
    const ids = JSON.stringify(lanes.map((lane) => lane.id))
    return this.#connection.sql(this.#statements.dueOfSeveral).rows(ids, this.#request.now, limit)
  }

  /** Whether the row may be taken; counts it if so, parks it if its key is busy. */
  #pick(row: Row): boolean {
    const lane = this.#lanes.byId(row[laneColumn])
    if (!this.#open(lane)) return false
    const key = toOptionalText(row[concurrencyKeyColumn])
    if (key !== undefined) {
      if (this.#busy(lane, key)) {
        this.#toPark.push(toNumber(row[seqColumn]))
        return false
      }
      this.#busyKeys.add(`${lane.queue.id}\n${key}`)
    }
    const ofTask = this.#leftOfTask.get(lane.task)
    if (ofTask !== undefined) this.#leftOfTask.set(lane.task, ofTask - 1)
    const ofQueue = this.#leftOfQueue.get(lane.queue.id)
    if (ofQueue !== undefined) this.#leftOfQueue.set(lane.queue.id, ofQueue - 1)
    return true
  }

  /** Whether a job of the key runs, or was taken by this claim. */
  #busy(lane: Lane, key: string): boolean {
    const inQueue = `${lane.queue.id}\n${key}`
    if (this.#busyKeys.has(inQueue)) return true
    if (this.#connection.sql(this.#statements.busy).row(lane.queue.id, key) === undefined) return false
    this.#busyKeys.add(inQueue)
    return true
  }

  #park(): number {
    const count = this.#toPark.length
    if (count >= manyFrom) this.#connection.sql(this.#statements.parkMany).run(JSON.stringify(this.#toPark))
    else for (const seq of this.#toPark) this.#connection.sql(this.#statements.park).run(seq)
    this.#toPark = []
    return count
  }

  #take(rows: readonly Row[]): void {
    const { lease, until, now } = this.#request
    const seqs: number[] = []
    for (const row of rows) {
      const lane = this.#lanes.byId(row[laneColumn])
      const seq = toNumber(row[seqColumn])
      const before = toJob(row, lane)
      const after = claimed(before, lease, until, now)
      if (before.unique !== after.unique) this.#connection.sql(this.#statements.letKeyGo).run(seq)
      this.#lanes.count(lane, 'pending', -1)
      this.#lanes.count(lane, 'running', 1)
      this.jobs.push(after)
      this.seqs.push(seq)
      seqs.push(seq)
    }
    if (seqs.length >= manyFrom)
      this.#connection.sql(this.#statements.takeMany).run(lease, until, now, JSON.stringify(seqs))
    else for (const seq of seqs) this.#connection.sql(this.#statements.take).run(lease, until, now, seq)
  }
}

/** Lanes of one rank (queue priority, then job priority) together, the first rank first. */
function ranks(lanes: readonly Lane[]): readonly (readonly Lane[])[] {
  const groups = new Map<string, Lane[]>()
  for (const lane of lanes) {
    const key = `${lane.queue.priority} ${lane.priority}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [lane])
    else group.push(lane)
  }
  return [...groups.values()].toSorted(([a], [b]) => compareRank(a, b))
}

function compareRank(a: Lane | undefined, b: Lane | undefined): number {
  if (a === undefined || b === undefined) return 0
  return a.queue.priority - b.queue.priority || a.priority - b.priority
}
