import { capabilities } from '../core/capability.ts'
import { states } from '../core/job.ts'
import type { Counts } from '../store.ts'
import type * as shapes from './shapes.ts'

/** A JSON Schema (2020-12), as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>

/** An object with these properties and no other. The type holds the list to the shape: one that is missing here does not compile. */
function object<T>(
  properties: { readonly [K in keyof T]-?: Schema },
  optional: readonly (keyof T & string)[] = [],
): Schema {
  const left: readonly string[] = optional
  const required = Object.keys(properties).filter((name) => !left.includes(name))
  return { type: 'object', properties, required, additionalProperties: false }
}

export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

function list(items: Schema): Schema {
  return { type: 'array', items }
}

function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values }
}

function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] }
}

function says(schema: Schema, description: string): Schema {
  return { ...schema, description }
}

const text: Schema = { type: 'string' }
const count: Schema = { type: 'integer', minimum: 0 }
const whole: Schema = { type: 'integer' }
const number: Schema = { type: 'number' }
const flag: Schema = { type: 'boolean' }
const anything: Schema = { description: 'Any JSON.' }
export const instant: Schema = { type: 'integer', minimum: 0, description: 'Milliseconds since 1970.' }
export const state: Schema = oneOf(...states)
const rate = says(orNull(number), 'Per second; null where it cannot be known.')
const time = says(orNull(number), 'Milliseconds; null where it cannot be known.')
const priority: Schema = { type: 'integer', minimum: -32_768, maximum: 32_767, description: 'Lower runs first.' }
const attempts: Schema = { type: 'integer', minimum: 1, maximum: 10_000 }
const concurrency: Schema = orNull({ type: 'integer', minimum: 0, maximum: 1_000_000 })

const actions = [
  'list',
  'search',
  'logs',
  'workers',
  'enqueue',
  'retry',
  'cancel',
  'delete',
  'run',
  'edit',
  'edit-attempts',
  'pause',
  'limits',
  'bulk',
] as const satisfies readonly shapes.Action[]

const bulkActions = ['retry', 'cancel', 'delete', 'run', 'edit'] as const satisfies readonly shapes.BulkAction[]

/** What rows and details of a job have in common. */
const ofJob = {
  id: text,
  task: text,
  queue: text,
  state,
  priority,
  attempt: count,
  maxAttempts: attempts,
  createdAt: instant,
  runAt: instant,
  startedAt: orNull(instant),
  finishedAt: orNull(instant),
  parent: orNull(text),
  cancel: orNull(text),
}

const query = {
  queue: text,
  task: text,
  createdFrom: instant,
  createdUntil: instant,
  uniqueKey: text,
  parent: text,
  text: { type: 'string', maxLength: 200 },
}

const when = { runAt: instant, delayMs: count }

/** The named schemas: each as the type of its name in `shapes.ts`. */
export const schemas: Readonly<Record<string, Schema>> = {
  Session: object<shapes.Session>({
    access: oneOf('none', 'read', 'full'),
    signIn: { enum: ['token', null] },
    signedIn: flag,
    version: text,
    store: orNull(text),
    capabilities: list(oneOf(...capabilities)),
    actions: says(list(oneOf(...actions)), 'What can be done here, with this access.'),
    tasks: list(object<shapes.TaskView>({ name: text, queue: text, checked: flag })),
    limits: object<shapes.Session['limits']>({ pageSize: count, bodyBytes: count, previewChars: count }),
  }),
  SignIn: object<shapes.SignIn>({ token: text }),
  Counts: object<Counts>({ pending: count, running: count, completed: count, failed: count, cancelled: count }),
  Overview: object<shapes.Overview>({
    at: instant,
    counts: ref('Counts'),
    queues: list(ref('QueueView')),
    oldestDueAt: orNull(instant),
    series: object<shapes.Series>({ stepMs: count, points: list(ref('SeriesPoint')) }),
  }),
  SeriesPoint: object<shapes.SeriesPoint>({
    at: instant,
    pending: count,
    running: count,
    completed: rate,
    failed: rate,
    waitMs: time,
    waitP95Ms: time,
    runMs: time,
    runP95Ms: time,
  }),
  QueueView: object<shapes.QueueView>({
    queue: text,
    paused: flag,
    concurrency,
    priority,
    counts: ref('Counts'),
    tasks: list(object<shapes.QueueView['tasks'][number]>({ task: text, counts: ref('Counts') })),
    nextRunAt: orNull(instant),
  }),
  QueueList: object<shapes.QueueList>({ at: instant, queues: list(ref('QueueView')) }),
  QueueChange: object<shapes.QueueChange>({ queue: text, paused: flag, concurrency, priority }, [
    'paused',
    'concurrency',
    'priority',
  ]),
  WorkerList: object<shapes.WorkerList>({ at: instant, workers: list(ref('WorkerView')) }),
  WorkerView: object<shapes.WorkerView>({
    id: text,
    host: text,
    pid: whole,
    version: text,
    startedAt: instant,
    toldAt: instant,
    until: instant,
    state: oneOf('working', 'stopping'),
    queues: orNull(list(text)),
    concurrency: count,
    running: count,
    runs: list(object<shapes.RunView>({ id: text, task: text, queue: text, attempt: count, since: instant })),
    tasks: list(
      object<shapes.WorkerTaskView>({
        task: text,
        completed: count,
        failed: count,
        waitMs: time,
        waitP95Ms: time,
        runMs: time,
        runP95Ms: time,
      }),
    ),
  }),
  JobPage: object<shapes.JobPage>({
    at: instant,
    jobs: list(ref('JobRow')),
    next: says(orNull(text), '`after` of the next page; null on the last.'),
    searched: says(orNull(count), 'With `text`: how many jobs were looked through for this page.'),
  }),
  JobRow: object<shapes.JobRow>({ ...ofJob, uniqueKey: orNull(text), payload: orNull(text), failure: orNull(text) }),
  JobDetail: object<shapes.JobDetail>({
    ...ofJob,
    at: instant,
    leaseUntil: orNull(instant),
    forgetAt: orNull(instant),
    unique: orNull(
      object<NonNullable<shapes.JobDetail['unique']>>({
        key: text,
        until: { anyOf: [oneOf('claimed', 'settled'), instant] },
        held: flag,
      }),
    ),
    concurrencyKey: orNull(text),
    payload: ref('Preview'),
    result: ref('Preview'),
    failures: list(ref('FailureView')),
    children: list(ref('JobRow')),
    actions: says(
      list(oneOf('retry', 'cancel', 'delete', 'run', 'edit', 'edit-attempts', 'logs')),
      'What may be asked of it now, with this access.',
    ),
  }),
  FailureView: object<shapes.FailureView>({
    attempt: count,
    at: instant,
    name: text,
    message: text,
    stack: orNull(text),
  }),
  Preview: object<shapes.Preview>({
    kind: oneOf('none', 'dropped', 'json', 'bytes'),
    text: says(text, 'JSON text, or hexadecimal for bytes.'),
    size: says(count, 'Of the whole, in characters of JSON text or in bytes.'),
    cut: flag,
    redacted: flag,
  }),
  NewJob: object<shapes.NewJob>(
    {
      task: text,
      payload: anything,
      queue: text,
      priority,
      ...when,
      maxAttempts: attempts,
      uniqueKey: text,
    },
    ['payload', 'queue', 'priority', 'runAt', 'delayMs', 'maxAttempts', 'uniqueKey'],
  ),
  Enqueued: object<shapes.Enqueued>({ id: text, outcome: oneOf('added', 'kept', 'replaced') }),
  JobEdit: object<shapes.JobEdit>({ payload: anything, priority, ...when, maxAttempts: attempts }, [
    'payload',
    'priority',
    'runAt',
    'delayMs',
    'maxAttempts',
  ]),
  CancelReason: object<shapes.CancelReason>({ reason: { type: 'string', minLength: 1, maxLength: 500 } }, ['reason']),
  Cancelled: object<shapes.Cancelled>({
    outcome: oneOf('cancelled', 'requested', 'finished'),
    job: says(orNull(ref('JobDetail')), 'null where retention has already forgotten it.'),
  }),
  LogPage: object<shapes.LogPage>({ lines: list(ref('LogLineView')), after: count }),
  LogLineView: object<shapes.LogLineView>({
    seq: count,
    attempt: count,
    at: instant,
    level: oneOf('debug', 'info', 'warn', 'error'),
    message: text,
    data: ref('Preview'),
  }),
  BulkRequest: object<shapes.BulkRequest>(
    {
      action: oneOf(...bulkActions),
      ids: { type: 'array', items: text, minItems: 1, maxItems: 1_000 },
      filter: ref('BulkFilter'),
      edit: ref('JobEdit'),
      reason: text,
    },
    ['ids', 'filter', 'edit', 'reason'],
  ),
  BulkFilter: object<shapes.BulkFilter>({ ...query, state: oneOf(...states, 'any') }, [
    'queue',
    'task',
    'createdFrom',
    'createdUntil',
    'uniqueKey',
    'parent',
    'text',
  ]),
  Operation: object<shapes.Operation>({
    id: text,
    action: oneOf(...bulkActions),
    state: oneOf('running', 'done', 'stopped', 'failed'),
    startedAt: instant,
    finishedAt: orNull(instant),
    total: orNull(count),
    seen: count,
    done: count,
    skipped: count,
    failed: count,
    failures: list(object<shapes.Operation['failures'][number]>({ id: text, message: text })),
    error: orNull(text),
  }),
  OperationList: object<shapes.OperationList>({ operations: list(ref('Operation')) }),
  Changed: object<shapes.Changed>({ at: instant }),
  Problem: object<shapes.Problem>(
    {
      type: text,
      title: text,
      status: whole,
      detail: text,
      code: text,
      issues: list(object<NonNullable<shapes.Problem['issues']>[number]>({ message: text, path: text })),
    },
    ['issues'],
  ),
}
