import { type Backoff, type BackoffFunction, type BackoffPolicy, defaultBackoff, toBackoff } from './core/backoff.ts'
import type { UniqueOption } from './core/dedupe.ts'
import { type Duration, toMs } from './core/duration.ts'
import { PayloadError, UsageError } from './core/errors.ts'
import { expectFunction, expectKnown, expectName, expectWhole, show } from './core/expect.ts'
import { defaultRetention, type Retention, type RetentionPolicy, toRetention } from './core/retention.ts'
import type { EnqueueOptions } from './enqueue-options.ts'
import type { RunningJob } from './running-job.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { Awaitable } from './store.ts'

/** What runs a job. Gets the payload as the task's schema gives it, and the job. What it returns is kept as the job's result, as JSON. */
export type Handler<Payload, Result> = (payload: Payload, job: RunningJob) => Awaitable<Result>

/** A task's policy: what holds for all its jobs unless an enqueue says otherwise. */
export interface TaskPolicy<Payload> {
  /** Unique among the tasks of a queue; part of the stored job, so it should not change. 1 to 255 characters. */
  readonly name: string
  /** Where its jobs wait. Default 'default'. The empty name is legal. */
  readonly queue?: string
  /** How many times a job is run at most, the first time included. Default 5; 1 to 10,000. */
  readonly maxAttempts?: number
  /** How long to wait after a failed attempt. Default exponential from 5 s to 1 h, with a jitter of 0.2. */
  readonly backoff?: Backoff
  /** How long one run may take before its signal is aborted and the attempt counts as failed. Default: no limit. */
  readonly timeout?: Duration
  /** How long finished jobs are kept. Default: completed '1h', failed '7d', cancelled '1d', with their payloads. */
  readonly retention?: Retention
  /** Lower runs first. Default 0; -32,768 to 32,767. */
  readonly priority?: number
  /** At most so many jobs of this task at a time on one worker. Default: the worker's own concurrency. */
  readonly concurrency?: number
  /** Makes the unique key of each job from its payload; `undefined` for none. */
  readonly unique?: (payload: Payload) => UniqueOption | undefined
  /** Makes the concurrency key of each job from its payload: jobs of a queue with the same key never run at the same time. */
  readonly concurrencyKey?: (payload: Payload) => string | undefined
}

/**
 * A task without its handler: enough to enqueue. Small and safe to bundle; workers give it its handler with `handle`.
 * @typeParam In the payload as it is enqueued · Out as the handler gets it, after the schema's defaults and transforms
 */
export interface Task<In = unknown, Out = In> extends AnyTask {
  /** A job to be, for `enqueueMany`. Nothing happens yet. */
  with(...args: EnqueueArgs<In>): Entry
  /** The same task with a handler, for `work`. The task itself is not changed. */
  handle<Result>(handler: Handler<Out, Result>): HandledTask<In, Out, Result>
}

/** A task that can be worked. */
export interface HandledTask<In = unknown, Out = In, Result = unknown> extends Task<In, Out> {
  /** Runs the handler on a stored payload, validated again: it may have been stored by another version of the program. */
  run(payload: unknown, job: RunningJob): Promise<Result>
}

/** Any task, whatever its payload. */
export interface AnyTask {
  readonly name: string
  readonly queue: string
  readonly policy: ResolvedPolicy
  /** Checks a payload that is to be stored. @throws PayloadError saying what is wrong and where */
  check(payload: unknown): Awaitable<void>
}

/** Any task that can be worked. */
export interface AnyHandledTask extends AnyTask {
  run(payload: unknown, job: RunningJob): Promise<unknown>
}

/** A task with its payload, ready to be enqueued together with others. */
export interface Entry {
  readonly task: AnyTask
  readonly payload: unknown
  readonly options: EnqueueOptions
}

/** The payload may be left out where it may be undefined. */
export type EnqueueArgs<In, Options = EnqueueOptions> = undefined extends In
  ? [payload?: In, options?: Options]
  : [payload: In, options?: Options]

/** A task's policy with every default filled in. Times in milliseconds. */
export interface ResolvedPolicy {
  readonly queue: string
  readonly maxAttempts: number
  readonly backoff: BackoffPolicy | BackoffFunction
  readonly timeoutMs: number | undefined
  readonly retention: RetentionPolicy
  readonly priority: number
  readonly concurrency: number
  readonly unique: ((payload: unknown) => UniqueOption | undefined) | undefined
  readonly concurrencyKey: ((payload: unknown) => string | undefined) | undefined
  /** Which of its queue, priority, attempts, backoff and retention the task has said itself; the others are defaults, and give way to a store's own rules. */
  readonly said: ReadonlySet<string>
}

type WithSchema<In, Out> = TaskPolicy<In> & { readonly payload: StandardSchema<In, Out> }

/**
 * Declares a task: its name, the shape of its payload, its policy, and, where it is worked, its handler.
 *
 * The payload's shape is a Standard Schema validator (zod, valibot, arktype), checked when a job is enqueued and again when it is run; or
 * types alone: `task<{ to: string }>({ name: 'send' })`. Without a handler the task can be enqueued, and given one later with `handle`.
 * @throws UsageError for an unknown option or a bad value
 */
export function task<In, Out, Result>(
  options: WithSchema<In, Out> & { readonly handler: Handler<Out, Result> },
): HandledTask<In, Out, Result>
export function task<In, Out>(options: WithSchema<In, Out>): Task<In, Out>
export function task<Payload = undefined, Result = unknown>(
  options: TaskPolicy<Payload> & { readonly payload?: undefined; readonly handler: Handler<Payload, Result> },
): HandledTask<Payload, Payload, Result>
export function task<Payload = undefined>(
  options: TaskPolicy<Payload> & { readonly payload?: undefined },
): Task<Payload>
export function task<In, Out, Result>(
  options: TaskPolicy<In> & {
    readonly payload?: StandardSchema<In, Out> | undefined
    readonly handler?: Handler<Out, Result>
  },
): Task<In, Out> | HandledTask<In, Out, Result> {
  expectKnown(options, optionNames, 'task()')
  const name = expectName(options.name, 'name')
  const policy = resolve(options)
  const parse = parser(name, options.payload)
  const declared: Task<In, Out> = {
    name,
    queue: policy.queue,
    policy,
    with: (payload?: unknown, enqueueOptions: EnqueueOptions = {}) => ({
      task: declared,
      payload,
      options: enqueueOptions,
    }),
    handle: (handler) => withHandler(declared, parse, handler),
    check: (payload) => {
      const parsed = parse(payload)
      return parsed instanceof Promise ? parsed.then(() => undefined) : undefined
    },
  }
  return options.handler === undefined ? declared : withHandler(declared, parse, options.handler)
}

const optionNames = [
  'name',
  'queue',
  'payload',
  'maxAttempts',
  'backoff',
  'timeout',
  'retention',
  'priority',
  'concurrency',
  'unique',
  'concurrencyKey',
  'handler',
]

function withHandler<In, Out, Result>(
  declared: Task<In, Out>,
  parse: (payload: unknown) => Awaitable<Out>,
  handler: Handler<Out, Result>,
): HandledTask<In, Out, Result> {
  expectFunction(handler, 'handler')
  return { ...declared, run: async (payload, job) => await handler(await parse(payload), job) }
}

/** Without a schema the payload is what the types say: nobody looks. */
function parser<In, Out>(
  name: string,
  schema: StandardSchema<In, Out> | undefined,
): (payload: unknown) => Awaitable<Out> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- types alone were asked for
  if (schema === undefined) return (payload) => payload as Out
  const standard = schema['~standard']
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new UsageError(
      `Expected \`payload\` to be a Standard Schema validator (zod, valibot, arktype, …), got ${show(schema)}`,
    )
  }
  const read = (result: Awaited<ReturnType<typeof standard.validate>>): Out => {
    if (result.issues === undefined) return result.value
    const issues = result.issues.map(({ message, path }) => ({
      message,
      path: (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.'),
    }))
    const said = issues.map(({ message, path }) => (path === '' ? message : `${path}: ${message}`)).join('; ')
    throw new PayloadError(`The payload is not one of task "${name}": ${said}`, issues)
  }
  return (payload) => {
    const result = standard.validate(payload)
    return result instanceof Promise ? result.then(read) : read(result)
  }
}

function resolve<In>(options: TaskPolicy<In>): ResolvedPolicy {
  if (options.unique !== undefined) expectFunction(options.unique, 'unique')
  if (options.concurrencyKey !== undefined) expectFunction(options.concurrencyKey, 'concurrencyKey')
  return {
    queue: options.queue === undefined ? 'default' : expectName(options.queue, 'queue', 255, 0),
    maxAttempts:
      options.maxAttempts === undefined
        ? defaultMaxAttempts
        : expectWhole(options.maxAttempts, 'maxAttempts', 1, 10_000),
    backoff: options.backoff === undefined ? defaultBackoff : toBackoff(options.backoff),
    timeoutMs: options.timeout === undefined ? undefined : toMs(options.timeout, 'timeout', 1),
    retention: options.retention === undefined ? defaultRetention : toRetention(options.retention),
    priority: options.priority === undefined ? 0 : expectPriority(options.priority),
    concurrency:
      options.concurrency === undefined ? Number.MAX_SAFE_INTEGER : expectWhole(options.concurrency, 'concurrency', 1),
    unique: ofPayload(options.unique),
    concurrencyKey: ofPayload(options.concurrencyKey),
    said: new Set(ruled.filter((name) => options[name] !== undefined)),
  }
}

/** How many attempts a job has whose task says nothing. */
export const defaultMaxAttempts = 5

/** The options for which a store may have a rule of its own. */
const ruled = ['queue', 'priority', 'maxAttempts', 'backoff', 'retention'] as const

/** Forgets the payload's type: the entry that reaches it was made by the same task. */
function ofPayload<T>(make: ((payload: never) => T) | undefined): ((payload: unknown) => T) | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return make as ((payload: unknown) => T) | undefined
}

/** @throws UsageError outside -32,768 to 32,767 */
export function expectPriority(priority: unknown): number {
  return expectWhole(priority, 'priority', -32_768, 32_767)
}
