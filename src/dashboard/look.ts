import { expectName } from '../core/expect.ts'
import { firstIdAt } from '../core/id.ts'
import { type Job, states } from '../core/job.ts'
import type { Awaitable, JobFilter, Store } from '../store.ts'
import { Refusal } from './problem.ts'
import { payloadText } from './preview.ts'
import type { Redact } from './redact.ts'
import type { JobQuery } from './shapes.ts'
import { compareIds, countsOf, sumOf, toState } from './views.ts'

export const largestPage = 200
const usualPage = 50

/** How long the store may take for one page that somebody waits for, in milliseconds, where it can be told to stop. */
export const patienceMs = 2_000

/** How far a search for text goes for one page. What is behind is the next page's. */
const mostSearched = 2_000

/** How much one page reads, in characters, and how many jobs at a time. */
const mostChars = 16 * 1024 * 1024
const partSize = 50
const searchPartSize = 100

/** The largest instant that a Date can show. */
const latest = 8_640_000_000_000_000

/** What to look for: a store's filter, and what is looked at here. */
export interface Look {
  readonly filter: JobFilter
  readonly id: string | undefined
  /** In lower case. */
  readonly text: string | undefined
}

export interface Found {
  readonly jobs: readonly Job[]
  readonly next: string | null
  readonly searched: number | null
}

const names = [
  'queue',
  'task',
  'state',
  'createdFrom',
  'createdUntil',
  'uniqueKey',
  'parent',
  'id',
  'text',
  'order',
  'after',
  'limit',
]

/** Reads the query of a list that somebody waits for. Numbers too large or too small are clamped. @throws Refusal 400 · UsageError */
export function readQuery(params: URLSearchParams): Look {
  const given = new Map<string, string>()
  for (const [name, value] of params) {
    if (!names.includes(name))
      throw new Refusal(400, 'usage', `Unknown filter "${name.slice(0, 80)}". Known: ${names.join(', ')}.`)
    if (given.has(name)) throw new Refusal(400, 'usage', `The filter "${name}" is given twice.`)
    given.set(name, value)
  }
  const { filter, ...rest } = toLook(Object.fromEntries(given))
  return { ...rest, filter: { ...filter, withinMs: patienceMs } }
}

/** The same of fields as they come in a body, where numbers are numbers. @throws Refusal 400 · UsageError */
export function toLook(given: Readonly<Partial<Record<keyof JobQuery, unknown>>>): Look {
  const { queue, task, state, createdFrom, createdUntil, uniqueKey, parent, id, text, order, after, limit } = given
  if (state !== undefined && toState(state) === undefined)
    throw new Refusal(400, 'usage', 'Expected `state` to be pending, running, completed, failed or cancelled.')
  if (order !== undefined && order !== 'newest' && order !== 'oldest')
    throw new Refusal(400, 'usage', 'Expected `order` to be newest or oldest.')
  return {
    filter: {
      queue: maybe(queue, (one) => expectName(one, 'queue', 255, 0)),
      task: maybe(task, (one) => expectName(one, 'task')),
      state: toState(state),
      createdFrom: maybe(createdFrom, (one) => clamped(one, 'createdFrom', 0, latest)),
      createdUntil: maybe(createdUntil, (one) => clamped(one, 'createdUntil', 0, latest)),
      uniqueKey: maybe(uniqueKey, (one) => expectName(one, 'uniqueKey', 1_000)),
      parent: maybe(parent, (one) => expectName(one, 'parent')),
      after: maybe(after, (one) => expectName(one, 'after')),
      order: order === 'oldest' ? 'oldest' : 'newest',
      limit: limit === undefined ? usualPage : clamped(limit, 'limit', 1, largestPage),
    },
    id: maybe(id, (one) => expectName(one, 'id')),
    text: maybe(text, (one) => expectName(one, 'text', 200).toLowerCase()),
  }
}

/** One page. A search for text goes through a bounded number of jobs and may then find few, or none, though there are more behind. */
export async function look(
  store: Store<unknown>,
  { filter, id, text }: Look,
  redact: Redact | undefined,
): Promise<Found> {
  if (id !== undefined) {
    const [job] = await store.get([id])
    const jobs = job !== undefined && matches(job, filter) && holds(job, text, redact) ? [job] : []
    return { jobs, next: null, searched: null }
  }
  const list = await lister(store, filter)
  if (text !== undefined) return await search(list, filter, text, redact)
  return await page(list, filter)
}

/** In parts: jobs may hold a payload and a result of 1 MiB each, and a page of 200 of these is too much for one answer. It then ends early. */
async function page(list: List, filter: JobFilter): Promise<Found> {
  const jobs: Job[] = []
  let chars = 0
  while (jobs.length < filter.limit && chars < mostChars) {
    const limit = Math.min(partSize, filter.limit - jobs.length)
    const part = await list({ ...filter, after: jobs.at(-1)?.id ?? filter.after, limit })
    jobs.push(...part)
    chars += part.reduce((sum, { payload, result }) => sum + (payload?.length ?? 0) + (result?.length ?? 0), 0)
    if (part.length < limit) return { jobs, next: null, searched: null }
  }
  return { jobs, next: jobs.at(-1)?.id ?? null, searched: null }
}

type List = (filter: JobFilter) => Awaitable<readonly Job[]>

/** Up to so many jobs of a queue or task are looked for state by state, where they have indexes of their own; beyond, a walk over all soon meets a page of them. */
const few = 20_000

/** How much younger than its job an id is taken to be at most, in milliseconds: it is younger only where a clock was put back meanwhile. */
const idSlackMs = 3_600_000

/**
 * The way to list that is fast with millions of jobs beside those that are looked for: what a filter leaves to be walked over is bounded by
 * the kept counters, and by the times in ids.
 */
async function lister(store: Store<unknown>, { queue, task, state, uniqueKey, parent }: JobFilter): Promise<List> {
  const list: List = (filter) => store.list(bounded(store, filter))
  if (queue === undefined && task === undefined) return list
  if (state !== undefined || uniqueKey !== undefined || parent !== undefined) return list
  const counts = sumOf(countsOf(await store.queues(), queue, task))
  const there = states.filter((one) => counts[one] > 0)
  if (there.reduce((total, one) => total + counts[one], 0) > few) return list
  return async (filter) => {
    const pages = await Promise.all(there.map(async (one) => await list({ ...filter, state: one })))
    return merged(pages.flat(), filter)
  }
}

/** By the id where there is none of the page before: a walk from the newest need not pass all that came since. Ids of guests hold no time. */
function bounded(store: Store<unknown>, filter: JobFilter): JobFilter {
  const { createdUntil, after, order } = filter
  if (createdUntil === undefined || after !== undefined || order === 'oldest' || store.rules !== undefined)
    return filter
  return { ...filter, after: firstIdAt(Math.min(createdUntil + idSlackMs, latest)) }
}

/** A job that moved from one state to another between two looks is there once. */
function merged(jobs: readonly Job[], { order, limit }: JobFilter): readonly Job[] {
  const byId = new Map(jobs.map((job) => [job.id, job]))
  const sorted = [...byId.values()].toSorted((a, b) => compareIds(a.id, b.id))
  return (order === 'oldest' ? sorted : sorted.toReversed()).slice(0, limit)
}

async function search(list: List, filter: JobFilter, text: string, redact: Redact | undefined): Promise<Found> {
  const jobs: Job[] = []
  let [searched, chars, after] = [0, 0, filter.after]
  while (searched < mostSearched && chars < mostChars) {
    const part = await list({ ...filter, after, limit: searchPartSize })
    for (const job of part) {
      searched++
      after = job.id
      chars += job.payload?.length ?? 0
      if (holds(job, text, redact)) jobs.push(job)
      if (jobs.length === filter.limit) return { jobs, next: after, searched }
    }
    if (part.length < searchPartSize) return { jobs, next: null, searched }
  }
  return { jobs, next: after ?? null, searched }
}

/** Whether the text is in the payload as it is shown. */
function holds(job: Job, text: string | undefined, redact: Redact | undefined): boolean {
  return text === undefined || payloadText(job, redact)?.toLowerCase().includes(text) === true
}

function matches(job: Job, filter: JobFilter): boolean {
  const { queue, task, state, createdFrom, createdUntil, uniqueKey, parent } = filter
  return (
    (queue === undefined || job.queue === queue) &&
    (task === undefined || job.task === task) &&
    (state === undefined || job.state === state) &&
    (createdFrom === undefined || job.createdAt >= createdFrom) &&
    (createdUntil === undefined || job.createdAt < createdUntil) &&
    (uniqueKey === undefined || job.unique?.key === uniqueKey) &&
    (parent === undefined || job.parent === parent)
  )
}

/** A whole number, brought into its bounds. @throws Refusal 400 when it is none */
export function clamped(value: unknown, name: string, min: number, max: number): number {
  const number = typeof value === 'string' && /^[+-]?\d{1,400}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || Number.isNaN(number))
    throw new Refusal(400, 'usage', `Expected \`${name}\` to be a whole number from ${min} to ${max}.`)
  return Math.round(Math.min(max, Math.max(min, number)))
}

function maybe<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value)
}
