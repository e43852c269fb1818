import { type EnqueueOptions, type Entry, type Task, task, type TaskPolicy } from '../../src/index.ts'
import { Chance } from './chance.ts'
import { type Plan, poisonJobs } from './plan.ts'

/** How the jobs of a run differ, each with its share of them. What they do is in worker.ts, what they must come to in ledger.ts. */
const shares = {
  /** Writes its effect and completes in one transaction. */
  transfer: 42,
  /** Writes its effect outside: it may happen more than once. */
  plain: 12,
  /** As transfer; its row is removed when it completes. */
  fleeting: 8,
  /** Fails twice, then as transfer. */
  flaky: 6,
  /** Fails each time. */
  doomed: 3,
  /** As transfer; never two of one concurrency key at once. */
  keyed: 12,
  /** As transfer; never two of one unique key waiting or running. */
  unique: 5,
  /** As transfer; enqueued again by a producer that does not know whether it was, under the same unique key. */
  once: 5,
  /** As transfer, and enqueues a child in the same transaction. */
  parent: 3,
  /** Snoozes first. */
  snoozing: 1,
  /** Runs for longer than its lease. */
  long: 1,
  /** Somebody cancels it. */
  unwanted: 2,
}

export type Kind = keyof typeof shares | 'poison' | 'child'

/** `n` is the same when a producer enqueues anew what it did not see acknowledged; `of` is how many of its batch must be there with it. */
export interface Payload {
  readonly n: number
  readonly kind: Kind
  readonly batch: string
  readonly of: number
}

const policy: Partial<TaskPolicy<Payload>> = {
  queue: 'money',
  maxAttempts: 100,
  backoff: '20ms',
  retention: { completed: 'forever', failed: 'forever', cancelled: 'forever' },
}

export const tasks: Readonly<Record<Kind, Task<Payload>>> = {
  transfer: task<Payload>({ ...policy, name: 'transfer' }),
  plain: task<Payload>({ ...policy, name: 'plain', queue: 'misc' }),
  fleeting: task<Payload>({ ...policy, name: 'fleeting', retention: { completed: false } }),
  flaky: task<Payload>({ ...policy, name: 'flaky' }),
  doomed: task<Payload>({ ...policy, name: 'doomed', queue: 'misc', maxAttempts: 3 }),
  keyed: task<Payload>({ ...policy, name: 'keyed' }),
  unique: task<Payload>({ ...policy, name: 'unique' }),
  once: task<Payload>({ ...policy, name: 'once' }),
  parent: task<Payload>({ ...policy, name: 'parent' }),
  snoozing: task<Payload>({ ...policy, name: 'snoozing', queue: 'misc' }),
  long: task<Payload>({ ...policy, name: 'long', queue: 'misc' }),
  unwanted: task<Payload>({ ...policy, name: 'unwanted', queue: 'misc' }),
  poison: task<Payload>({ ...policy, name: 'poison', queue: 'misc', maxAttempts: 3 }),
  child: task<Payload>({ ...policy, name: 'child', queue: 'misc' }),
}

/** The kind of the job with this number, which depends on the seed alone. */
export function kindOf(n: number, plan: Plan): Kind {
  const poisonEvery = Math.max(1, Math.floor(plan.jobs / poisonJobs(plan)))
  return n % poisonEvery === poisonEvery >> 1 ? 'poison' : new Chance(plan.seed).of(n).weighted(shares)
}

/** Whether a job of this kind may find its unique key held, and then not be added. */
export function contends(kind: Kind): boolean {
  return kind === 'unique' || kind === 'once'
}

export function entryOf(payload: Payload): Entry {
  return tasks[payload.kind].with(payload, optionsOf(payload))
}

function optionsOf({ n, kind }: Payload): EnqueueOptions {
  const priority = n % 3
  if (kind === 'keyed') return { priority, concurrencyKey: `c${n % 4}` }
  if (kind === 'once') return { priority, unique: { key: `once ${n}`, until: '30d' } }
  if (kind === 'unique')
    return {
      priority,
      unique: { key: `u${n % 25}`, until: 'settled', onConflict: n % 2 === 0 ? 'keep' : 'replace' },
    }
  return n % 20 === 0 ? { priority, delay: '500ms' } : { priority }
}
