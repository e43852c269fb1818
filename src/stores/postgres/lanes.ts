import type { Job } from '../../core/job.ts'
import { numberArray, textArray } from '../pg/array.ts'
import { type Row, toText } from './row.ts'

/** A queue, a task and a priority; the jobs with concurrency keys apart. */
export interface Lane {
  readonly id: number
  readonly queueId: number
  readonly queue: string
  readonly task: string
  readonly priority: number
  readonly keyed: boolean
}

type Ask = (text: string, values: readonly (string | null)[]) => Promise<readonly Row[]>

/** What tells the lane of a job. */
type Kind = Pick<Job, 'queue' | 'task' | 'priority' | 'concurrencyKey'>

/** The lanes that this process has met. They are never changed and never removed, so that what is known stays true. */
export class Lanes {
  readonly #query: Ask
  readonly #byKey = new Map<string, Lane>()
  readonly #byId = new Map<number, Lane>()

  /** @param query runs statements outside of anybody's transaction: a lane made inside one would keep others waiting for its end */
  constructor(query: Ask) {
    this.#query = query
  }

  /** The lane of a job, if it is known. */
  known(job: Kind): Lane | undefined {
    return this.#byKey.get(keyOf(job.priority, job.queue, job.task, job.concurrencyKey !== undefined))
  }

  knownById(id: number): Lane | undefined {
    return this.#byId.get(id)
  }

  /** Makes sure that the lanes of these jobs are known; a lane without jobs is seen by nobody. */
  async prepare(jobs: Iterable<Kind>): Promise<void> {
    const missing = new Map<string, Kind>()
    for (const job of jobs) {
      const key = keyOf(job.priority, job.queue, job.task, job.concurrencyKey !== undefined)
      if (!this.#byKey.has(key)) missing.set(key, job)
    }
    if (missing.size === 0) return
    const kinds = [...missing.values()]
    this.#keep(
      await this.#query('select * from @.lanes_of($1::text[], $2::text[], $3::integer[], $4::boolean[])', [
        textArray(kinds.map(({ queue }) => queue)),
        textArray(kinds.map(({ task }) => task)),
        numberArray(kinds.map(({ priority }) => priority)),
        textArray(kinds.map(({ concurrencyKey }) => (concurrencyKey === undefined ? 'f' : 't'))),
      ]),
    )
  }

  /** Makes sure that the lanes with these ids are known: somebody else has made them. */
  async learn(ids: Iterable<number>): Promise<void> {
    const missing = [...ids].filter((id) => !this.#byId.has(id))
    if (missing.length === 0) return
    this.#keep(await this.#query(byId, [numberArray(missing)]))
  }

  of(job: Kind): Lane {
    const lane = this.known(job)
    if (lane === undefined) throw new Error(`There is no lane for ${job.task} in ${job.queue}: it was not prepared`)
    return lane
  }

  byId(id: number): Lane {
    const lane = this.#byId.get(id)
    if (lane === undefined)
      throw new Error(`There is no lane ${id}: the tables were changed by something that is not jobferry`)
    return lane
  }

  #keep(rows: readonly Row[]): void {
    for (const [id, queueId, queue, task, priority, keyed] of rows) {
      const lane = {
        id: Number(id),
        queueId: Number(queueId),
        queue: toText(queue),
        task: toText(task),
        priority: Number(priority),
        keyed: keyed === 't',
      }
      this.#byId.set(lane.id, lane)
      this.#byKey.set(keyOf(lane.priority, lane.queue, lane.task, lane.keyed), lane)
    }
  }
}

const byId = `
  select l.id::text as id, l.queue::text as queue_id, u.name as queue, l.task as task, l.priority::text as priority, case when l.keyed then 't' else 'f' end as keyed
  from @.lane l join @.queue u on u.id = l.queue
  where l.id = any ($1::text::integer[])`

/** Names hold no control characters, so this is unambiguous. */
function keyOf(priority: number, queue: string, task: string, keyed: boolean): string {
  return `${priority}${keyed ? 'k' : ''}\n${queue}\n${task}`
}
