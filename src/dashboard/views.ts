import { type Failure, type Instant, type Job, type State, states } from '../core/job.ts'
import type { PresentWorker } from '../core/presence.ts'
import type { Counts, QueueStats, StoredLogLine } from '../store.ts'
import { cut, payloadLine, payloadPreview, previewChars, shownPreview, storedPreview } from './preview.ts'
import { hidden, type Redact, redacted } from './redact.ts'
import { doneBy, meanOf, p95Of } from './series.ts'
import type { Action, FailureView, JobDetail, JobRow, LogLineView, QueueView, WorkerView } from './shapes.ts'

const linePayloadChars = 200
const lineFailureChars = 300

/** A job in a list. */
export function toRow(job: Job, redact: Redact | undefined): JobRow {
  const latest = job.failures.at(-1)
  return {
    ...common(job),
    uniqueKey: job.unique?.key ?? null,
    payload: payloadLine(job, linePayloadChars, redact),
    failure: latest === undefined ? null : failureLine(toFailureView(latest, job, redact)),
  }
}

/** All that is shown of a job. `allowed` is what may be asked of any job here. */
export function toDetail(
  job: Job,
  children: readonly JobRow[],
  allowed: readonly Action[],
  redact: Redact | undefined,
  at: Instant,
): JobDetail {
  return {
    ...common(job),
    at,
    leaseUntil: job.leaseUntil ?? null,
    forgetAt: job.forgetAt ?? null,
    unique: job.unique === undefined ? null : { key: job.unique.key, until: job.unique.until, held: job.unique.held },
    concurrencyKey: job.concurrencyKey ?? null,
    payload: payloadPreview(job, redact),
    result: storedPreview(job.result, job, 'result', redact),
    failures: job.failures.map((failure) => toFailureView(failure, job, redact)),
    children,
    actions: jobActions.filter((action) => allowed.includes(action) && applies(action, job)),
  }
}

export function toLogLine(line: StoredLogLine, job: Job, redact: Redact | undefined): LogLineView {
  const { seq, attempt, at, level } = line
  if (redact === undefined)
    return { seq, attempt, at, level, message: line.message, data: storedPreview(line.data, job, 'log', undefined) }
  const data: unknown = line.data === undefined ? undefined : JSON.parse(line.data)
  const shown = redacted(redact, { message: line.message, data }, job, 'log')
  return {
    seq,
    attempt,
    at,
    level,
    message: textIn(shown, 'message'),
    data: shownPreview(isObject(shown) ? Reflect.get(shown, 'data') : undefined, line.data),
  }
}

export function toQueueView(stats: QueueStats): QueueView {
  const { queue, paused, concurrency, priority, counts, tasks, nextRunAt } = stats
  return {
    queue,
    paused,
    concurrency,
    priority,
    counts,
    tasks: Object.entries(tasks).map(([task, of]) => ({ task, counts: of })),
    nextRunAt: nextRunAt ?? null,
  }
}

export function toWorkerView(worker: PresentWorker): WorkerView {
  const { id, host, pid, version, startedAt, toldAt, until, state, concurrency, running, runs } = worker
  const names = [...new Set([...worker.tasks, ...Object.keys(worker.tallies)])].toSorted()
  return {
    id,
    host,
    pid,
    version,
    startedAt,
    toldAt,
    until,
    state,
    queues: worker.queues ?? null,
    concurrency,
    running,
    runs,
    tasks: names.map((task) => {
      const tally = Object.hasOwn(worker.tallies, task) ? worker.tallies[task] : undefined
      const { completed, failed, waited, ran } = doneBy(tally === undefined ? [] : [tally])
      return {
        task,
        completed,
        failed,
        waitMs: meanOf(waited),
        waitP95Ms: p95Of(waited),
        runMs: meanOf(ran),
        runP95Ms: p95Of(ran),
      }
    }),
  }
}

export function sumOf(queues: readonly { readonly counts: Counts }[]): Counts {
  const of = (state: State): number => queues.reduce((total, { counts }) => total + counts[state], 0)
  return {
    pending: of('pending'),
    running: of('running'),
    completed: of('completed'),
    failed: of('failed'),
    cancelled: of('cancelled'),
  }
}

/** The kept counts of a queue, a task, both or everything. */
export function countsOf(
  stats: readonly QueueStats[],
  queue: unknown,
  task: unknown,
): readonly { readonly counts: Counts }[] {
  return stats
    .filter((one) => queue === undefined || one.queue === queue)
    .flatMap(({ counts, tasks }) => {
      if (typeof task !== 'string') return [{ counts }]
      const ofTask = Object.hasOwn(tasks, task) ? tasks[task] : undefined
      return ofTask === undefined ? [] : [{ counts: ofTask }]
    })
}

/** Which of two jobs came first, by their ids. Ours sort as text; those of guests are numbers. */
export function compareIds(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

/** The state of this name. @throws nothing: `undefined` for one that nobody knows */
export function toState(name: unknown): State | undefined {
  return states.find((state) => state === name)
}

type JobAction = JobDetail['actions'][number]

const jobActions: readonly JobAction[] = ['retry', 'run', 'edit', 'edit-attempts', 'cancel', 'delete', 'logs']

/** As `core/lifecycle.ts` decides it. */
function applies(action: JobAction, job: Job): boolean {
  switch (action) {
    case 'retry':
      return job.state !== 'running' && job.payload !== undefined
    case 'run':
    case 'edit':
    case 'edit-attempts':
      return job.state === 'pending'
    case 'cancel':
      return job.state === 'pending' || (job.state === 'running' && job.cancel === undefined)
    case 'delete':
      return job.state !== 'running'
    case 'logs':
      return true
  }
}

function common(job: Job) {
  return {
    id: job.id,
    task: job.task,
    queue: job.queue,
    state: job.state,
    priority: job.priority,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    createdAt: job.createdAt,
    runAt: job.runAt,
    startedAt: job.startedAt ?? null,
    finishedAt: job.finishedAt ?? null,
    parent: job.parent ?? null,
    cancel: job.cancel ?? null,
  }
}

function toFailureView(
  { attempt, at, name, message, stack }: Failure,
  job: Job,
  redact: Redact | undefined,
): FailureView {
  if (redact === undefined) return { attempt, at, name, message, stack: stack ?? null }
  const shown = redacted(redact, { name, message, stack }, job, 'failure')
  const shownStack = isObject(shown) ? Reflect.get(shown, 'stack') : undefined
  return {
    attempt,
    at,
    name: textIn(shown, 'name'),
    message: textIn(shown, 'message'),
    stack: typeof shownStack === 'string' ? cut(shownStack, previewChars) : null,
  }
}

function failureLine({ name, message }: FailureView): string {
  return cut(`${name}: ${message}`.replaceAll(/\s+/g, ' '), lineFailureChars)
}

/** A redaction may give back anything at all; what is not as expected is not shown. */
function textIn(shown: unknown, name: string): string {
  const value: unknown = isObject(shown) ? Reflect.get(shown, name) : undefined
  return typeof value === 'string' ? value : hidden
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
