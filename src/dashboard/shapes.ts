import type { Capability } from '../core/capability.ts'
import type { Instant, State } from '../core/job.ts'
import type { Counts } from '../store.ts'

export type * from './steer-shapes.ts'

/*
 * What goes over the wire between the dashboard's server and its page, or a script. `openapi.ts` says the same in OpenAPI 3.1.
 *
 * Paths are relative to where the dashboard is mounted (the page has a `<base href>`). Everything is JSON; errors are `Problem`s with
 * `content-type: application/problem+json`. Times are milliseconds since 1970. What is absent is `null`, never left out.
 *
 * Every mutation (POST, PATCH, DELETE) carries `x-jobferry: 1`, and `content-type: application/json` with a body (`{}` if there is
 * nothing to say). Scripts authenticate with `authorization: Bearer TOKEN`; the page gives the token once to `POST api/session`.
 *
 * GET    api/openapi.json                                       this API, described
 * GET    api/session                                            Session (also with access 'none': it says how to sign in; never 401)
 * POST   api/session            SignIn                          Session, and a cookie (HttpOnly, SameSite=Strict); 401 for a wrong token
 * DELETE api/session                                            204, the cookie is gone
 * GET    api/overview                                           Overview
 * GET    api/queues                                             QueueList
 * PATCH  api/queues             QueueChange                     QueueView
 * GET    api/workers                                            WorkerList; 501 without the capability `workers`
 * GET    api/jobs               ?JobQuery                       JobPage; 501 without the capability `inspect`
 * POST   api/jobs               NewJob                          201 Enqueued
 * GET    api/jobs/{id}                                          JobDetail; 404
 * PATCH  api/jobs/{id}          JobEdit                         JobDetail; 409 unless it waits
 * DELETE api/jobs/{id}                                          204; 409 while it runs, 404
 * POST   api/jobs/{id}/retry    {}                              JobDetail; 409 while it runs or its payload is gone
 * POST   api/jobs/{id}/run      {}                              JobDetail: a waiting job is due now; 409 unless it waits
 * POST   api/jobs/{id}/cancel   CancelReason                    Cancelled
 * GET    api/jobs/{id}/logs     ?after=seq&limit=1..1000        LogPage; 501 without the capability `logs`
 * GET    api/operations                                         OperationList, the newest first
 * POST   api/operations         BulkRequest                     202 Operation: it runs on; look again, or watch the feed
 * GET    api/operations/{id}                                    Operation
 * DELETE api/operations/{id}                                    Operation: asked to stop; what is done stays done
 * GET    api/events                                             text/event-stream, see `FeedEvent`
 *
 * Any other GET without `api/` is an asset, or the page itself (`index.html`), so that the page may route by path.
 */

/** `none` sees nothing, `read` looks, `full` also steers. */
export type Access = 'none' | 'read' | 'full'

export interface Session {
  readonly access: Access
  /** How to get more: by a token given to `POST api/session`, or `null`: the application that mounts the dashboard decides. */
  readonly signIn: 'token' | null
  /** Whether a cookie of `POST api/session` is in use, so that signing out means something. */
  readonly signedIn: boolean
  /** jobferry's own. */
  readonly version: string
  /** All below is empty or `null` with access `none`. */
  readonly store: string | null
  /** What the store can do. Show no button for what is not listed. */
  readonly capabilities: readonly Capability[]
  /** What of the API works here and with this access. One list for every button: show exactly those listed. */
  readonly actions: readonly Action[]
  /** The tasks the application has named to the dashboard: with a schema, their payloads are checked at an enqueue by hand. By name. */
  readonly tasks: readonly TaskView[]
  readonly limits: {
    /** Of a page of jobs. */
    readonly pageSize: number
    /** Of a request, in bytes. */
    readonly bodyBytes: number
    /** Of a payload, result or log datum before it is cut, in characters. */
    readonly previewChars: number
  }
}

/**
 * `pause`: PATCH api/queues with `paused` · `limits`: with `concurrency`, `priority` · `edit-attempts`: PATCH api/jobs/{id} with
 * `maxAttempts` · `search`: JobQuery.text · the rest as they are called.
 */
export type Action =
  | 'list'
  | 'search'
  | 'logs'
  | 'workers'
  | 'enqueue'
  | 'retry'
  | 'cancel'
  | 'delete'
  | 'run'
  | 'edit'
  | 'edit-attempts'
  | 'pause'
  | 'limits'
  | 'bulk'

export interface TaskView {
  readonly name: string
  /** Where its jobs wait if nothing else is said. */
  readonly queue: string
  /** Whether a payload is checked before it is enqueued by hand. */
  readonly checked: boolean
}

export interface SignIn {
  readonly token: string
}

export interface Overview {
  readonly at: Instant
  readonly counts: Counts
  readonly queues: readonly QueueView[]
  /** Since when the job waits that has been due longest, in a queue that is not paused; `null` if none is due. */
  readonly oldestDueAt: Instant | null
  readonly series: Series
}

/**
 * How it went lately. Sampled while somebody watches; older points only where workers' own counters reach back. Points are `stepMs` apart
 * or more, the oldest first, at most 240.
 */
export interface Series {
  readonly stepMs: number
  readonly points: readonly SeriesPoint[]
}

/** Per second since the point before; `null` where it cannot be known. */
export interface SeriesPoint {
  readonly at: Instant
  readonly pending: number
  readonly running: number
  /** Runs that succeeded, per second. */
  readonly completed: number | null
  /** Runs that failed, whether or not they get another attempt, per second. */
  readonly failed: number | null
  /** How long runs that ended since had waited once due, on average, in milliseconds. */
  readonly waitMs: number | null
  /** What 95 of 100 of those waits stay below, coarsely. */
  readonly waitP95Ms: number | null
  /** How long they took, on average, in milliseconds. */
  readonly runMs: number | null
  readonly runP95Ms: number | null
}

export interface QueueView {
  readonly queue: string
  readonly paused: boolean
  /** At most so many run at a time; `null` for no limit. */
  readonly concurrency: number | null
  readonly priority: number
  readonly counts: Counts
  readonly tasks: readonly { readonly task: string; readonly counts: Counts }[]
  /** The earliest `runAt` of a job that waits: in the past, it is due. */
  readonly nextRunAt: Instant | null
}

export interface QueueList {
  readonly at: Instant
  readonly queues: readonly QueueView[]
}

/** What is not given stays. */
export interface QueueChange {
  readonly queue: string
  readonly paused?: boolean
  readonly concurrency?: number | null
  readonly priority?: number
}

export interface WorkerList {
  readonly at: Instant
  readonly workers: readonly WorkerView[]
}

/** A worker that is alive: it told so lately. */
export interface WorkerView {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Of jobferry. */
  readonly version: string
  readonly startedAt: Instant
  /** When it last told, by its own clock. */
  readonly toldAt: Instant
  /** Unless it tells again, it counts as gone from then on. */
  readonly until: Instant
  /** `stopping`: takes nothing more, and what runs may end. */
  readonly state: 'working' | 'stopping'
  /** `null` for all. */
  readonly queues: readonly string[] | null
  readonly concurrency: number
  /** How many jobs it runs. */
  readonly running: number
  /** What it runs, the longest first; at most 200. */
  readonly runs: readonly RunView[]
  /** Every task it knows, by name, and what came of its runs since the worker started. */
  readonly tasks: readonly WorkerTaskView[]
}

export interface RunView {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly attempt: number
  readonly since: Instant
}

export interface WorkerTaskView {
  readonly task: string
  readonly completed: number
  /** Runs that failed, whether or not they got another attempt. */
  readonly failed: number
  /** On average, and what 95 of 100 stay below (coarsely), in milliseconds; `null` before the first. */
  readonly waitMs: number | null
  readonly waitP95Ms: number | null
  readonly runMs: number | null
  readonly runP95Ms: number | null
}

/** As a query string. Fields narrow together. */
export interface JobQuery {
  readonly queue?: string
  readonly task?: string
  readonly state?: State
  /** Created at or after. */
  readonly createdFrom?: Instant
  /** Created before. */
  readonly createdUntil?: Instant
  readonly uniqueKey?: string
  readonly parent?: string
  /** Exactly this job; all else must hold, too. */
  readonly id?: string
  /** Only jobs whose payload, as JSON text, contains this, whatever the case. See `JobPage.searched`. At most 200 characters. */
  readonly text?: string
  readonly order?: 'newest' | 'oldest'
  /** `next` of the page before. */
  readonly after?: string
  /** 1 to 200, clamped; default 50. */
  readonly limit?: number
}

export interface JobPage {
  readonly at: Instant
  readonly jobs: readonly JobRow[]
  /** `after` of the next page; `null` on the last. A page of very large jobs may be shorter than asked for. */
  readonly next: string | null
  /**
   * With `text`: how many jobs were looked through for this page, at most 2,000, so that a page may hold few or none and still have a
   * `next`. `null` without.
   */
  readonly searched: number | null
}

/** A job in a list. */
export interface JobRow {
  readonly id: string
  readonly task: string
  readonly queue: string
  readonly state: State
  readonly priority: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly createdAt: Instant
  readonly runAt: Instant
  readonly startedAt: Instant | null
  readonly finishedAt: Instant | null
  readonly uniqueKey: string | null
  readonly parent: string | null
  /** Why a running job was asked to stop. */
  readonly cancel: string | null
  /** The beginning of the payload as JSON text, at most 200 characters; `null` for none. */
  readonly payload: string | null
  /** The latest failure in one line, at most 300 characters. */
  readonly failure: string | null
}

export interface JobDetail extends Omit<JobRow, 'payload' | 'failure' | 'uniqueKey'> {
  readonly at: Instant
  readonly leaseUntil: Instant | null
  /** When it is forgotten; `null` for never. */
  readonly forgetAt: Instant | null
  readonly unique: {
    readonly key: string
    readonly until: 'claimed' | 'settled' | Instant
    readonly held: boolean
  } | null
  readonly concurrencyKey: string | null
  readonly payload: Preview
  readonly result: Preview
  /** Runs that did not succeed, the oldest first, at most 20. */
  readonly failures: readonly FailureView[]
  /** The first 50 jobs that its handler enqueued, the oldest first; all are in `GET api/jobs?parent=`. Empty without `inspect`. */
  readonly children: readonly JobRow[]
  /** What may be asked of it now, with this access. */
  readonly actions: readonly Extract<
    Action,
    'retry' | 'cancel' | 'delete' | 'run' | 'edit' | 'edit-attempts' | 'logs'
  >[]
}

export interface FailureView {
  readonly attempt: number
  readonly at: Instant
  readonly name: string
  readonly message: string
  readonly stack: string | null
}

/**
 * A value, or as much of it as fits.
 *
 * `none`: there is none · `dropped`: there was, but retention has dropped it · `json`: `text` is JSON, indented by two, whole unless `cut` ·
 * `bytes`: `text` is hexadecimal.
 */
export interface Preview {
  readonly kind: 'none' | 'dropped' | 'json' | 'bytes'
  readonly text: string
  /** The whole, in characters of JSON text or in bytes. */
  readonly size: number
  readonly cut: boolean
  /** Whether `redact` has changed it: what is shown is then not what is stored, and must not be offered for editing. */
  readonly redacted: boolean
}

/**
 * What the feed says, by `event:`; `data:` is the JSON. Comment lines (`:`) every 15 s are its heartbeat. The browser's EventSource reconnects by
 * itself. At most one of a kind in half a second, whatever happens.
 *
 * overview: Overview, first at once, then whenever counts or settings have changed · change: `Changed`: what else is shown may have changed,
 * read it again · operation: Operation, as it goes on · end: `{}`, the server is closing; reconnect later.
 */
export type FeedEvent = 'overview' | 'change' | 'operation' | 'end'

export interface Changed {
  readonly at: Instant
}

/** RFC 9457. */
export interface Problem {
  /** `about:blank`, or `urn:jobferry:CODE` with `code` below. */
  readonly type: string
  readonly title: string
  readonly status: number
  /** A sentence for people. */
  readonly detail: string
  /** For programs: usage, payload, state, conflict, unsupported, store, not-found, forbidden, unauthorized, too-large, method, host, csrf … */
  readonly code: string
  /** For `payload`: what the task's schema found, and where (`to.0.name`). */
  readonly issues?: readonly { readonly message: string; readonly path: string }[]
}
