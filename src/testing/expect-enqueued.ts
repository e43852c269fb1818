import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'

import { type Duration, fromMs, toMs } from '../core/duration.ts'
import { expectFunction, expectKnown, expectName, expectWhole } from '../core/expect.ts'
import type { Instant } from '../core/job.ts'
import { decode, encode } from '../core/payload.ts'
import { toInstant } from '../core/schedule.ts'
import type { JobInfo } from '../info.ts'
import type { Jobs } from '../jobs.ts'
import type { JobFilter } from '../store.ts'
import { expectPriority, type Task } from '../task.ts'
import { has, type Some, type Stored } from './stored.ts'

/** A job that waits, with its payload as it is stored. */
export type WaitingJob<In> = Omit<JobInfo, 'payload'> & { readonly payload: Stored<In> }

/** What is expected of a job that waits. What is not given may be anything. */
export interface Expected<In> {
  /** What the payload has, at least: of objects any of their properties. */
  readonly payload?: Some<In>
  /** Says whether it is the one. */
  readonly where?: (job: WaitingJob<In>) => boolean
  /** Exactly so many such jobs. Default: at least one. */
  readonly count?: number
  readonly queue?: string
  readonly priority?: number
  /** How long after its enqueue the job is due; 0 for at once. */
  readonly delay?: Duration
  /** When it is due: a Date or milliseconds since 1970. */
  readonly runAt?: Date | Instant
  /** Its unique key. */
  readonly unique?: string
}

/** In an error message there is room for so many jobs. */
const mostShown = 10

const pageSize = 1_000

/**
 * Holds that a job of the task waits now, and answers with those that do, the oldest first. Jobs that have been run wait no more, unless
 * for another attempt.
 * @throws AssertionError showing what waits instead · UsageError for a misspelt option
 */
export async function expectEnqueued<In, Out>(
  jobs: Jobs,
  task: Task<In, Out>,
  expected: Expected<In> = {},
): Promise<readonly WaitingJob<In>[]> {
  const { count } = expected
  if (count !== undefined) expectWhole(count, 'count', 0)
  const fits = toFits(expected)
  const waiting = await enqueued(jobs, task)
  const found = waiting.filter(fits)
  if (count === undefined ? found.length > 0 : found.length === count) return found
  const number = count === undefined ? 'a job' : count === 1 ? '1 job' : `${count} jobs`
  const instead = await insteadOf(jobs, task, waiting)
  throw new AssertionError({
    message: `Expected ${number} of task "${task.name}" to wait${having(expected)}, found ${found.length || 'none'}.\n${instead}`,
    expected: [shown(expected)],
    actual: waiting.map(facts),
    operator: 'expectEnqueued',
  })
}

/**
 * Holds that no job of the task, or none such, waits now. Best said with as little as possible: a job that differs in what you named passes.
 * @throws AssertionError showing the jobs · UsageError for a misspelt option
 */
export async function expectNotEnqueued<In, Out>(
  jobs: Jobs,
  task: Task<In, Out>,
  expected: Omit<Expected<In>, 'count'> = {},
): Promise<void> {
  expectKnown(expected, optionNames.slice(1), 'expectNotEnqueued()')
  const found = (await enqueued(jobs, task)).filter(toFits(expected))
  if (found.length === 0) return
  throw new AssertionError({
    message: `Expected no job of task "${task.name}" to wait${having(expected)}, found ${found.length}:\n${lines(found)}`,
    expected: [],
    actual: found.map(facts),
    operator: 'expectNotEnqueued',
  })
}

/** The jobs of a task, or of all tasks, that wait now, the oldest first. */
export async function enqueued<In, Out>(jobs: Jobs, task: Task<In, Out>): Promise<readonly WaitingJob<In>[]>
export async function enqueued(jobs: Jobs): Promise<readonly JobInfo[]>
export async function enqueued(jobs: Jobs, task?: { readonly name: string }): Promise<readonly JobInfo[]> {
  return await all(jobs, task === undefined ? { state: 'pending' } : { state: 'pending', task: task.name })
}

const optionNames = ['count', 'payload', 'where', 'queue', 'priority', 'delay', 'runAt', 'unique']

async function all(jobs: Jobs, filter: Partial<JobFilter>): Promise<readonly JobInfo[]> {
  const found: JobInfo[] = []
  for (;;) {
    const after = found.at(-1)?.id
    const page = await jobs.list({ ...filter, order: 'oldest', limit: pageSize, after })
    found.push(...page)
    if (page.length < pageSize) return found
  }
}

/** Everything is checked before the store is asked, so that a misspelt expectation never holds by chance. */
function toFits<In>(expected: Expected<In>): (job: WaitingJob<In>) => boolean {
  expectKnown(expected, optionNames, 'expectEnqueued()')
  const { where = () => true } = expected
  expectFunction(where, 'where')
  const queue = expected.queue === undefined ? undefined : expectName(expected.queue, 'queue', 255, 0)
  const priority = expected.priority === undefined ? undefined : expectPriority(expected.priority)
  const delayMs = expected.delay === undefined ? undefined : toMs(expected.delay, 'delay')
  const runAt = expected.runAt === undefined ? undefined : toInstant(expected.runAt, 'runAt')
  const wanted = decode(encode(expected.payload, 'payload'))
  return (job) =>
    (queue === undefined || job.queue === queue) &&
    (priority === undefined || job.priority === priority) &&
    (delayMs === undefined || job.runAt - job.createdAt === delayMs) &&
    (runAt === undefined || job.runAt === runAt) &&
    (expected.unique === undefined || job.unique?.key === expected.unique) &&
    (wanted === undefined || has(job.payload, wanted)) &&
    where(job)
}

async function insteadOf<In>(
  jobs: Jobs,
  task: { readonly name: string },
  waiting: readonly WaitingJob<In>[],
): Promise<string> {
  if (waiting.length > 0) return `These wait:\n${lines(waiting)}`
  const past = await all(jobs, { task: task.name })
  const states = past.map(({ state }) => state)
  const counts = [...new Set(states)].map((state) => `${states.filter((one) => one === state).length} ${state}`)
  const others = await enqueued(jobs)
  return [
    counts.length === 0 ? 'It was never enqueued.' : `Of its jobs none waits any more: ${counts.join(', ')}.`,
    others.length === 0 ? 'No other job waits.' : `Of other tasks these wait:\n${lines(others)}`,
  ].join(' ')
}

function lines(jobs: readonly Fact[]): string {
  const shownJobs = jobs.slice(0, mostShown).map((job) => `  ${job.task} ${show(facts(job))}`)
  if (jobs.length > mostShown) shownJobs.push(`  … and ${jobs.length - mostShown} more`)
  return shownJobs.join('\n')
}

type Fact = Pick<JobInfo, 'task' | 'payload' | 'queue' | 'priority' | 'runAt' | 'createdAt' | 'unique' | 'attempt'>

/** A job in the words of an expectation, without what is as usual. */
function facts({ payload, queue, priority, runAt, createdAt, unique, attempt }: Fact): object {
  return {
    ...(payload === undefined ? {} : { payload }),
    queue,
    ...(priority === 0 ? {} : { priority }),
    ...(runAt < createdAt ? { runAt: new Date(runAt) } : { delay: fromMs(runAt - createdAt) }),
    ...(unique === undefined ? {} : { unique: unique.key }),
    ...(attempt === 0 ? {} : { attempt }),
  }
}

function having<In>(expected: Expected<In>): string {
  const wanted = shown(expected)
  return Object.keys(wanted).length === 0 ? '' : ` with ${show(wanted)}`
}

function shown<In>({ count: _count, ...wanted }: Expected<In>): object {
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
}

function show(value: object): string {
  return inspect(value, { depth: 6, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200, maxArrayLength: 20 })
}
