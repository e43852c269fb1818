import type { Job } from '../../core/job.ts'
import { claimed } from '../../core/lifecycle.ts'
import type { ClaimRequest } from '../../store.ts'
import { textArray } from '../pg/array.ts'
import type { Row } from '../pg/query.ts'
import { ids, keyValues } from './keys.ts'
import type { Leases } from './leases.ts'
import { type Key, toErrorCount, toInstant, toJob, toKey, toText } from './row.ts'
import { type Ask, UncertainError } from './session.ts'
import type { Statements } from './statements.ts'

/** How often a claim begins again for what it has locked and found gone, or more than may be taken of its task. */
const mostRounds = 10

/** Takes jobs with the session's locks. */
export class Taker {
  readonly #statements: Statements
  readonly #leases: Leases
  readonly #maxAttempts: number

  constructor(statements: Statements, leases: Leases, maxAttempts: number) {
    this.#statements = statements
    this.#leases = leases
    this.#maxAttempts = maxAttempts
  }

  async take(request: ClaimRequest, ask: Ask): Promise<readonly Job[]> {
    const { tasks, limit } = request
    const left = tasks === undefined ? undefined : new Map(tasks)
    const jobs: Job[] = []
    let locked: readonly Key[] = []
    try {
      for (let round = 0; round < mostRounds && jobs.length < limit; round++) {
        const open = left === undefined ? undefined : [...left].filter(([, most]) => most > 0).map(([task]) => task)
        if (open?.length === 0) break
        const wanted = limit - jobs.length
        locked = await this.#lock(request, open, wanted, ask)
        const taken = locked.length === 0 ? [] : await this.#keep(locked, request, left, ask)
        jobs.push(...taken)
        if (locked.length < wanted && taken.length === locked.length) break
        locked = []
      }
    } catch (error) {
      // Nobody will hear of these jobs, so nobody would ever let them go.
      const lost = [...jobs, ...locked]
      for (const { id } of lost) this.#leases.remove(id)
      await this.unlock(lost, ask)
      throw error
    }
    return jobs
  }

  /** When the next job falls due that could be taken. */
  async nextRunAt({ tasks, queues, now }: ClaimRequest, ask: Ask): Promise<number | undefined> {
    const values = [lanes(queues), tasks === undefined ? null : classes([...tasks.keys()]), String(now)]
    const [row] = await ask(this.#statements.next, values)
    return toInstant(row?.[0])
  }

  /** Tries the locks of jobs, and says of which it has got them. */
  async tryLock(keys: readonly Key[], ask: Ask): Promise<ReadonlySet<string>> {
    const rows = await this.#locking(async () => await ask(this.#statements.tryLock, [ids(keys)]))
    return new Set(rows.map((row) => toText(row[0])))
  }

  /** Lets go of locks whose rows are settled and committed. A lock that was not held means that we know nothing: the session is closed. */
  async unlock(locked: readonly { readonly id: string }[], ask: Ask): Promise<void> {
    if (locked.length === 0) return
    const rows = await this.#locking(async () => await ask(this.#statements.unlock, [ids(locked)]))
    if (rows.some((row) => row[1] !== 'true')) throw new UncertainError('a lock that was to be let go was not held')
  }

  /** Locks are no part of a transaction: a statement that fails may have taken some, or let some go. */
  async #locking(work: () => Promise<readonly Row[]>): Promise<readonly Row[]> {
    try {
      return await work()
    } catch (error) {
      throw new UncertainError('a statement about locks failed', error)
    }
  }

  async #lock(
    { queues, now }: ClaimRequest,
    tasks: readonly string[] | undefined,
    wanted: number,
    ask: Ask,
  ): Promise<readonly Key[]> {
    const held = ids(this.#leases.all.map(({ key }) => key))
    const values = [lanes(queues), held, tasks === undefined ? null : classes(tasks), String(now), String(wanted)]
    return (await this.#locking(async () => await ask(this.#statements.lock, values))).map(toKey)
  }

  /** Keeps those that are still there and due, and no more of a task than may be taken; the others are let go. */
  async #keep(
    locked: readonly Key[],
    { lease, until, now }: ClaimRequest,
    left: Map<string, number> | undefined,
    ask: Ask,
  ): Promise<readonly Job[]> {
    const rows = await ask(this.#statements.recheck, [...keyValues(locked), String(now)])
    const jobs: Job[] = []
    for (const row of rows) {
      const waiting = toJob(row, this.#maxAttempts)
      const most = left === undefined ? 1 : (left.get(waiting.task) ?? 0)
      if (most === 0) continue
      left?.set(waiting.task, most - 1)
      const job = claimed(waiting, lease, until, now)
      this.#leases.put({ key: toKey(row), errors: toText(toErrorCount(row)), job, completing: false })
      jobs.push(job)
    }
    await this.unlock(
      locked.filter(({ id }) => this.#leases.get(id) === undefined),
      ask,
    )
    return jobs
  }
}

function lanes(queues: readonly string[] | undefined): string | null {
  return queues === undefined ? null : classes(queues)
}

function classes(names: readonly string[]): string {
  return textArray(names) ?? '{}'
}
