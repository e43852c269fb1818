import type { Capability } from '../../core/capability.ts'
import { UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import type { Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import type {
  Awaitable,
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  LogLine,
  QueueSettings,
  QueueStats,
  Renewal,
  RenewResult,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { within } from './patience.ts'

/** The longest wait for one shard's answer to a renewal, however long the lease. */
const mostPatienceMs = 60_000

/** Which shard, from 0 to `count` - 1, a queue lives in. Must always answer the same for the same queue. */
export type ShardBy = (queue: string, count: number) => number

/**
 * Several stores behind one: each queue lives in one of them, so that they share the load of writing.
 *
 * What concerns one queue is as atomic as its store makes it. One batch of an enqueue must stay within one shard, since nothing is atomic
 * over two: others are refused before any I/O. A claim goes round the shards, the next one first at each, so that none is starved; among
 * queues of different shards it knows no order of priority.
 */
export class ShardedStore implements Store<unknown> {
  readonly name: string
  readonly capabilities: ReadonlySet<Capability>
  /** A queue lives in one shard, and each gets its part of a call in the turn of that call. */
  readonly inOrder: boolean
  /** That of the first shard: they are expected to agree. */
  readonly time?: () => Awaitable<Instant>
  readonly append?: NonNullable<Store['append']>
  readonly present?: NonNullable<Store['present']>
  readonly workers?: NonNullable<Store['workers']>
  readonly #shards: readonly Store<unknown>[]
  readonly #shardBy: ShardBy
  #turn = 0

  /** @param shardBy default: by a hash of the queue's name (FNV-1a), the same in every process */
  constructor(shards: readonly Store<unknown>[], shardBy: ShardBy = hashOf) {
    if (shards.length === 0) throw new UsageError('Expected at least one store to spread queues over')
    if (shards.some(({ rules }) => rules !== undefined))
      throw new UsageError('A store over the format of another queue gives ids of its own; it cannot be one of several')
    this.#shards = shards
    this.#shardBy = shardBy
    this.inOrder = shards.every((shard) => shard.inOrder === true)
    const [first] = shards
    this.name = `${first?.name ?? ''} ×${shards.length}`
    if (first?.time !== undefined) this.time = first.time.bind(first)
    // A transaction is begun before it is known which shard it is for.
    this.capabilities = new Set(
      [...(first?.capabilities ?? [])].filter(
        (one) => one !== 'connection' && shards.every((shard) => shard.capabilities.has(one)),
      ),
    )
    // All must be of one shard, as those of a batch.
    if (this.capabilities.has('pipeline'))
      this.append = (jobs, now, pipeline) => this.#shard(this.#routeOf({ jobs })).append?.(jobs, now, pipeline)
    if (!this.capabilities.has('workers')) return
    this.present = (presence, now, until) => this.#tell(presence, now, until)
    this.workers = (now) => this.#present(now)
  }

  async migrate(): Promise<void> {
    await Promise.all(this.#shards.map(async (shard) => await shard.migrate()))
  }

  async check(): Promise<void> {
    await Promise.all(this.#shards.map(async (shard) => await shard.check?.()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#shards.map(async (shard) => await shard.close()))
  }

  insert(
    batches: readonly Batch[],
    now: Instant,
    tx?: unknown,
  ): Promise<readonly BatchResult[]> | readonly BatchResult[] {
    const routes = batches.map((batch) => this.#routeOf(batch))
    const [only] = routes
    if (only !== undefined && routes.every((route) => route === only)) return this.#shard(only).insert(batches, now, tx)
    return this.#spread(batches, routes, (shard, own) => shard.insert(own, now, tx))
  }

  /**
   * A shard that fails does not take the others down with it: what they gave and stored counts, and its own writes come again with the next
   * claim. When nothing came of the others, its error is thrown.
   */
  async claim(request: ClaimRequest): Promise<Claimed> {
    const settled = new Map<Write, WriteResult>()
    const jobs: Job[] = []
    const nexts: Instant[] = []
    const errors: unknown[] = []
    const first = this.#turn++ % this.#shards.length
    for (let i = 0; i < this.#shards.length; i++) {
      const at = (first + i) % this.#shards.length
      const settle = (request.settle ?? []).filter((write) => this.#of(write.before.queue) === at)
      const limit = request.limit - jobs.length
      try {
        const claimed = await this.#shard(at).claim({ ...request, limit, tasks: left(request.tasks, jobs), settle })
        for (const [j, write] of settle.entries())
          settled.set(write, claimed.settled[j] ?? { ok: false, current: undefined })
        jobs.push(...claimed.jobs)
        if (claimed.nextRunAt !== undefined) nexts.push(claimed.nextRunAt)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0 && jobs.length === 0 && settled.size === 0) throw errors[0]
    const short = jobs.length < request.limit || request.limit === 0
    return {
      jobs,
      settled: (request.settle ?? []).map((write) => settled.get(write) ?? { ok: false, current: write.before }),
      nextRunAt: short && nexts.length > 0 ? Math.min(...nexts) : undefined,
    }
  }

  apply(
    writes: readonly Write[],
    now: Instant,
    tx?: unknown,
  ): Promise<readonly WriteResult[]> | readonly WriteResult[] {
    const routes = writes.map(({ before }) => this.#of(before.queue))
    const [only] = routes
    if (only !== undefined && routes.every((route) => route === only)) return this.#shard(only).apply(writes, now, tx)
    return this.#spread(writes, routes, (shard, own) => shard.apply(own, now, tx))
  }

  /**
   * A shard that fails, or takes a tenth of a lease to answer, does not take the others down with it: of what none of them knows it cannot
   * be told whether it is still held. When all have failed, the error of one is thrown.
   */
  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly RenewResult[]> {
    const patienceMs = Math.min((until - now) / 10, mostPatienceMs)
    const errors: unknown[] = []
    const all = await Promise.all(
      this.#shards.map(async (shard): Promise<readonly RenewResult[]> => {
        try {
          return await within(patienceMs, async () => await shard.renew(renewals, until, now))
        } catch (error) {
          errors.push(error)
          return []
        }
      }),
    )
    if (errors.length === this.#shards.length) throw errors[0]
    const otherwise = errors.length === 0 ? undefined : { error: errors[0] }
    return renewals.map((_, i) => all.map((answers) => answers[i]).find((answer) => answer !== undefined) ?? otherwise)
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    const all = await Promise.all(this.#shards.map(async (shard) => await shard.expired(now, limit)))
    const nexts = all.flatMap(({ nextAt }) => nextAt ?? [])
    const jobs = all
      .flatMap((one) => one.jobs)
      .toSorted((a, b) => (a.leaseUntil ?? 0) - (b.leaseUntil ?? 0) || (a.id < b.id ? -1 : 1))
    return { jobs: jobs.slice(0, limit), nextAt: nexts.length === 0 ? undefined : Math.min(...nexts) }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    let count = 0
    for (const shard of this.#shards) if (count < limit) count += await shard.prune(now, limit - count)
    return count
  }

  async get(ids: readonly string[], tx?: unknown): Promise<readonly (Job | undefined)[]> {
    return await this.#firstOf(ids, (shard) => shard.get(ids, tx))
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    const shards = filter.queue === undefined ? this.#shards : [this.#shard(this.#of(filter.queue))]
    const pages = await Promise.all(shards.map(async (shard) => await shard.list(filter)))
    const way = filter.order === 'oldest' ? 1 : -1
    return pages
      .flat()
      .toSorted((a, b) => (a.id < b.id ? -way : way))
      .slice(0, filter.limit)
  }

  async queues(): Promise<readonly QueueStats[]> {
    const all = await Promise.all(this.#shards.map(async (shard) => await shard.queues()))
    return all.flat().toSorted((a, b) => (a.queue < b.queue ? -1 : 1))
  }

  async configure(queue: string, settings: Partial<QueueSettings>): Promise<void> {
    await this.#shard(this.#of(queue)).configure(queue, settings)
  }

  /** A line does not name its queue, so every shard gets it: those without the job drop it. */
  async log(lines: readonly LogLine[]): Promise<void> {
    await Promise.all(this.#shards.map(async (shard) => await shard.log(lines)))
  }

  async logs(jobId: string, limit: number, after?: number): Promise<readonly StoredLogLine[]> {
    return (await Promise.all(this.#shards.map(async (shard) => await shard.logs(jobId, limit, after)))).flat()
  }

  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    const ends = await Promise.all(this.#shards.map(async (shard) => await shard.listen(ring)))
    return () => {
      for (const end of ends) end()
    }
  }

  async report(): Promise<readonly Finding[]> {
    const all = await Promise.all(this.#shards.map(async (shard) => await shard.report()))
    return all.flatMap((findings, i) => findings.map((finding) => ({ ...finding, name: `${i}: ${finding.name}` })))
  }

  /**
   * A worker tells all shards, since whoever looks may know only one of them. A shard that fails keeps the others from nothing; its error is
   * thrown once all have answered.
   */
  async #tell(presence: Presence, now: Instant, until: Instant): Promise<void> {
    const told = await Promise.allSettled(
      this.#shards.map(async (shard) => await shard.present?.(presence, now, until)),
    )
    for (const one of told) if (one.status === 'rejected') throw one.reason
  }

  /** Each tells all shards, so those that answer will do. When none does, the error of one is thrown. */
  async #present(now: Instant): Promise<readonly PresentWorker[]> {
    const all = await Promise.allSettled(this.#shards.map(async (shard) => (await shard.workers?.(now)) ?? []))
    const errors = all.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []))
    if (errors.length === all.length) throw errors[0]
    const latest = new Map<string, PresentWorker>()
    for (const worker of all.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))) {
      const other = latest.get(worker.id)
      if (other === undefined || other.toldAt < worker.toldAt) latest.set(worker.id, worker)
    }
    return [...latest.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }

  #of(queue: string): number {
    const at = this.#shardBy(queue, this.#shards.length)
    if (!Number.isInteger(at) || at < 0 || at >= this.#shards.length) {
      throw new UsageError(
        `Expected shardBy to answer a whole number from 0 to ${this.#shards.length - 1} for queue "${queue}", got ${at}`,
      )
    }
    return at
  }

  #shard(at: number): Store<unknown> {
    const shard = this.#shards[at]
    if (shard === undefined) throw new UsageError(`There is no shard ${at}`)
    return shard
  }

  #routeOf(batch: Batch): number {
    const queues = [
      ...batch.jobs.map(({ job }) => job.queue),
      ...(batch.writes ?? []).map(({ before }) => before.queue),
    ]
    const routes = new Set(queues.map((queue) => this.#of(queue)))
    const [only] = routes
    if (only !== undefined && routes.size === 1) return only
    if (only === undefined) return 0
    throw new UsageError(
      `These queues live in different files, over which nothing is atomic: ${[...new Set(queues)].join(', ')}. Enqueue them one by one`,
    )
  }

  /** Each item to its own shard; the answers come back in the items' order. */
  async #spread<In, Out>(
    items: readonly In[],
    routes: readonly number[],
    call: (shard: Store<unknown>, own: readonly In[]) => Promise<readonly Out[]> | readonly Out[],
  ): Promise<readonly Out[]> {
    const answers = new Map<number, Out[]>()
    await Promise.all(
      [...new Set(routes)].map(async (at) => {
        const own = items.filter((_, i) => routes[i] === at)
        answers.set(at, [...(await call(this.#shard(at), own))])
      }),
    )
    return routes.flatMap((at) => answers.get(at)?.shift() ?? [])
  }

  /** Asks every shard about every item; at most one knows it. */
  async #firstOf<Out>(
    items: readonly unknown[],
    call: (shard: Store<unknown>) => Promise<readonly (Out | undefined)[]> | readonly (Out | undefined)[],
  ): Promise<readonly (Out | undefined)[]> {
    const all = await Promise.all(this.#shards.map(async (shard) => await call(shard)))
    return items.map((_, i) => all.map((answers) => answers[i]).find((answer) => answer !== undefined))
  }
}

/** What a claim may still take of each task after some were taken. */
function left(
  tasks: ReadonlyMap<string, number> | undefined,
  taken: readonly Job[],
): ReadonlyMap<string, number> | undefined {
  if (tasks === undefined || taken.length === 0) return tasks
  return new Map([...tasks].map(([task, most]) => [task, most - taken.filter((job) => job.task === task).length]))
}

function hashOf(queue: string, count: number): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < queue.length; i++) hash = Math.imul(hash ^ queue.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % count
}
