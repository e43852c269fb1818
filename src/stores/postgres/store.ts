import { randomUUID } from 'node:crypto'

import { type Capability, capabilities } from '../../core/capability.ts'
import { UsageError } from '../../core/errors.ts'
import type { Instant, Job } from '../../core/job.ts'
import { expectFaultless, type Write } from '../../core/lifecycle.ts'
import type { Presence, PresentWorker } from '../../core/presence.ts'
import type {
  Batch,
  BatchResult,
  Bell,
  ClaimRequest,
  Claimed,
  Expired,
  Finding,
  JobFilter,
  LogLine,
  OwnTransaction,
  QueueSettings,
  QueueStats,
  Renewal,
  Renewed,
  Store,
  StoredLogLine,
  WriteResult,
} from '../../store.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { Bells } from './bells.ts'
import { Caller } from './caller.ts'
import { Connections } from '../pg/connections.ts'
import { Exchange } from './exchange.ts'
import { Insertion } from './insertion.ts'
import { Lanes } from './lanes.ts'
import { Link, type Statement } from '../pg/link.ts'
import { listQuery } from './list.ts'
import { expectKnown, type Installation, migrate, readInstallation } from './migrate.ts'
import { type PostgresOptions, type PostgresSettings, postgresSettings } from './options.ts'
import { OwnTransactions } from '../pg/own-transactions.ts'
import { type Driver, loadDriver, type PgClient } from '../pg/pg.ts'
import { report } from './report/index.ts'
import { toJob, toLogLine, toOptionalNumber, toOptionalText, toPresentWorker, toText } from './row.ts'
import { toWriteResults } from './settlement.ts'
import { channelOf, inSchema, makeStatements, type Statements } from './statements.ts'
import { toQueueStats } from './stats.ts'
import { toQuery } from '../pg/tx.ts'
import { withUrlOptions } from '../pg/url.ts'

/** Times that are no options: only tests have a reason to set them. In milliseconds. */
export interface PostgresTimes {
  /** How often the connection that listens is tried. Default 10,000. */
  readonly heartbeatMs?: number
}

/** After so many transactions of ours the lines of the tally are summed up. */
const sumUpEvery = 500

/**
 * Jobs in one schema of a PostgreSQL database, 13 or later.
 *
 * Every call is one statement, most of them a call of a function that lives beside the tables (`functions/`), and so one transaction. `tx` is
 * a caller's open transaction of any of the clients that `tx.ts` knows.
 */
export class PostgresStore implements Store<object> {
  readonly name = 'postgres'
  readonly capabilities: ReadonlySet<Capability>
  readonly settings: PostgresSettings
  readonly #connections: Connections
  readonly #link: Link
  readonly #lanes: Lanes
  readonly #statements: Statements
  readonly #bells: Bells
  readonly #insertion: Insertion
  readonly #exchange: Exchange
  readonly #caller: Caller
  readonly #ownConnections: Connections
  readonly #own: OwnTransactions
  #installation: Installation | undefined
  #uncounted = 0
  #closing: Promise<void> | undefined

  /** Connects with the first call, not before. @throws UsageError for a bad option, or when the package `pg` is not installed */
  static async open(url: string, options: PostgresOptions = {}, times: PostgresTimes = {}): Promise<PostgresStore> {
    const { url: rest, options: all } = withUrlOptions(url, options)
    const settings = postgresSettings(all)
    const driver = settings.pool === undefined ? await loadDriver(rest, settings) : undefined
    return new PostgresStore(settings, driver, times)
  }

  /** Made by `open`. With a pool of the caller's there is no driver, and so nobody to listen. */
  constructor(settings: PostgresSettings, driver: Driver | undefined, { heartbeatMs = 10_000 }: PostgresTimes = {}) {
    this.settings = settings
    const pool = settings.pool ?? driver?.pool(settings.connections)
    if (pool === undefined) throw new UsageError('Expected a URL or a `pool` to connect with')
    this.#connections = new Connections(pool)
    // Apart from the others: a claim or a renewal must not wait behind the transactions of handlers.
    const ownPool = driver?.pool(settings.transactions, 'unhurried')
    this.#ownConnections = ownPool === undefined ? this.#connections : new Connections(ownPool)
    this.#own = new OwnTransactions(this.#ownConnections, {
      most: settings.transactions,
      timeoutMs: settings.timeoutMs,
    })
    const listens = settings.notify && driver !== undefined
    this.capabilities = new Set(
      capabilities.filter((capability) => capability !== 'pipeline' && (capability !== 'listen' || listens)),
    )
    this.#link = new Link(
      this.#connections,
      settings.prepare,
      'postgres',
      async (client) => void (await this.#read(client)),
    )
    this.#statements = makeStatements(settings.schema)
    this.#lanes = new Lanes(async (text, values) => await this.#link.run(this.#unnamed(text), values))
    const channel = channelOf(settings.schema)
    this.#bells = new Bells({
      channel,
      sign: randomUUID().slice(0, 8),
      notify: settings.notify,
      listener: listens ? () => driver.listener() : undefined,
      heartbeatMs,
    })
    const get = async (ids: readonly string[]): Promise<readonly (Job | undefined)[]> => await this.get(ids)
    this.#insertion = new Insertion(this.#link, this.#statements, this.#lanes, this.#bells, {
      relaxed: settings.durability.enqueue === 'relaxed',
      get,
    })
    this.#exchange = new Exchange(this.#link, this.#statements, this.#lanes, this.#bells, {
      relaxed: settings.durability.settle === 'relaxed',
      get,
    })
    this.#caller = new Caller(this.#statements, this.#lanes, channel, settings.notify ? 'jobs' : null)
  }

  async migrate(): Promise<void> {
    this.#installation = await this.#link.hold(async (client) => await migrate(client, this.settings.schema))
  }

  async check(): Promise<void> {
    this.#installation = await this.#link.hold(async (client) => {
      const found = await readInstallation(client, this.settings.schema)
      return found === undefined ? undefined : expectKnown(found, this.settings.schema)
    })
  }

  async close(): Promise<void> {
    this.#link.close()
    this.#closing ??= this.#close()
    await this.#closing
  }

  /** The server's clock: that of the machine it runs on, which need not be ours. */
  async time(): Promise<Instant> {
    const [row] = await this.#link.run(this.#statements('time'), [])
    return Number(row?.[0])
  }

  async begin(): Promise<OwnTransaction<PgClient>> {
    this.#link.expectOpen()
    return await this.#own.begin()
  }

  async insert(batches: readonly Batch[], now: Instant, tx?: object): Promise<readonly BatchResult[]> {
    this.#link.expectOpen()
    const rows = batches.flatMap(({ jobs, writes = [] }) => [...jobs.map(({ job }) => job), ...rowsOf(writes)])
    expectFaultless(rows)
    if (batches.every(({ jobs, writes = [] }) => jobs.length === 0 && writes.length === 0))
      return batches.map(() => ({ ok: true, holders: [] }))
    if (tx !== undefined) expectTransaction(tx)
    await this.#lanes.prepare(rows)
    if (tx !== undefined) return await this.#caller.insert(batches, now, tx, (await this.#known()).id)
    const results = await this.#insertion.insert(batches, now)
    if (results.some(({ ok }) => ok)) this.#bells.ring('jobs')
    await this.#counted()
    return results
  }

  async claim(request: ClaimRequest): Promise<Claimed> {
    this.#link.expectOpen()
    expectFaultless(rowsOf(request.settle ?? []))
    const claimed = await this.#exchange.claim(request)
    if (claimed.settled.length > 0 || claimed.jobs.length > 0) await this.#counted()
    return claimed
  }

  async apply(writes: readonly Write[], _now: Instant, tx?: object): Promise<readonly WriteResult[]> {
    this.#link.expectOpen()
    expectFaultless(rowsOf(writes))
    if (writes.length === 0) return []
    if (tx !== undefined) expectTransaction(tx)
    if (tx === undefined) {
      const results = await this.#exchange.settle(writes)
      await this.#counted()
      return results
    }
    await this.#lanes.prepare(rowsOf(writes))
    const refused = await this.#caller.apply(writes, tx, (await this.#known()).id)
    return toWriteResults(writes, refused, await this.#current(refused, tx))
  }

  async renew(renewals: readonly Renewal[], until: Instant, now: Instant): Promise<readonly (Renewed | undefined)[]> {
    this.#link.expectOpen()
    if (renewals.length === 0) return []
    const sorted = renewals.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const ids = textArray(sorted.map(({ id }) => id))
    const leases = textArray(sorted.map(({ lease }) => lease))
    const relaxed = String(this.settings.durability.settle === 'relaxed')
    const rows = await this.#link.run(this.#statements('renew'), [ids, leases, String(until), String(now), relaxed])
    const renewed = new Map(
      rows.map(([id, lease, rev, cancel]) => [
        `${toText(id)} ${toText(lease)}`,
        { rev: Number(rev), cancel: toOptionalText(cancel) },
      ]),
    )
    return renewals.map(({ id, lease }) => renewed.get(`${id} ${lease}`))
  }

  async expired(now: Instant, limit: number): Promise<Expired> {
    const rows = await this.#link.run(this.#statements('expired'), [String(now), String(limit)])
    const [next] = await this.#link.run(this.#statements('nextExpiry'), [String(now)])
    return { jobs: rows.map(toJob), nextAt: toOptionalNumber(next?.[0]) }
  }

  async prune(now: Instant, limit: number): Promise<number> {
    const [row] = await this.#link.run(this.#statements('prune'), [String(now), String(limit)])
    await this.#counted(sumUpEvery)
    return Number(row?.[0])
  }

  async get(ids: readonly string[], tx?: object): Promise<readonly (Job | undefined)[]> {
    this.#link.expectOpen()
    if (ids.length === 0) return []
    const values = [textArray(ids)]
    const get = this.#statements('get')
    const rows = tx === undefined ? await this.#link.run(get, values) : await this.#caller.rows(tx, get.text, values)
    const byId = new Map(rows.map((row) => [toText(row[0]), toJob(row)]))
    return ids.map((id) => byId.get(id))
  }

  async list(filter: JobFilter): Promise<readonly Job[]> {
    const { text, values } = listQuery(filter)
    return (await this.#link.run({ ...this.#unnamed(text), withinMs: filter.withinMs }, values)).map(toJob)
  }

  async queues(): Promise<readonly QueueStats[]> {
    return toQueueStats(await this.#link.run(this.#statements('queues'), []))
  }

  async configure(queue: string, { paused, concurrency, priority }: Partial<QueueSettings>): Promise<void> {
    await this.#link.run(this.#statements('configure'), [
      queue,
      paused === undefined ? null : String(paused),
      concurrency === undefined || concurrency === null ? null : String(concurrency),
      String(concurrency !== undefined),
      priority === undefined ? null : String(priority),
      this.#bells.channel,
      this.#bells.word('jobs'),
      this.#bells.word('control'),
    ])
    this.#bells.ring('control')
    this.#bells.ring('jobs')
  }

  async log(lines: readonly LogLine[]): Promise<void> {
    this.#link.expectOpen()
    if (lines.length === 0) return
    const values = [
      textArray(lines.map(({ jobId }) => jobId)),
      numberArray(lines.map(({ attempt }) => attempt)),
      numberArray(lines.map(({ at }) => at)),
      textArray(lines.map(({ level }) => level)),
      textArray(lines.map(({ message }) => message)),
      textArray(lines.map(({ data }) => data)),
    ]
    const rows = await this.#link.tryRun(this.#statements('log'), values)
    if (rows === undefined) await this.#link.run(this.#statements('logAgain'), values)
  }

  async logs(jobId: string, limit: number, after = 0): Promise<readonly StoredLogLine[]> {
    return (await this.#link.run(this.#statements('logs'), [jobId, String(after), String(limit)])).map(toLogLine)
  }

  /** Own writes ring at once, those of others by NOTIFY. */
  async listen(ring: (bell: Bell) => void): Promise<() => void> {
    this.#link.expectOpen()
    return await this.#bells.listen(ring)
  }

  /** Two statements, each whole: between them a reader sees no more than that somebody is gone. */
  async present(presence: Presence, now: Instant, until: Instant): Promise<void> {
    const values = [presence.id, String(now), String(until), JSON.stringify(presence)]
    await this.#link.run(this.#statements('present'), values)
    await this.#link.run(this.#statements('removeGone'), [String(now)])
  }

  async workers(now: Instant): Promise<readonly PresentWorker[]> {
    return (await this.#link.run(this.#statements('workers'), [String(now)])).map(toPresentWorker)
  }

  async report(): Promise<readonly Finding[]> {
    return await report(async (text) => await this.#link.run(this.#unnamed(text), []), this.settings)
  }

  async #close(): Promise<void> {
    this.#own.abandon()
    const ends = [this.#bells.end()]
    if (this.settings.pool === undefined) ends.push(this.#connections.end(), this.#ownConnections.end())
    else this.#connections.leave()
    await Promise.all(ends)
  }

  async #current(ids: readonly string[], tx: object): Promise<ReadonlyMap<string, Job | undefined>> {
    const unique = [...new Set(ids)]
    const jobs = await this.get(unique, tx)
    return new Map(unique.map((id, i) => [id, jobs[i]]))
  }

  /** A transaction of ours has added lines to the tally. Never throws: what was done is done, and the lines can be summed up by the next. */
  async #counted(by = 1): Promise<void> {
    this.#uncounted += by
    if (this.#uncounted < sumUpEvery) return
    this.#uncounted = 0
    await this.#link.run(this.#statements('sumUp'), []).catch(() => (this.#uncounted = sumUpEvery / 2))
  }

  async #known(): Promise<Installation> {
    return (this.#installation ??= await this.#link.hold(async (client) => await this.#read(client)))
  }

  /** @throws StoreError unless the tables are there, and those that this program knows */
  async #read(client: PgClient): Promise<Installation> {
    return expectKnown(await readInstallation(client, this.settings.schema), this.settings.schema)
  }

  /** A statement that is not kept prepared. */
  #unnamed(text: string): Statement {
    return { name: '', text: inSchema(text, this.settings.schema) }
  }
}

/** @throws UsageError, before anything is sent, when it is no transaction that can be used */
function expectTransaction(tx: object): void {
  toQuery(tx)
}

function rowsOf(writes: readonly Write[]): readonly Job[] {
  return writes.flatMap(({ after }) => after ?? [])
}
