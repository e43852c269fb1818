import { hostname } from 'node:os'

import type { Instant } from '../../core/job.ts'
import type { ClaimRequest } from '../../store.ts'
import { textArray } from '../pg/array.ts'
import type { Format } from './format.ts'
import { toText } from './row.ts'
import type { Ask } from './session.ts'
import type { Statements } from './statements.ts'

/** How often our row is looked after, in milliseconds: the table is emptied when the server crashes. */
const everyMs = 30_000

/** No more workers than this are claimed to be ours: Que tells one worker of each job, and the more the likelier. */
const mostWorkers = 50

/** What our row says. */
interface Entry {
  readonly queues: string
  readonly workers: number
  readonly at: Instant
}

/**
 * Our row among Que's lockers, which Que's trigger tells of new jobs, one of them of each. It belongs to the session that listens, and says
 * from which queues the session takes jobs; so it is written with a claim.
 */
export class Lockers {
  readonly #table: string
  readonly #format: Format
  readonly #queueNames: string
  #entry: Entry | undefined
  /** The session that listens, or that did. */
  #pid: string | undefined

  constructor(format: Format, { queueNames }: Pick<Statements, 'queueNames'>) {
    this.#table = format.table.replace(/que_jobs$/, 'que_lockers')
    this.#format = format
    this.#queueNames = queueNames
  }

  /** Sees to it that the row is there, and is right. */
  async attend({ queues, limit, now }: ClaimRequest, ask: Ask): Promise<void> {
    const fresh = this.#entry !== undefined && now - this.#entry.at < everyMs
    const workers = Math.min(Math.max(limit, this.#entry?.workers ?? 1), mostWorkers)
    if (fresh && workers === this.#entry?.workers && (queues === undefined || textArray(queues) === this.#entry.queues))
      return
    const names = queues ?? (await ask(this.#queueNames, [null])).map((row) => toText(row[0]))
    const entry = { queues: textArray(names.length === 0 ? ['default'] : names) ?? '{}', workers, at: now }
    const listening = this.#entry !== undefined
    await this.#clean(ask)
    if (!listening) this.#pid = toText((await ask('select pg_backend_pid()::text'))[0]?.[0])
    const { schemaVersion } = this.#format
    await ask(
      `insert into ${this.#table} (pid, worker_count, worker_priorities, ruby_pid, ruby_hostname, queues, listening${
        schemaVersion === undefined ? '' : ', job_schema_version'
      })
      values (pg_backend_pid(), $1::integer, $2::integer[], $3::integer, $4::text, $5::text[], true${
        schemaVersion === undefined ? '' : `, ${schemaVersion}`
      })`,
      [String(workers), `{${'null,'.repeat(workers).slice(0, -1)}}`, String(process.pid), hostname(), entry.queues],
    )
    if (!listening) await ask(`listen que_listener_${this.#pid}`)
    this.#entry = entry
  }

  /** Takes the row away, so that nobody is told of jobs in vain. */
  async leave(ask: Ask): Promise<void> {
    if (this.#entry === undefined) return
    this.#entry = undefined
    await ask('unlisten *')
    await this.#clean(ask)
  }

  /** The session is gone, and its row goes with our next, or with the next of any locker. */
  lost(): void {
    this.#entry = undefined
  }

  /**
   * As every locker does: our own row, and those of the dead. And that of the session we have lost, if it is not another's by now: the server
   * may not have noticed yet, and would go on to tell it of jobs.
   */
  async #clean(ask: Ask): Promise<void> {
    await ask(
      `delete from ${this.#table} where pid = pg_backend_pid()
        or (pid = $1::integer and ruby_pid = $2::integer and ruby_hostname = $3::text)
        or not exists (select from pg_stat_activity a where a.pid = ${this.#table}.pid)`,
      [this.#pid ?? null, String(process.pid), hostname()],
    )
  }
}
