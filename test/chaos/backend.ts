import type { Instant } from '../../src/core/job.ts'
import type { Enqueued, Entry, Jobs, RunningJob } from '../../src/index.ts'
import type { Awaitable, Store } from '../../src/store.ts'
import type { Failpoints } from './failpoints.ts'
import type { Part, Plan } from './plan.ts'
import { postgres } from './postgres/backend.ts'
import { redis } from './redis/backend.ts'
import { sqlite } from './sqlite/backend.ts'
import type { Change } from './tape.ts'

/**
 * A kind of store under torture, and all that the kill test knows of it: the workload, the nemesis and the rules are the same for all.
 * A new one is a folder beside these, and an entry in `backends`.
 */
export interface Backend {
  /** Whether a handler's effect, its child and the end of its job are one transaction. Where not, they come before the end, once or more. */
  readonly transactional: boolean
  /** Makes an empty store, with the tables of the application beside it and the tape running. In the process that judges. */
  readonly prepare: (plan: Plan, epoch: Instant) => Promise<Ground>
  /** Opens what was prepared, in a worker or a producer: watched, with failpoints around what it commits, and the planned bug in it. */
  readonly enter: (part: Part, failpoints: Failpoints) => Promise<Access>
}

export const backends = { sqlite, postgres, redis } as const satisfies Readonly<Record<string, Backend>>

export type BackendName = keyof typeof backends

export const backendNames: readonly BackendName[] = ['sqlite', 'postgres', 'redis']

/** What a run stands on. Gone with all its jobs when disposed of, but for what lies in the folder of the run. */
export interface Ground extends AsyncDisposable {
  /** How the processes of the fleet find it. */
  readonly address: string
  readonly store: Store<unknown>
  readonly records: Records
  /** Crashes the server, and starts it again. Absent where there is none. */
  readonly crash?: () => Promise<void>
}

/** What the database says when all is over. Read past the library. */
export interface Records {
  /** Whether no job waits or runs any more: by the rows, since the counters are to be judged, too. */
  readonly drained: () => Promise<boolean>
  readonly tape: () => AsyncIterable<Change>
  readonly effects: () => Promise<readonly Pick<Effect, 'job' | 'lease'>[]>
  readonly children: () => Promise<readonly { readonly parent: string; readonly child: string }[]>
  readonly rows: () => Promise<readonly RowLeft[]>
  /** How many jobs of each queue, task and state there are. */
  readonly recount: () => Promise<readonly Count[]>
  /** What the database finds wrong with its own files. */
  readonly faults: () => Promise<readonly string[]>
}

export interface RowLeft {
  readonly id: string
  readonly state: number
  readonly attempt: number
  /** 1 if it is left out of turn, waiting for its concurrency key; otherwise 0. */
  readonly parked: number
}

export interface Count {
  readonly queue: string
  readonly task: string
  readonly state: number
  readonly n: number
}

/** The store, and the application whose jobs it keeps, as one process has them. */
export interface Access {
  readonly store: Store<unknown>
  /** Once jobs are open on the store. */
  readonly application: (jobs: Jobs) => Application
}

/** What handlers and producers do with a database of their own. */
export interface Application {
  /** By itself. */
  readonly effect: (effect: Effect) => Awaitable<void>
  /** The effect, the child, and the end of the job in one transaction. */
  readonly complete: (job: RunningJob, effect: Effect | undefined, child: Entry | undefined) => Awaitable<void>
  /** In a transaction of the application's own. `beforeCommit` sees what will have been added. */
  readonly enqueue: (
    entries: readonly Entry[],
    beforeCommit: (enqueued: readonly Enqueued[]) => void,
  ) => Awaitable<readonly Enqueued[]>
}

/** What a handler leaves behind. There are no unique indexes on it, so that a double can be seen. */
export interface Effect {
  readonly job: string
  readonly lease: string
  readonly attempt: number
  readonly who: string
  readonly at: Instant
}
