import { expectName } from '../core/expect.ts'
import type { Job } from '../core/job.ts'
import type { JobFilter, Store } from '../store.ts'
import { Refusal } from './problem.ts'
import { payloadText } from './preview.ts'
import type { Redact } from './redact.ts'
import type { JobQuery } from './shapes.ts'
import { toState } from './views.ts'

export const largestPage = 200
const usualPage = 50

/** How far a search for text goes for one page: jobs, and characters of payload. What is behind is the next page's. */
const mostSearched = 2_000
const mostSearchedChars = 16 * 1024 * 1024

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

/** Reads the query of a list. Numbers too large or too small are clamped. @throws Refusal 400 · UsageError */
export function readQuery(params: URLSearchParams): Look {
  const given = new Map<string, string>()
  for (const [name, value] of params) {
    if (!names.includes(name))
      throw new Refusal(400, 'usage', `Unknown filter "${name.slice(0, 80)}". Known: ${names.join(', ')}.`)
    if (given.has(name)) throw new Refusal(400, 'usage', `The filter "${name}" is given twice.`)
    given.set(name, value)
  }
  return toLook(Object.fromEntries(given))
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
    const jobs = (await store.get([id])).filter((job) => job !== undefined && matches(job, filter))
    return { jobs: jobs.filter((job) => job !== undefined), next: null, searched: null }
  }
  if (text === undefined) {
    const jobs = await store.list(filter)
    return { jobs, next: (jobs.length < filter.limit ? undefined : jobs.at(-1)?.id) ?? null, searched: null }
  }
  return await search(store, filter, text, redact)
}

async function search(
  store: Store<unknown>,
  filter: JobFilter,
  text: string,
  redact: Redact | undefined,
): Promise<Found> {
  const jobs: Job[] = []
  let [searched, chars, after] = [0, 0, filter.after]
  while (searched < mostSearched && chars < mostSearchedChars) {
    const page = await store.list({ ...filter, after, limit: largestPage })
    for (const job of page) {
      searched++
      after = job.id
      const payload = payloadText(job, redact) ?? ''
      chars += payload.length
      if (payload.toLowerCase().includes(text)) jobs.push(job)
      if (jobs.length === filter.limit) return { jobs, next: after, searched }
    }
    if (page.length < largestPage) return { jobs, next: null, searched }
  }
  return { jobs, next: after ?? null, searched }
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
