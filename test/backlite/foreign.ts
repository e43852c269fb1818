import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'

import type { QueueConfig } from './fixture.ts'
import { textOf } from './kit.ts'

/** A queue as a Go program registers it. */
export interface ForeignQueue extends Partial<QueueConfig> {
  readonly name: string
  readonly run: (task: unknown, attempt: number) => Promise<void>
}

interface ForeignTask {
  readonly id: string
  readonly queue: string
  readonly task: Uint8Array
  readonly attempts: number
  readonly wait_until: number | null
}

let made = 0

/** A `Save` of a Go program: one transaction, the task as its encoder writes it. Gives the ids. */
export function save(
  db: DatabaseSync,
  tasks: readonly { readonly queue: string; readonly task: unknown }[],
  waitUntil: number | null = null,
): readonly string[] {
  db.exec('begin')
  const insert = db.prepare(
    'INSERT INTO backlite_tasks (id, created_at, queue, task, wait_until) VALUES (?, ?, ?, ?, ?)',
  )
  const ids = tasks.map(({ queue, task }) => {
    const now = Date.now()
    const id = uuid(now)
    insert.run(id, now, queue, Buffer.from(`${goJson(task)}\n`), waitUntil)
    return id
  })
  db.exec('commit')
  return ids
}

/**
 * A dispatcher that follows the protocol of backlite in plain SQL, on a connection of its own: reads as many tasks as it has workers, of all
 * queues, and one more to know when to look again; claims them without a guard; and polls never. It knows nothing of ours.
 */
export class ForeignDispatcher {
  readonly #db: DatabaseSync
  readonly #queues: ReadonlyMap<string, ForeignQueue>
  readonly #workers: number
  readonly #releaseMs: number
  readonly #busy = new Set<Promise<void>>()
  #stopped = false
  #notify: () => void = () => undefined

  constructor(
    db: DatabaseSync,
    queues: readonly ForeignQueue[],
    options: { readonly workers?: number; readonly releaseMs?: number } = {},
  ) {
    this.#db = db
    this.#queues = new Map(queues.map((queue) => [queue.name, queue]))
    this.#workers = options.workers ?? 5
    this.#releaseMs = options.releaseMs ?? 600_000
  }

  /** Runs until it is stopped. */
  async start(): Promise<void> {
    while (!this.#stopped) {
      if (this.#busy.size === this.#workers) {
        await Promise.race(this.#busy)
        continue
      }
      const nextMs = this.#fetch()
      if (nextMs !== undefined && nextMs <= 0 && this.#busy.size > 0) await Promise.race(this.#busy)
      else if (nextMs === undefined || nextMs > 0) await this.#notified(nextMs)
    }
    await Promise.all(this.#busy)
  }

  /** What a `Save` of the same client does, when it is committed. */
  notify(): void {
    this.#notify()
  }

  /** Lets what runs end. */
  stop(): void {
    this.#stopped = true
    this.#notify()
  }

  /** Reads, and claims what is due, but never runs it: as if the process had ended. Says how many those were. */
  die(): number {
    return this.#claim().due.length
  }

  #fetch(): number | undefined {
    const { due, next } = this.#claim()
    for (const task of due) {
      const run = this.#run({ ...task, attempts: task.attempts + 1 }).finally(() => this.#busy.delete(run))
      this.#busy.add(run)
    }
    if (next === undefined) return undefined
    return next.wait_until === null ? 0 : next.wait_until - Date.now()
  }

  #claim(): { readonly due: readonly ForeignTask[]; readonly next: ForeignTask | undefined } {
    const free = this.#workers - this.#busy.size
    const tasks = this.#db
      .prepare(
        `SELECT id, queue, task, attempts, wait_until FROM backlite_tasks
         WHERE claimed_at IS NULL OR claimed_at < ? ORDER BY wait_until ASC, id ASC LIMIT ?`,
      )
      .all(Date.now() - this.#releaseMs, free + 1) as unknown as readonly ForeignTask[]
    const now = Date.now()
    const end = tasks.findIndex(({ wait_until: at }, i) => i >= free || (at !== null && at > now))
    const due = end < 0 ? tasks : tasks.slice(0, end)
    if (due.length > 0)
      this.#db
        .prepare(
          `UPDATE backlite_tasks SET claimed_at = ?, attempts = attempts + 1 WHERE id IN (${due.map(() => '?').join(',')})`,
        )
        .run(Date.now(), ...due.map(({ id }) => id))
    return { due, next: end < 0 ? undefined : tasks[end] }
  }

  async #run(task: ForeignTask): Promise<void> {
    const queue = this.#queues.get(task.queue)
    if (queue === undefined) throw new Error(`queue '${task.queue}' not registered`) // the end of a Go program
    const startedAt = Date.now()
    try {
      await queue.run(JSON.parse(textOf(task.task)), task.attempts)
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if ((queue.maxAttempts ?? 1) - task.attempts < 1) return this.#complete(queue, task, startedAt, text)
      this.#db
        .prepare('UPDATE backlite_tasks SET claimed_at = NULL, wait_until = ?, last_executed_at = ? WHERE id = ?')
        .run(Date.now() + (queue.backoffMs ?? 0), startedAt, task.id)
      return this.notify()
    }
    this.#complete(queue, task, startedAt, null)
  }

  #complete({ retention }: ForeignQueue, task: ForeignTask, startedAt: number, error: string | null): void {
    this.#db.exec('begin')
    const { created_at: createdAt = null } =
      this.#db.prepare('SELECT created_at FROM backlite_tasks WHERE id = ?').get(task.id) ?? {}
    this.#db.prepare('DELETE FROM backlite_tasks WHERE id = ?').run(task.id)
    if (retention && !(retention.onlyFailed && error === null))
      this.#db
        .prepare('INSERT INTO backlite_tasks_completed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          task.id,
          createdAt,
          task.queue,
          startedAt,
          task.attempts,
          (Date.now() - startedAt) * 1_000,
          error === null ? 1 : 0,
          retention.data === null || (retention.data.onlyFailed && error === null) ? null : task.task,
          retention.durationMs === 0 ? null : Date.now() + retention.durationMs,
          error,
        )
    this.#db.exec('commit')
  }

  async #notified(ms: number | undefined): Promise<void> {
    const over = new AbortController()
    const told = new Promise<void>((resolve) => (this.#notify = resolve))
    const timed = ms === undefined ? new Promise<void>(() => undefined) : wait(ms, undefined, over)
    await Promise.race([told, timed.catch(() => undefined)])
    over.abort()
  }
}

/** JSON as Go's encoder has it: what could end a script in HTML is escaped. */
function goJson(value: unknown): string {
  const escapes: Readonly<Record<string, string>> = {
    '<': String.raw`\u003c`,
    '>': String.raw`\u003e`,
    '&': String.raw`\u0026`,
    '\u2028': String.raw`\u2028`,
    '\u2029': String.raw`\u2029`,
  }
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (one) => escapes[one]!)
}

/** A UUID of version 7, of the time and a count. */
function uuid(now: number): string {
  const time = now.toString(16).padStart(12, '0')
  const count = (++made).toString(16).padStart(15, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count.slice(0, 3)}-8${count.slice(3, 6)}-${count.slice(6).padStart(12, '0')}`
}
